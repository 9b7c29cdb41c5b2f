"""The command line of `app.py`: reads options, builds the parts, serves the page.

Heavy imports wait until they are needed, so that `--help` and refusals are quick.
"""

import argparse
import logging
import os
import signal
import socket
import ssl
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from medreason import __version__
from medreason.arguments import Parser, server_of
from medreason.collector import settle
from medreason.commands import backups, doctor, exchange, users
from medreason.errors import Invalid, MedReasonError
from medreason.heaps import keep_few
from medreason.settings import AppSettings

if TYPE_CHECKING:
    from medreason.services.serving import Serving

# Connections and running requests at once; an open page holds two or three.
CONNECTIONS = 2000


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
    serve.add_store_options()
    serve.add_model_options()
    serve.add_argument(
        "--backup-every",
        type=float,
        default=defaults.backup_hours,
        metavar="HOURS",
        help="copy the SQLite file into the folder backups so often, 0 for never (default %(default)s)",
    )
    serve.add_server_options()
    serve.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate (PEM), to serve https itself")
    serve.add_argument("--tls-key", type=Path, metavar="FILE", help="private key of the certificate (PEM)")
    serve.add_argument("--public-url", default="", metavar="URL", help="https address that people open")
    serve.add_argument(
        "--trusted-proxy",
        default="",
        metavar="ADDRESS",
        help="address or network of the proxy that serves the public url; it alone may say who connects",
    )
    serve.set_defaults(run=_serve)
    for one in (users, exchange, backups, doctor):
        one.add(commands)
    return top


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code. Faults of use print one sentence and give 2."""
    words = list(arguments)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help", "--version")):
        words.insert(0, "serve")
    options = parser().parse_args(words)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        return options.run(options)
    except Invalid as fault:
        return _refuse("; ".join(str(one) for one in fault.faults) + ".")
    except ModuleNotFoundError as fault:
        if (fault.name or "").partition(".")[0] == "medreason":
            raise
        return _refuse(f"The package {fault.name} is not installed. Run make setup, then start again.")
    except MedReasonError as fault:
        return _refuse(str(fault))


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


def _certificate(settings: AppSettings) -> str | None:
    """The file of the certificate, once it and its key are known to be good; None where http is served."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_cert, settings.tls_key, password="")
    except (OSError, ValueError) as fault:  # no file, no PEM, another key, a password on it
        raise MedReasonError(
            f"--tls-cert {settings.tls_cert} and --tls-key {settings.tls_key} cannot be used. Give a certificate "
            "and its own key, both as readable PEM files, without a password."
        ) from fault
    return str(settings.tls_cert)


def _when_ready(settings: AppSettings, load: Callable[[], None]) -> None:
    """Say that the page answers, then load the model: the page must not wait for it."""
    itself = ssl.create_default_context()
    itself.check_hostname, itself.verify_mode = False, ssl.CERT_NONE  # whether it answers, not who it is
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{settings.address}/ui/login.css", timeout=2, context=itself) as page:
                if page.status == 200:
                    print(f"MedReason is ready at {settings.opened_at}", flush=True)
                    break
        except OSError:
            time.sleep(0.05)
    load()


def _load(serving: "Serving") -> None:
    """Load the model; what is there before and after it stays, and nobody waits for it to be looked through."""
    from medreason.engine.protocol import Phase

    settle()
    serving.start_loading()
    while serving.state.phase is Phase.LOADING:
        time.sleep(0.5)
    settle()


def _serve(options: argparse.Namespace) -> int:
    keep_few()
    settings = AppSettings(
        host=options.host,
        port=options.port,
        data_dir=options.data_dir,
        database_url=options.database_url,
        backup_hours=options.backup_every,
        base_model=options.base_model,
        revision=options.revision,
        adapter=options.adapter,
        quantization=options.quantization,
        server=server_of(options),
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        public_url=options.public_url,
        trusted_proxy=options.trusted_proxy,
    )
    certificate = _certificate(settings)
    settings.folder.prepare()
    pages = settings.folder.root / "pages"
    pages.mkdir(mode=0o700, exist_ok=True)
    os.environ["GRADIO_TEMP_DIR"] = str(pages)  # what is uploaded and handed out stays in the data folder
    with _take_port(settings) as taken:
        import uvicorn

        from medreason.assembly import assemble
        from medreason.ui.page import build_page
        from medreason.web.site import build_shell, front_of

        services = assemble(settings)
        if settings.exposed and not services.people.roles_in_use():
            raise MedReasonError(
                "Others can reach this address, and nobody has a password yet. Add a user first: "
                "app.py user add NAME --role admin. Or serve 127.0.0.1 alone."
            )
        site = build_shell(
            partial(build_page, services),
            services.people,
            services.logging_in,
            services.stop_all,
            front_of(settings),
        )
        config = uvicorn.Config(
            site,
            log_level="warning",
            timeout_graceful_shutdown=3,
            lifespan="on",
            proxy_headers=False,  # our own layer reads them, from the trusted proxy alone
            server_header=False,
            limit_concurrency=CONNECTIONS,
            ssl_certfile=certificate,
            ssl_keyfile=str(settings.tls_key) if certificate else None,
        )
        server = uvicorn.Server(config)
        told = threading.Thread(target=_when_ready, args=(settings, partial(_load, services.serving)), daemon=True)
        told.start()
        threading.Thread(target=services.training.find_again, daemon=True).start()
        if services.backups is not None:
            services.backups.start()
        # uvicorn ends in order and then raises the signal again; being asked to stop is no failure.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            server.run(sockets=[taken])
        except KeyboardInterrupt:
            pass
    return 0
