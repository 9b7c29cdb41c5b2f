"""Where people, pairs of answers and ratings are kept: SQLite by default, PostgreSQL by its url."""
