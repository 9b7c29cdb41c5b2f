"""What stands on a store, on SQLite; `on_postgres` runs some of it once more."""
