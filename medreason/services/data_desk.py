"""The training data that somebody has on their desk: what they asked to look at, what was found, what is done now.

Reading and preparing take longer than a request, so they run beside the page, and a page that is opened again
finds the desk as it was. Kept while the app lives; what was prepared is on disk.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from medreason.domain.dataset import COLUMNS, Preparation, PreparedData, RowCounts, SourceKind
from medreason.domain.user import Action, User
from medreason.errors import MedReasonError, NotFound
from medreason.services.background import Background, Report, Work
from medreason.services.datasets import DataSets, Look


@dataclass(frozen=True)
class Asked:
    """Which data somebody wants to see. `place` is written as in `TrainingConfig.data`; `uploaded` says that it is
    a file that came through the page and is called `name`, so that its place is nobody's business."""

    kind: SourceKind = SourceKind.CURRICULUM
    place: str = "curriculum"
    config: str = ""
    revision: str = ""
    columns: str = ""
    uploaded: bool = False
    name: str = ""


@dataclass(frozen=True)
class Desk:
    """`look` and `counts` are of raw data, `prepared` of data that a run can use as they are. `made` counts what
    was prepared here, so that a page knows when something new is there."""

    asked: Asked = Asked()
    look: Look | None = None
    counts: RowCounts | None = None
    prepared: PreparedData | None = None
    made: int = 0
    work: Work | None = None

    @property
    def busy(self) -> bool:
        return self.work is not None and not self.work.done


class DataDesk:
    """One desk for each user."""

    def __init__(self, datasets: DataSets):
        self.datasets = datasets
        self._background = Background()
        self._desks: dict[int, Desk] = {}
        self._lock = threading.Lock()

    def of(self, user: User) -> Desk:
        """The user's desk with the work as it stands now."""
        with self._lock:
            desk = self._desks.get(user.id, Desk())
        return replace(desk, work=self._background.of(user.id))

    def look(self, user: User, asked: Asked) -> Desk:
        """Begin to read `asked`. Where its columns have other names, those that seem to be meant are used."""

        def read(report: Report) -> None:
            columns = asked.columns
            args = (user, asked.place, asked.config, asked.revision)
            look = self.datasets.look(*args, columns, report)
            if not columns and look.proposed:
                columns = look.proposed
                look = self.datasets.look(*args, columns, report)
            self._put(user, asked=replace(asked, columns=columns), look=look, counts=look.counts, prepared=None)

        return self._begin(user, "look", read)

    def count(self, user: User, preparation: Preparation) -> Desk:
        """Begin to count what `preparation` would keep of the data on the desk."""
        asked = self._looked_at(user)

        def count(report: Report) -> None:
            report(None, "Looking for duplicates and counting…")
            args = (asked.place, asked.config, asked.revision, asked.columns)
            self._put(user, counts=self.datasets.counts(user, *args, preparation, report))

        return self._begin(user, "count", count)

    def prepare(self, user: User, name: str, preparation: Preparation, base: str, base_revision: str) -> Desk:
        """Begin to prepare the data on the desk under `name`, measured with the tokenizer of `base`."""
        asked = self._looked_at(user)

        def prepare(report: Report) -> None:
            args = (name, asked.place, asked.config, asked.revision, asked.columns)
            made = self.datasets.prepare(user, *args, preparation, base, report, tokenizer_revision=base_revision)
            self._put(user, prepared=made, made=self.of(user).made + 1)

        return self._begin(user, "prepare", prepare)

    def open(self, user: User, name: str) -> Desk:
        """Put prepared data on the desk."""
        user.require(Action.TRAIN)
        found = next((one for one in self.datasets.prepared() if one.name == name), None)
        if found is None:
            raise NotFound("These prepared data are no longer there. Choose others from the list.")
        self._background.forget(user.id)
        self._put(user, asked=Asked(SourceKind.PREPARED, name), look=None, counts=None, prepared=found)
        return self.of(user)

    def delete(self, user: User, name: str) -> Desk:
        """Delete prepared data, and take them off the desk."""
        self.datasets.delete(user, name)
        self._background.forget(user.id)
        self._put(user, asked=Asked(), look=None, counts=None, prepared=None)
        return self.of(user)

    def free_name(self, wanted: str) -> str:
        """`wanted` as a name for prepared data, with a number where it is taken."""
        plain = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_") else "-" for sign in wanted)
        plain = plain.strip("-")[:56] or "data"
        taken = {one.name.casefold() for one in self.datasets.prepared()}
        candidates = (f"{plain}-{number}" if number > 1 else plain for number in range(1, 100_000))
        return next(name for name in candidates if name.casefold() not in taken)

    def _looked_at(self, user: User) -> Asked:
        user.require(Action.TRAIN)
        desk = self.of(user)
        if desk.look is None:
            raise MedReasonError("No data have been looked at yet. Choose a source and press Look at the data.")
        return desk.asked

    def _begin(self, user: User, kind: str, call: Callable[[Report], Any]) -> Desk:
        user.require(Action.TRAIN)
        self._background.start(user.id, kind, call)
        return self.of(user)

    def _put(self, user: User, **changes: Any) -> None:
        with self._lock:
            self._desks[user.id] = replace(self._desks.get(user.id, Desk()), **changes)


def mapping_of(columns: str, names: tuple[str, ...]) -> dict[str, str]:
    """Which column of the data is read as each of COLUMNS; empty where none is."""
    from medreason.data.sources import columns_of

    named = dict(columns_of(columns))
    return {column: named.get(column, column if column in names else "") for column in COLUMNS}


def columns_text(mapping: dict[str, str]) -> str:
    """A mapping as `TrainingConfig.columns` writes it."""
    return ", ".join(f"{column}={name}" for column, name in mapping.items() if name and name != column)
