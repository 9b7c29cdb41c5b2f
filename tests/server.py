"""Starts the real app as a child on a free port, for tests that need a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import CHECKOUT

READY_WITHIN_S = 90


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def share_models(data: Path, models: Path) -> None:
    """Let a data folder use models that are already prepared elsewhere."""
    data.mkdir(parents=True, exist_ok=True)
    if not (data / "models").exists():
        (data / "models").symlink_to(models, target_is_directory=True)


class Server:
    """One running app. `log` holds everything it printed."""

    def __init__(self, data: Path, *options: str, port: int | None = None):
        self.data = data
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data.parent / f"server-{self.port}-{time.monotonic_ns()}.log"
        self._options = options
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> "Server":
        command = [sys.executable, "app.py", "serve", "--port", str(self.port), "--data-dir", str(self.data)]
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                [*command, *self._options],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=CHECKOUT,
                env={**os.environ, "HF_HUB_OFFLINE": "1"},
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            if f"MedReason is ready at {self.url}" in self.printed():
                return self
            if self._child.poll() is not None:
                break
            time.sleep(0.05)
        self.kill()
        raise AssertionError(f"the app did not get ready:\n{self.printed()}")

    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """As a power cut would: no signal handler runs."""
        if self._child is not None and self._child.poll() is None:
            os.kill(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def terminate(self, within_s: float) -> int:
        """Ask it to stop; returns its exit code."""
        assert self._child is not None
        self._child.terminate()
        return self._child.wait(within_s)


@contextmanager
def running(data: Path, *options: str) -> Iterator[Server]:
    server = Server(data, *options).start()
    try:
        yield server
    finally:
        server.kill()
