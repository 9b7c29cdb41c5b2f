"""The processes of one run on several GPUs of one machine: one a GPU, each with the whole base and its share of
the rows. The first of them is the run: it alone writes, hears requests and has a say in what is done next.

It starts the others itself, so a run is one process to whoever started it, with the same signals and exit codes;
where `accelerate launch` or torchrun started all of them, they find each other by the variables of those. Knows
nothing of models and rows. Importing this loads no torch.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

import psutil

from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.finetune.recipe import ONE_GPU
from medreason.leaving import leave_at_once

# Set for tests: several processes on a computer without a GPU.
ON_CPU = "MEDREASON_RANKS_ON_CPU"
OURS = "MEDREASON_RANKS_PORT"
HERE = "127.0.0.1"
# Others wait as long for the first as its turn, a download or a slow disk may take; a death is seen otherwise.
WAIT = timedelta(days=2)
NOTICED_S, LOOK_EVERY_S, TOLD_S = 15.0, 0.25, 3.0
FAILED = 1


class Ranks:
    """The processes of a run as one of them sees them: `rank` is its own number, from 0, of `count`."""

    def __init__(self, rank: int = 0, count: int = 1):
        self.rank, self.count = rank, count
        self.first = rank == 0
        self._others: list[subprocess.Popen[bytes]] = []
        self._said: dict[int, str] = {}
        self._reading = threading.Lock()
        self._over = False
        self._first_pid = 0

    @classmethod
    def of_environment(cls) -> "Ranks":
        """As a launcher says; alone where there was none. Raises `MedReasonError` for processes on several
        machines."""
        count = _number("WORLD_SIZE", 1)
        if count <= 1:
            return cls()
        if _number("LOCAL_WORLD_SIZE", count) != count:
            raise MedReasonError(
                "A run is trained on the GPUs of one machine, and the launcher started processes on several. "
                "Start them on one."
            )
        return cls(_number("RANK", 0), count)

    def settled(self, config: TrainingConfig, there: int) -> TrainingConfig:
        """The configuration with as many GPUs as processes were started. Raises `MedReasonError` where that is
        not what it asks for, and where fewer GPUs are `there`."""
        if self.count > 1 and config.gpus not in (1, self.count):
            raise MedReasonError(
                f"The settings ask for {config.gpus} GPUs, and the launcher started {self.count} processes. Start "
                "one for each GPU, or none but the script itself."
            )
        config = replace(config, gpus=max(self.count, config.gpus))
        on_cpu = there == 0 and (self.count > 1 or os.environ.get(ON_CPU) == "1")
        if config.gpus > max(1, there) and not on_cpu:
            raise MedReasonError(
                f"The run asks for {config.gpus} GPUs, and this computer has {there or 'none'}. Set “GPUs to use” "
                f"to {max(1, there)}."
            )
        if config.split_base and config.gpus == 1:
            raise MedReasonError(ONE_GPU)
        return config

    def start_others(self, count: int) -> None:
        """Make this process the first of `count`, and start the others with its own command line. Call it once."""
        import torch.distributed as dist

        self.count = count
        listening = socket.create_server((HERE, 0))  # by itself the library would listen to other machines too
        port = listening.getsockname()[1]
        self._store: Any = dist.TCPStore(
            HERE,
            port,
            count,
            is_master=True,
            wait_for_workers=False,
            timeout=WAIT,
            master_listen_fd=listening.detach(),
        )
        told = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port, OURS: port}
        os.environ.update({name: str(value) for name, value in told.items()})
        os.environ.update(RANK="0", LOCAL_RANK="0", MASTER_ADDR=HERE)
        for rank in range(1, count):
            self._others.append(
                subprocess.Popen(
                    [sys.executable, *sys.orig_argv[1:]],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                )
            )

    def meet(self) -> None:
        """Wait for all processes of the run; from then on they do the same things at the same time, each on the
        GPU of its number."""
        if self.count == 1:
            return
        import torch
        import torch.distributed as dist

        if sys.platform == "linux":
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        more: dict[str, Any] = {}
        if port := _number(OURS, 0):
            if not self.first:
                self._store = dist.TCPStore(HERE, port, self.count, is_master=False, timeout=WAIT)
            more = {"store": self._store, "rank": self.rank, "world_size": self.count}
        gpu = torch.cuda.is_available()
        if gpu:
            torch.cuda.set_device(self.rank)
        # What is agreed on goes between processors; a GPU at work is not waited for.
        dist.init_process_group("cpu:gloo,cuda:nccl" if gpu else "gloo", timeout=WAIT, **more)
        self._first_pid = self.gathered(os.getpid())[0]
        if not self.first:  # the first hears what all are asked, and says when to end
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: None)

    def agreed(self, value: bool) -> bool:
        """What the first process says, in all of them."""
        if self.count == 1:
            return value
        import torch
        import torch.distributed as dist

        said = torch.tensor([int(value)], dtype=torch.uint8)
        dist.broadcast(said, src=0)
        return bool(said.item())

    def gathered(self, value: Any) -> list[Any]:
        """What each process says, by number, in all of them."""
        if self.count == 1:
            return [value]
        import torch.distributed as dist

        said: list[Any] = [None] * self.count
        dist.all_gather_object(said, value)
        return said

    def require_same(self, *values: str) -> None:
        """Refuse to train where the processes have not read the same."""
        if any(one != values for one in self.gathered(values)):
            raise MedReasonError(
                "The processes of the run did not read the same rows and weights, so something changed them "
                "meanwhile. Start the run again."
            )

    def look_after(self, lost: Callable[[str], None]) -> None:
        """In the first process: once another has died, and this one has not noticed by itself, as where it waits
        for a GPU, tell `lost` a sentence and end. Nobody is left behind."""

        def look() -> None:
            while not self._over:
                if words := self._of_the_dead():
                    time.sleep(NOTICED_S)
                    if not self._over:
                        with suppress(OSError):
                            lost(words)
                        self.end()
                        os._exit(FAILED)
                time.sleep(LOOK_EVERY_S)

        if self._others:
            threading.Thread(target=look, name="ranks", daemon=True).start()

    def why(self, fault: Exception) -> str:
        """In the first process, when something broke: what became of another process, in a sentence; empty where
        all live. Of processes that a launcher has started only the broken line is known."""
        if self.count > 1 and not self._others and "connection" in str(fault).lower():
            return "Another process of the run ended before its time, so the run was ended. Its log tells more."
        until = time.monotonic() + TOLD_S
        while self._others and time.monotonic() < until:
            if words := self._of_the_dead():
                return words
            time.sleep(LOOK_EVERY_S)
        return ""

    def _of_the_dead(self) -> str:
        for rank, other in enumerate(self._others, start=1):
            if code := other.poll():
                which = f"Process {rank + 1} of {self.count} of the run"
                if code > 0:
                    return f"{which} failed. {self._last_words(rank, other) or 'Its log tells more.'}"
                return (
                    f"{which} was ended from outside (signal {-code}), most often because the computer ran out of "
                    "memory, so the run was ended."
                )
        return ""

    def _last_words(self, rank: int, other: subprocess.Popen[bytes]) -> str:
        with self._reading:
            if rank not in self._said and other.stdout is not None:
                os.set_blocking(other.stdout.fileno(), False)  # a process that it started may hold the pipe
                self._said[rank] = (other.stdout.read() or b"").decode("utf-8", errors="replace").strip()
            return self._said.get(rank, "")

    def over(self) -> None:
        """In the first process: the others have done their part, and however they end is all the same."""
        self._over = True

    def end(self) -> None:
        """In the first process: end the others, who hold nothing that is missed."""
        self._over = True
        for other in self._others:
            other.kill()
        for other in self._others:
            other.wait()

    def fall_silent(self) -> Callable[[str], None]:
        """In another process than the first: leave all requests and all words to that one, and end with it. Gives
        what tells it one sentence."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until all have met, a request ends it like any process
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        to_first = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  (for as long as this process lives)
        parent = os.getppid()

        def look() -> None:
            while os.getppid() == parent and (not self._first_pid or _lives(self._first_pid)):
                time.sleep(LOOK_EVERY_S)
            os._exit(FAILED)

        threading.Thread(target=look, name="first-process", daemon=True).start()
        return lambda words: _write(to_first, f"{words}\n")


ALONE = Ranks()


def leave(code: int) -> NoReturn:
    """End this process; at once where it was one of several: libraries would wait for those that are gone."""
    dist = sys.modules.get("torch.distributed")
    if dist is not None and dist.is_available() and dist.is_initialized():
        leave_at_once(code)
    sys.exit(code)


def _number(name: str, otherwise: int) -> int:
    try:
        return int(os.environ.get(name) or otherwise)
    except ValueError:
        raise MedReasonError(f"The variable {name} of the environment is no number. Remove it.") from None


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.Error:
        return False


def _write(place: int, words: str) -> None:
    with suppress(OSError):
        os.write(place, words.encode("utf-8", errors="replace"))
