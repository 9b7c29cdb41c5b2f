"""Makes a store as an older version of the program left it: its schema, with people, pairs, answers, a rating."""

import json
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, insert, text

from medreason.domain.arms import ARMS, Arm
from medreason.storage.schema import MIGRATIONS
from medreason.storage.tables import answers
from tests.store import proof

# What the program of the first schema wrote: two conversations, three pairs, a rating.
ROWS = """
INSERT INTO users VALUES (1, 'local', 'local', 'admin', 't');
INSERT INTO raters VALUES (1, 1, 'Ann', 'ann', 't');
INSERT INTO conversations VALUES (1, 1, 't'), (2, 1, 't');
INSERT INTO pairs
  VALUES (1, 1, 1, 1, 'c-1', 'cardiology', 'First?', '', '{SAMPLING}', 't'),
         (2, 1, 2, 1, NULL, '', 'Second?', '', '{SAMPLING}', 't'),
         (7, 2, 1, 1, NULL, '', 'Other?', '', '{SAMPLING}', 't');
INSERT INTO presentations VALUES (1, 1, 'baseline', false, NULL, 't'), (2, 2, 'baseline', false, NULL, 't'),
                                 (3, 7, 'finetuned', true, NULL, 't');
INSERT INTO ratings VALUES (1, 1, 1, 1, 1, 2, 'good', false, 'k', 'h', '0.1.0', 't');
INSERT INTO scores VALUES (1, 1, 'left', 'D', 4), (2, 1, 'left', 'F', 4), (3, 1, 'left', 'H', 5),
                          (4, 1, 'right', 'D', 2), (5, 1, 'right', 'F', 3), (6, 1, 'right', 'H', NULL);
""".replace(
    "{SAMPLING}",
    '{"temperature": 0.6, "top_p": 0.95, "top_k": 20, "seed": 42, "max_new_tokens": 99, "thinking": true}',
)


def make_old(place: Path | str, schema: str = "0001") -> None:
    """Fill an empty place with the rows of the first schema, brought to `schema` by the migrations up to it."""
    engine = create_engine(f"sqlite:///{place}" if isinstance(place, Path) else place)
    with engine.begin() as connection:
        _upgrade(connection, "0001")
        for statement in ROWS.split(";"):
            if statement.strip():
                connection.exec_driver_sql(statement)
        _answers(connection)
        if schema != "0001":
            _upgrade(connection, schema)
        if connection.dialect.name == "postgresql":  # as if the ids had been given by the database
            for table in (
                "users",
                "raters",
                "conversations",
                "pairs",
                "presentations",
                "answers",
                "ratings",
                "scores",
            ):
                last = f"(SELECT max(id) FROM {table})"
                connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {last})"))
    engine.dispose()


def _upgrade(connection: Connection, schema: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, schema)


def _answers(connection: Connection) -> None:
    stored = json.loads(json.dumps(proof(Arm.BASELINE).as_dict()))
    del stored["continued_at"], stored["model"]["adapter_step"]
    counts = {"prompt_tokens": 1, "thinking_tokens": 0, "answer_tokens": 3}
    times = {"first_token_s": 0.1, "thinking_s": 0.0, "total_s": 1.0, "created_at": "t", "updated_at": "t"}
    for pair in (1, 2, 7):
        for arm in ARMS:
            said = {"pair_id": pair, "arm": str(arm), "thinking": "", "text": f"said {pair}", "finish": "stop"}
            more = {"fault": "", "thought": False, "closed": False, "provenance": {**stored, "arm": str(arm)}}
            connection.execute(insert(answers).values(**said, **more, **counts, **times))
