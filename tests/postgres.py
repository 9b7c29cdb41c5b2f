"""A PostgreSQL of the tests' own: one server a session in a folder that is thrown away, a database for each test.

Run as a script it makes sure that PostgreSQL is installed (Debian's package, where this process is root), and says
in one sentence where there can be none.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

USER = "medreason"
OTHER_USERS = ("postgres", "nobody")


class NoPostgres(Exception):
    """There can be no server here; says why."""


def find_programs() -> Path | None:
    """The folder with initdb and pg_ctl; Debian keeps them off the PATH."""
    on_path = shutil.which("initdb")
    places = [Path(on_path).resolve().parent] if on_path else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: float(one.parent.name))
    return next((place for place in reversed(places) if (place / "pg_ctl").exists()), None)


def install() -> None:
    """Debian's package, where this process is root and has apt; failures are not raised."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True, timeout=600)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql"],
            capture_output=True,
            timeout=900,
            env=quiet,
        )


def _owner() -> str | None:
    """Who runs the server: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    import pwd

    for name in OTHER_USERS:
        with suppress(KeyError):
            pwd.getpwnam(name)
            return name
    raise NoPostgres("PostgreSQL does not run as root, and there is no other user here")


class Server:
    """A running server; `socket` is the folder of its socket, which only this computer can reach."""

    def __init__(self, socket: Path):
        self.socket = socket
        self._made = 0

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}@/{database}?host={self.socket}"

    def run(self, statement: str) -> None:
        with psycopg.connect(host=str(self.socket), user=USER, dbname="postgres", autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def make(self, like: str = "template0") -> str:
        """A new database, a copy of another; gives its name."""
        self._made += 1
        name = f"test_{self._made}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {like}")
        return name

    def drop(self, name: str) -> None:
        self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def running() -> Iterator[Server]:
    """A server with its usual settings (commits reach the disk) in a fresh folder. Raises `NoPostgres`."""
    programs = find_programs()
    if programs is None:
        raise NoPostgres("PostgreSQL is not installed here (Debian: apt-get install postgresql)")
    owner = _owner()
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        if owner:
            shutil.chown(folder, owner)

        def call(program: str, *arguments: str) -> None:
            done = subprocess.run(
                [str(programs / program), "-D", str(folder / "data"), *arguments],
                user=owner,
                extra_groups=[] if owner else None,
                cwd=folder,
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # the server would hold a pipe open
                stderr=subprocess.DEVNULL,
                timeout=60,
            )
            if done.returncode:
                raise NoPostgres(f"PostgreSQL is installed, and its {program} failed here")

        call("initdb", "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c log_min_messages=panic"
        try:
            call("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
            yield Server(folder)
        finally:
            with suppress(NoPostgres, subprocess.TimeoutExpired):
                call("pg_ctl", "-w", "-m", "immediate", "stop")


def main(asked: list[str]) -> int:
    if find_programs() is None:
        install()
    if find_programs() is None:
        must = "--must" in asked
        print(
            f"{'The drills need' if must else 'Left out, as it is not here:'} PostgreSQL "
            "(Debian: apt-get install postgresql).",
            file=sys.stderr,
        )
        return 2 if must else 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
