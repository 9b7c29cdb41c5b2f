"""How every command of the project refuses a wrong option: one plain sentence and exit code 2."""

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from medreason.domain.checks import Checks
from medreason.domain.model_server import ENGINES, ModelServer, chosen_server
from medreason.folder import DataFolder
from medreason.settings import QUANTIZATIONS, AppSettings


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage dump."""

    def error(self, message: str) -> NoReturn:
        print(f"{message[0].upper()}{message[1:]}. See --help.", file=sys.stderr)
        sys.exit(2)

    def add_data_dir(self, use: str = "data folder in which the embedded model is unpacked") -> None:
        """The option --data-dir, which `data_folder` reads."""
        self.add_argument(
            "--data-dir",
            type=Path,
            default=AppSettings().data_dir,
            metavar="DIR",
            help=f"{use} (default %(default)s)",
        )

    def add_model_options(self) -> None:
        """Which model of this computer answers, and with which adapter."""
        defaults = AppSettings()
        self.add_argument(
            "--base-model",
            default=defaults.base_model,
            help="auto, embedded, a hub id such as Qwen/Qwen3-8B, or a folder (default %(default)s)",
        )
        self.add_argument("--revision", default="", help="hub revision of the base model")
        self.add_argument("--adapter", default="", help="adapter folder to compare first")
        self.add_argument("--quantization", choices=QUANTIZATIONS, default=defaults.quantization)

    def add_store_options(self) -> None:
        """The options --data-dir and --database-url, which say where the store is."""
        self.add_data_dir("folder for everything that is kept")
        self.add_argument(
            "--database-url",
            default="",
            metavar="URL",
            help="postgresql+psycopg://USER@HOST/NAME for several app processes; a password is taken from "
            "~/.pgpass or PGPASSWORD (default: a SQLite file in the data folder)",
        )

    def add_server_options(self) -> None:
        """The options that `server_of` reads."""
        self.add_argument(
            "--engine",
            default="auto",
            choices=ENGINES,
            help="who holds the weights: this computer (local) or a server (openai); auto takes the server if "
            "--api-base is given",
        )
        self.add_argument("--api-base", default="", metavar="URL", help="OpenAI-compatible server, mostly …/v1")
        self.add_argument(
            "--api-key-env", default="", metavar="NAME", help="environment variable that holds the server's key"
        )
        self.add_argument(
            "--model-baseline", default="", metavar="NAME", help="the server's name for the baseline"
        )
        self.add_argument(
            "--model-finetuned", default="", metavar="NAME", help="the server's name for the fine-tuned model"
        )


def server_of(options: argparse.Namespace) -> ModelServer | None:
    """The server that the options name, or None where this computer holds the weights. Raises `Invalid`, also for
    options that choose a model of this computer beside a server."""
    server = chosen_server(
        options.engine,
        options.api_base,
        options.model_baseline,
        options.model_finetuned,
        options.api_key_env,
    )
    if server is not None:
        usual = {"base_model": "auto", "revision": "", "quantization": "auto", "adapter": None}
        checks = Checks()
        for name, default in usual.items():
            given = getattr(options, name) or default
            option = f"--{name.replace('_', '-')}"
            checks.require(given == default, option, str(given), "leave it out; the server has its own models")
        checks.done()
    return server


def data_folder(options: argparse.Namespace) -> DataFolder:
    """The folder that --data-dir names, as an absolute path. Touches no disk but to follow links."""
    return DataFolder(options.data_dir.expanduser().resolve())


def store_of(options: argparse.Namespace) -> AppSettings:
    """The settings of a command that only opens the store."""
    return AppSettings(data_dir=options.data_dir, database_url=options.database_url)
