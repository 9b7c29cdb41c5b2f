"""Where people, pairs of answers, studies and ratings are kept: SQLite by default, PostgreSQL by its url."""

from medreason.storage import login_tables as login_tables  # so that `tables.metadata` knows every table
from medreason.storage import study_tables as study_tables
