"""The page: one file a tab. Callbacks read inputs, call one service and render; nothing else."""

from medreason.ui.gradio_start import skip_type_stubs

skip_type_stubs()
