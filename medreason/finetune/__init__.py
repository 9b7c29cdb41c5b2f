"""One training run: its settings as a file, its recipe, its child process, its progress and its manifest.

Importing this package or any of its files loads no torch; functions that need it import it themselves.
"""
