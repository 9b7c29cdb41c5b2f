"""Engines put a question to both arms and stream what they say. `protocol` says what every engine does."""
