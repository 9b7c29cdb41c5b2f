"""Writes answers down in the order of the deck, whatever ends first, and loses none when it is killed.

What ends before its turn waits in a hidden file beside, which the next run reads too. Knows no engine.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

Lines = Mapping[str, Sequence[str]]


def ahead_of(out: Path) -> Path:
    """Where the answers wait that have ended before their turn."""
    return out.with_name(f".{out.name}.ahead")


class AnswersFile:
    """`deck` is the order of all cases, by id. `asked` are those that this run answers, and `kept` the lines of
    those that were answered before. `resumed` goes on in a file that may be there; else there must be none. Raises
    `OSError` where it cannot be written."""

    def __init__(self, out: Path, deck: Sequence[str], asked: Iterable[str], kept: Lines, resumed: bool):
        self._out, self._ahead = out, ahead_of(out)
        self._deck = list(dict.fromkeys([*(case for case in kept if case not in set(deck)), *deck]))
        self._missing, self._held = set(asked), dict(kept)
        self._next = 0
        if resumed:
            # Whole beside it first: whatever ends this in between, no line is in neither file.
            _replace(self._ahead, self._all_held())
            _replace(out, self._turn())
        self._file = open(out, "a" if resumed else "x", encoding="utf-8")
        # Each line goes to the end: in another mode one that follows an emptied file would stand behind a gap.
        self._waiting = open(self._ahead, "a", encoding="utf-8")
        if not resumed or not self._held:
            self._nothing_waits()

    def __enter__(self) -> "AnswersFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, where: TracebackType | None
    ) -> None:
        """What still waits takes its place, gaps or not: the next run puts it in order again."""
        try:
            _write(self._file, self._all_held())
        finally:
            self._file.close()
            self._waiting.close()
        self._ahead.unlink(missing_ok=True)

    def put(self, case_id: str, lines: Sequence[str]) -> None:
        """The lines of one case: on the disk when this returns."""
        self._held[case_id] = lines
        self._missing.discard(case_id)
        turn = self._turn()
        if not turn:
            _write(self._waiting, lines)
            return
        _write(self._file, turn)
        if not self._held:
            self._nothing_waits()

    def _turn(self) -> list[str]:
        """The lines whose turn has come, up to the first case that is missing."""
        found: list[str] = []
        while self._next < len(self._deck) and self._deck[self._next] not in self._missing:
            found += self._held.pop(self._deck[self._next], ())
            self._next += 1
        return found

    def _all_held(self) -> list[str]:
        return [line for case_id in self._deck for line in self._held.get(case_id, ())]

    def _nothing_waits(self) -> None:
        self._waiting.truncate(0)


def _replace(path: Path, lines: Sequence[str]) -> None:
    """The file with these lines, whole or not at all."""
    building = path.with_name(f".{path.name.lstrip('.')}.resuming")
    with open(building, "w", encoding="utf-8") as file:
        _write(file, lines)
    os.replace(building, path)


def _write(file: IO[Any], lines: Iterable[str]) -> None:
    file.writelines(f"{line}\n" for line in lines)
    file.flush()
    os.fsync(file.fileno())
