"""`app.py backup FILE` and `app.py restore FILE`."""

import argparse
from pathlib import Path

from medreason.arguments import store_of


def add(commands: argparse._SubParsersAction) -> None:
    backup = commands.add_parser("backup", help="write a checked copy of everything stored, while the app runs")
    backup.add_argument("file", type=Path, metavar="FILE", help="file to write; must not be there yet")
    backup.add_store_options()
    backup.set_defaults(run=_backup)
    restore = commands.add_parser("restore", help="bring a backup back; the app must not be running")
    restore.add_argument("file", type=Path, metavar="FILE", help="a file that app.py backup wrote")
    restore.add_argument(
        "--replace",
        action="store_true",
        help="in the place of the database, which is kept beside it",
    )
    restore.add_store_options()
    restore.set_defaults(run=_restore)


def _backup(options: argparse.Namespace) -> int:
    from medreason.services.backing_up import back_up

    print(back_up(store_of(options).database, options.file.expanduser().absolute()))
    return 0


def _restore(options: argparse.Namespace) -> int:
    from medreason.services.backing_up import restore

    settings = store_of(options)
    if not settings.database_url and options.file.is_file():
        settings.folder.prepare()
    print(restore(options.file.expanduser().absolute(), settings.database, options.replace))
    return 0
