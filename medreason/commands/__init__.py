"""Commands of `app.py`, one noun a file: `add` puts the parser in, and what it names as `run` does the work."""
