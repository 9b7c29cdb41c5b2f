"""A lock that the kernel keeps: one holder, and given back when the holder ends, however it ends.

It belongs to an open file, so a child that inherits the file holds it too. What the file says is a note for
readers and decides nothing.
"""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from medreason.errors import MedReasonError

LONGEST_NOTE = 2_000
LOOK_EVERY_S = 0.01
# Somebody who only looks whether a lock is taken holds it for a moment, which is longer where that process has to
# wait for its share of a busy computer just then.
LOOKED_AT_S = 2.0


class FileLock:
    """One holder's side of the lock on `path`. The file is made where it is missing, and stays."""

    def __init__(self, path: Path):
        self.path = path
        self._file: int | None = None

    @property
    def held(self) -> bool:
        return self._file is not None

    @property
    def file(self) -> int:
        """The open file that holds the lock, for a child to inherit."""
        if self._file is None:
            raise ValueError(f"{self.path} is not locked")
        return self._file

    def try_take(self) -> bool:
        """Take the lock at once, or give False where it is taken, elsewhere or in this process, or looked at.
        Raises `MedReasonError` where the file cannot be made or its disk knows no locks."""
        try:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file), os.stat(self.path)):
                    self._file, file = file, -1
            except (BlockingIOError, FileNotFoundError):
                pass  # the second: the file was removed between opening and locking it
            finally:
                if file >= 0:
                    os.close(file)
        except OSError as fault:
            raise MedReasonError(
                f"{self.path} cannot be locked ({fault.strerror}). Put the data folder on a local disk that "
                "can be written, with --data-dir."
            ) from fault
        return self.held

    def wait(self, seconds: float) -> bool:
        """Take the lock, waiting for it at most so long; False where it stayed taken."""
        until = time.monotonic() + seconds
        while not self.try_take():
            if time.monotonic() > until:
                return False
            time.sleep(LOOK_EVERY_S)
        return True

    def write(self, text: str) -> None:
        """Replace what the file says, in place: a new file would be another lock."""
        content = text.encode("utf-8")
        os.ftruncate(self.file, 0)
        os.pwrite(self.file, content, 0)

    def note(self, text: str) -> None:
        """`write`, for what is good to know and no more: on a full disk the lock is held without it."""
        with suppress(OSError):
            self.write(text)

    def read(self) -> str:
        """What the file says; empty where there is none."""
        try:
            with open(self.path, "rb") as file:
                return file.read(LONGEST_NOTE).decode("utf-8", errors="replace").strip()
        except OSError:
            return ""

    def taken(self) -> bool:
        """Whether anybody holds the lock, this process included."""
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            os.close(file)

    def give_back(self) -> None:
        """Let go of the lock, in every process that inherited it too; nothing happens where it is not held."""
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            self.hand_over()

    def hand_over(self) -> None:
        """Let go of this process's side alone: a child that inherited the lock holds it from here on."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
