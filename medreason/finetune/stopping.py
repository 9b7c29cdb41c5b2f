"""Hears that a training process is asked to end, and whether it shall keep what it has learned so far."""

import os
import signal
from pathlib import Path

from medreason.finetune.process import read_stop


class Stopped(BaseException):
    """Asked to end at once: no `except Exception` of a library holds it up."""


class Stopping:
    """Remembers SIGTERM and Ctrl-C. A request ends the process at once, by raising `Stopped` wherever it is,
    except where it asks to save (`stop.json` in the run's folder) and there is something to save: then `asked` and
    `save` tell whoever trains to come to an end. Once `finishing` is set, nothing is broken off any more."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.asked = False
        self.save = False
        self.training = False
        self.finishing = False
        self._raised = False
        self._process = os.getpid()

    def listen(self) -> "Stopping":
        """Take the signals from now on. Call it in the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._hear)
        return self

    def at_once(self) -> bool:
        """Whether the process has been asked to end without saving."""
        return self.asked and not self.save

    def _hear(self, number: int, frame: object) -> None:
        found = read_stop(self.folder) if self.folder is not None else None
        self.asked, self.save = True, found is not None and found.save
        if os.getpid() != self._process:
            # One that prepares batches heard it too: it is still needed for a last step, or not any more.
            if not self.save:
                os._exit(0)
            return
        waits = self.finishing or (self.save and self.training)
        if not waits and not self._raised:
            self._raised = True
            raise Stopped
