"""`app.py doctor`: what is wrong with this installation, one line each; the exit code says whether anything is."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from medreason.arguments import server_of, store_of
from medreason.engine.protocol import Engine


def add(commands: argparse._SubParsersAction) -> None:
    doctor = commands.add_parser("doctor", help="look at environment, disk, database, audit, backups and engine")
    doctor.add_argument("--without-model", action="store_true", help="leave out loading and testing the model")
    doctor.add_argument("--json", action="store_true", help="print the lines as JSON")
    doctor.add_model_options()
    doctor.add_store_options()
    doctor.add_server_options()
    doctor.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from medreason.services.doctor import Finding, Line, examine

    settings = store_of(options)
    make_engine = None if options.without_model else _engine_of(options)
    found: list[Line] = []
    for line in examine(settings.folder, settings.database, make_engine):
        found.append(line)
        if not options.json:
            print(f"{line.finding:9}  {line.what:13}  {line.words}", flush=True)
    wrong = sum(line.finding is Finding.WRONG for line in found)
    if options.json:
        lines = [{"what": one.what, "finding": str(one.finding), "words": one.words} for one in found]
        print(json.dumps({"ok": not wrong, "lines": lines}, ensure_ascii=False, indent=2))
    elif wrong:
        print(f"{wrong} of {len(found)} are wrong.")
    else:
        print("Nothing is wrong.")
    return 1 if wrong else 0


def _engine_of(options: argparse.Namespace) -> Callable[[], Engine]:
    """Makes the engine that `serve` with the same options would have, without its store."""
    server = server_of(options)
    settings = store_of(options)

    def make() -> Engine:
        from medreason.engine.openai_compatible import OpenAICompatibleEngine
        from medreason.engine.server_connection import read_key

        if server is not None:
            return OpenAICompatibleEngine(server, read_key(server))
        from medreason import demo
        from medreason.engine.local import LocalEngine
        from medreason.models.base import resolve_base

        given = (options.base_model, options.revision, settings.folder, options.quantization)
        ready_made = demo.ADAPTER if resolve_base(*given).embedded else None
        adapter = Path(options.adapter).expanduser() if options.adapter else ready_made
        return LocalEngine(options.base_model, options.revision, options.quantization, settings.folder, adapter)

    return make
