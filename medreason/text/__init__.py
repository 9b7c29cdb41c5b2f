"""Text as models take and give it: chat template, thinking and answer, lengths; tokenizers are passed in."""
