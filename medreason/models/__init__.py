"""Models on disk and in memory: the embedded model, loading a base, adapter checks, hashes.

Importing this package or any of its files loads no torch; functions that need it import it themselves.
"""
