"""The real app behind a certificate of its own, and behind a proxy: all log in, and cookies travel encrypted."""

import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from medreason.cli import main
from medreason.domain.user import Role
from medreason.storage.database import Database
from tests.logins import PASSWORD, Desk
from tests.server import Server, free_port, share_models
from tests.store import empty

NEEDS_OPENSSL = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("certificate")
    names = "subjectAltName=DNS:localhost,IP:127.0.0.1"
    made = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=localhost", "-addext", names]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    subprocess.run([*command, *map(str, made)], check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def data(tmp_path: Path, embedded_model: Path) -> Path:
    """A data folder with one user."""
    folder = tmp_path / "data"
    share_models(folder, embedded_model.parent)
    (folder / "medreason.db").write_bytes(empty())
    database = Database.open(folder / "medreason.db")
    Desk(database).adds("ann", Role.ADMIN)
    database.close()
    return folder


@NEEDS_OPENSSL
def test_https_is_served_on_every_address(data: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    server = Server(data, "--host", "0.0.0.0", "--tls-cert", str(cert), "--tls-key", str(key))
    server.url = f"https://127.0.0.1:{server.port}"
    server.start()
    try:
        trusting = ssl.create_default_context(cafile=str(cert))
        with httpx.Client(base_url=server.url, verify=trusting) as browser:
            assert browser.get("/config").status_code == 401
            given = {"name": "ann", "password": PASSWORD}
            answer = browser.post("/login", data=given, headers={"origin": server.url})
            assert answer.status_code == 303
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-medreason=") and "Secure" in cookie and "Domain" not in cookie
            page = browser.get("/")
            assert page.status_code == 200 and f"https://127.0.0.1:{server.port}" in page.text
            assert page.headers["strict-transport-security"] and "server" not in page.headers
            foreign = browser.get("/", headers={"host": "evil.example"})
            assert foreign.status_code == 400
        with pytest.raises(httpx.HTTPError):  # nobody is served unencrypted
            httpx.get(f"http://127.0.0.1:{server.port}/login")
    finally:
        server.kill()


def test_behind_a_proxy_links_and_cookies_follow_the_public_address(data: Path) -> None:
    public = ("--public-url", "https://med.example.org", "--trusted-proxy", "127.0.0.1")
    server = Server(data, *public)
    address, server.url = server.url, "https://med.example.org"
    server.start()
    try:
        proxied = {"host": "med.example.org", "x-forwarded-for": "203.0.113.9", "x-forwarded-host": "evil.example"}
        with httpx.Client(base_url=address, headers=proxied) as browser:
            given = {"name": "ann", "password": PASSWORD}
            assert browser.post("/login", data=given, headers={"origin": address}).status_code == 403
            answer = browser.post("/login", data=given, headers={"origin": "https://med.example.org"})
            assert answer.status_code == 303 and "Secure" in answer.headers["set-cookie"]
            token = answer.headers["set-cookie"].split(";")[0]
            page = browser.get("/", headers={"cookie": token})
            assert "https://med.example.org" in page.text and "evil.example" not in page.text
    finally:
        server.kill()


@NEEDS_OPENSSL
def test_what_cannot_be_served_is_told_in_one_sentence(
    tmp_path: Path, certificate: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    cert, key = map(str, certificate)
    encrypted = ["--tls-cert", cert, "--tls-key", key]
    given = ["serve", "--data-dir", str(tmp_path / "d"), "--port", str(free_port())]
    for words, said in (
        (["--host", "0.0.0.0", *encrypted], "app.py user add NAME --role admin"),
        (["--tls-cert", key, "--tls-key", key], "cannot be used"),
        (["--tls-cert", cert, "--tls-key", str(tmp_path / "none.pem")], "cannot be used"),
        (["--public-url", "https://med.example.org", "--trusted-proxy", "127.0.0.1"], "nobody has a password"),
    ):
        assert main([*given, *words]) == 2
        printed = capsys.readouterr()
        assert said in printed.err and len(printed.err.splitlines()) == 1
