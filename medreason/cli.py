"""The command line of `app.py`: reads options, builds the parts, serves the page.

Heavy imports wait until they are needed, so that `--help` and refusals are quick.
"""

import argparse
import logging
import signal
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from medreason import __version__
from medreason.arguments import Parser
from medreason.domain.user import Role
from medreason.errors import Invalid, MedReasonError
from medreason.settings import QUANTIZATIONS, AppSettings

COMMANDS = ("serve", "user")


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 2


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="app.py", description=__doc__.splitlines()[0] if __doc__ else "")
    top.add_argument("--version", action="version", version=f"MedReason {__version__}")
    commands = top.add_subparsers(dest="command", required=True)
    defaults = AppSettings()
    serve = commands.add_parser("serve", help="serve the page (what happens without a command)")
    serve.add_argument("--host", default=defaults.host, help="address to serve on (default %(default)s)")
    serve.add_argument("--port", type=int, default=defaults.port, help="port (default %(default)s)")
    serve.add_argument(
        "--data-dir", type=Path, default=defaults.data_dir, help="folder for everything that is kept"
    )
    serve.add_argument(
        "--base-model",
        default=defaults.base_model,
        help="auto, embedded, a hub id such as Qwen/Qwen3-8B, or a folder (default %(default)s)",
    )
    serve.add_argument("--revision", default="", help="hub revision of the base model")
    serve.add_argument("--adapter", default="", help="adapter folder to compare first")
    serve.add_argument("--quantization", choices=QUANTIZATIONS, default=defaults.quantization)
    user = commands.add_parser("user", help="manage users")
    actions = user.add_subparsers(dest="action", required=True)
    add = actions.add_parser("add", help="add a user")
    add.add_argument("name")
    add.add_argument("--role", choices=[str(role) for role in Role], required=True)
    add.add_argument("--data-dir", type=Path, default=defaults.data_dir)
    return top


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code. Faults of use print one sentence and give 2."""
    words = list(arguments)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help", "--version")):
        words.insert(0, "serve")
    options = parser().parse_args(words)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        if options.command == "user":
            return _add_user(options)
        return _serve(options)
    except Invalid as fault:
        return _refuse("; ".join(str(one) for one in fault.faults) + ".")
    except MedReasonError as fault:
        return _refuse(str(fault))


def _add_user(options: argparse.Namespace) -> int:
    from medreason.folder import DataFolder
    from medreason.services.people import PeopleService
    from medreason.storage.database import Database
    from medreason.storage.people import People

    folder = DataFolder(options.data_dir.expanduser().resolve())
    folder.prepare()
    people = PeopleService(People(Database.open(folder.database)))
    added = people.add_user(options.name, Role(options.role))
    print(
        f"Added {added.name} as {added.role}. This version has no login yet: the page still works as "
        "the local admin of this computer."
    )
    return 0


def _take_port(settings: AppSettings) -> socket.socket:
    """Bind first, so that a port in use is known before anything heavy is loaded."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((settings.host, settings.port))
    except OSError as fault:
        taken.close()
        raise MedReasonError(
            f"Port {settings.port} on {settings.host} is in use or not allowed. "
            "Stop the other program, or choose another port with --port."
        ) from fault
    return taken


def _when_ready(address: str, load: Callable[[], None]) -> None:
    """Say that the page answers, then load the model: the page must not wait for it."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(address, timeout=2) as page:
                if page.status == 200:
                    print(f"MedReason is ready at {address}", flush=True)
                    break
        except OSError:
            time.sleep(0.05)
    load()


def _serve(options: argparse.Namespace) -> int:
    settings = AppSettings(
        host=options.host,
        port=options.port,
        data_dir=options.data_dir,
        base_model=options.base_model,
        revision=options.revision,
        adapter=options.adapter,
        quantization=options.quantization,
    )
    settings.folder.prepare()
    with _take_port(settings) as taken:
        import uvicorn

        from medreason.assembly import assemble
        from medreason.ui.page import build_page
        from medreason.web.site import build_site

        services = assemble(settings)
        site = build_site(build_page(services), services.comparing.stop_all)
        server = uvicorn.Server(
            uvicorn.Config(site, log_level="warning", timeout_graceful_shutdown=3, lifespan="on")
        )
        told = threading.Thread(
            target=_when_ready, args=(settings.address, services.serving.start_loading), daemon=True
        )
        told.start()
        # uvicorn ends in order and then raises the signal again; being asked to stop is no failure.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            server.run(sockets=[taken])
        except KeyboardInterrupt:
            pass
    return 0
