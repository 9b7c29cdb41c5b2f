"""How the app is started: every option of `python app.py serve`, checked together."""

import ipaddress
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from medreason.domain.checks import Checks
from medreason.domain.model_server import ModelServer
from medreason.folder import DataFolder

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
EVERY_ADDRESS = ("0.0.0.0", "::")
PUBLIC_URL = re.compile(r"https://[A-Za-z0-9.-]+(:\d{1,5})?/?")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
QUANTIZATIONS = ("auto", "none", "nf4")


@dataclass(frozen=True)
class AppSettings:
    """Options of the app. `adapter` empty means the ready-made demo adapter where the base is the
    embedded model, and none elsewhere. With a `server` no model of this computer is used. `database_url`
    empty means the file in the data folder, which is copied into backups every `backup_hours`, never for 0."""

    host: str = "127.0.0.1"
    port: int = 7860
    data_dir: Path = Path("medreason-data")
    database_url: str = ""
    backup_hours: float = 6
    base_model: str = "auto"
    revision: str = ""
    adapter: str = ""
    quantization: str = "auto"
    server: ModelServer | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    public_url: str = ""
    trusted_proxy: str = ""

    def __post_init__(self) -> None:
        checks = Checks()
        self._check_address(checks)
        checks.require(
            not self.database_url or self.database_url.startswith("postgresql+psycopg://"),
            "--database-url",
            None,  # it may hold a password
            "give postgresql+psycopg://USER@HOST/NAME, or leave it out for a file in the data folder",
        )
        checks.number("--backup-every", self.backup_hours, 0, 720)
        checks.number("--port", self.port, 1, 65535, whole=True)
        checks.choice("--quantization", self.quantization, QUANTIZATIONS)
        checks.text("--base-model", self.base_model, 4096)
        checks.text("--revision", self.revision, 200, empty_ok=True)
        checks.text("--adapter", self.adapter, 4096, empty_ok=True)
        checks.done()

    def _check_address(self, checks: Checks) -> None:
        """Passwords and cases leave this computer encrypted or not at all."""
        tls = self.tls_cert is not None and self.tls_key is not None
        proxied = bool(self.public_url and self.trusted_proxy)
        checks.require(
            self.host in LOOPBACK_HOSTS or tls or proxied,
            "--host",
            self.host,
            "others can reach this address, so give --tls-cert FILE and --tls-key FILE, or --public-url https://… "
            "and --trusted-proxy ADDRESS; or use 127.0.0.1",
        )
        given = (self.tls_cert is None) == (self.tls_key is None)
        checks.require(given, "--tls-cert", None, "give --tls-cert and --tls-key together")
        checks.require(
            tls or bool(self.public_url) == bool(self.trusted_proxy),
            "--trusted-proxy",
            self.trusted_proxy,
            "give --public-url and --trusted-proxy together, or --tls-cert and --tls-key",
        )
        checks.require(
            not (tls and self.trusted_proxy),
            "--trusted-proxy",
            self.trusted_proxy,
            "leave it out with --tls-cert: either the proxy encrypts, or this program does",
        )
        checks.require(
            not self.public_url or PUBLIC_URL.fullmatch(self.public_url) is not None,
            "--public-url",
            self.public_url,
            "give the address that people open, such as https://medreason.example.org, without a path",
        )
        checks.require(
            not self.trusted_proxy or _network(self.trusted_proxy) is not None,
            "--trusted-proxy",
            self.trusted_proxy,
            "give the proxy's own address, such as 10.0.0.5, or a network such as 10.0.0.0/24",
        )

    @property
    def exposed(self) -> bool:
        """Whether others than this computer's users can reach the page."""
        return self.host not in LOOPBACK_HOSTS or bool(self.public_url)

    @property
    def encrypted(self) -> bool:
        """Whether people only reach the page by https."""
        return self.tls_cert is not None or bool(self.public_url)

    @property
    def proxy_network(self) -> Network | None:
        return _network(self.trusted_proxy) if self.trusted_proxy else None

    @property
    def hosts(self) -> frozenset[str]:
        """The names under which the page may be asked for."""
        names = {*LOOPBACK_HOSTS, self.host.lower()}
        if self.host in EVERY_ADDRESS:
            names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        if self.public_url:
            names.add((urlsplit(self.public_url).hostname or "").lower())
        return frozenset(names)

    @property
    def folder(self) -> DataFolder:
        return DataFolder(self.data_dir.expanduser().resolve())

    @property
    def database(self) -> str | Path:
        """The store, as `Database.open` takes it."""
        return self.database_url or self.folder.database

    @property
    def address(self) -> str:
        """Where this computer itself reaches the page."""
        here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        host = f"[{here}]" if ":" in here else here
        return f"http{'s' if self.tls_cert else ''}://{host}:{self.port}"

    @property
    def opened_at(self) -> str:
        """The address that people open."""
        return self.public_url.rstrip("/") or self.address


def _network(text: str) -> Network | None:
    """The network that a proxy may be in; never everything."""
    try:
        found = ipaddress.ip_network(text)
    except ValueError:
        return None
    return found if found.prefixlen >= 8 else None
