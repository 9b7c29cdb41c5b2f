"""The page: one file a tab. Callbacks read inputs, call one service and render; nothing else."""
