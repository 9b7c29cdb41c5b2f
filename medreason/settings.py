"""How the app is started: every option of `python app.py serve`, checked together."""

from dataclasses import dataclass
from pathlib import Path

from medreason.domain.checks import Checks
from medreason.folder import DataFolder

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
QUANTIZATIONS = ("auto", "none", "nf4")


@dataclass(frozen=True)
class AppSettings:
    """Options of the app. `adapter` empty means the ready-made demo adapter where the base is the
    embedded model, and none elsewhere."""

    host: str = "127.0.0.1"
    port: int = 7860
    data_dir: Path = Path("medreason-data")
    base_model: str = "auto"
    revision: str = ""
    adapter: str = ""
    quantization: str = "auto"

    def __post_init__(self) -> None:
        checks = Checks()
        checks.require(
            self.host in LOOPBACK_HOSTS,
            "--host",
            self.host,
            "this version has no login, so it serves this computer only; use 127.0.0.1, and reach it from "
            "elsewhere through an SSH tunnel",
        )
        checks.number("--port", self.port, 1, 65535, whole=True)
        checks.choice("--quantization", self.quantization, QUANTIZATIONS)
        checks.text("--base-model", self.base_model, 4096)
        checks.text("--revision", self.revision, 200, empty_ok=True)
        checks.text("--adapter", self.adapter, 4096, empty_ok=True)
        checks.done()

    @property
    def folder(self) -> DataFolder:
        return DataFolder(self.data_dir.expanduser().resolve())

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"
