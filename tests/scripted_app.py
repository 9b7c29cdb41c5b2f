"""The real app on a scripted engine, for tests of the page that need a model to say exactly this, at this speed.

Run as a script it serves; `serving` starts it as a child.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from medreason.domain.answers import Finish
from medreason.domain.arms import ARMS, Arm
from medreason.engine.scripted import Script, ScriptedEngine
from tests.server import READY_WITHIN_S, free_port

CHECKOUT = Path(__file__).resolve().parent.parent


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serving(data: Path, scripts: dict[Arm, Script], words_a_second: float) -> Iterator[str]:
    """The address of an app whose arms say their scripts, both at this speed."""
    port = free_port()
    data.mkdir(parents=True, exist_ok=True)
    given = data.parent / f"scripts-{port}.json"
    given.write_text(json.dumps({str(arm): asdict(script) for arm, script in scripts.items()}), encoding="utf-8")
    log = data.parent / f"scripted-{port}.log"
    with log.open("wb") as printed:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.scripted_app", str(data), str(port), str(words_a_second), str(given)],
            cwd=CHECKOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while not listens(port):
            assert time.monotonic() < deadline and child.poll() is None, log.read_text(errors="replace")
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.kill()
        child.wait()


def main(given: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("port", type=int)
    parser.add_argument("words_a_second", type=float)
    parser.add_argument("scripts", type=Path)
    options = parser.parse_args(given)

    import dataclasses

    import uvicorn

    from medreason.assembly import assemble
    from medreason.services.comparing import Comparing
    from medreason.services.conversations import Conversations
    from medreason.services.serving import AdapterChoice, Serving
    from medreason.settings import AppSettings
    from medreason.storage.conversations import ConversationList
    from medreason.storage.database import Database
    from medreason.storage.pairs import Pairs
    from medreason.ui.page import build_page
    from medreason.web.site import build_site

    settings = AppSettings(data_dir=options.data, base_model="embedded", port=options.port)
    settings.folder.prepare()
    engine = ScriptedEngine(1 / options.words_a_second / len(ARMS))
    for arm, script in json.loads(options.scripts.read_text(encoding="utf-8")).items():
        engine.plays(Arm(arm), Script(**{**script, "finish": Finish(script["finish"])}))
    choice = AdapterChoice("demo", "Scripted adapter", settings.folder.root / "scripted-adapter")
    real = assemble(settings)
    serving = Serving(lambda: (engine, "demo"), lambda: [choice])
    database = Database.open(settings.folder.database)
    pairs = Pairs(database)
    comparing = Comparing(serving, pairs, real.cases)
    services = dataclasses.replace(
        real,
        serving=serving,
        comparing=comparing,
        conversations=Conversations(pairs, ConversationList(database), comparing),
    )
    site = build_site(build_page(services), comparing.stop_all)
    serving.start_loading()
    server = uvicorn.Server(uvicorn.Config(site, port=options.port, log_level="warning", lifespan="on"))
    server.run()


if __name__ == "__main__":
    main(sys.argv[1:])
