"""Ratings put together again: everything one rater said of one showing of one pair.

Only the latest revision stands. A showing is told by its presentation; in files without presentations
everything a rater said of a case is one showing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from medreason.domain.arms import ARMS, Arm, Side
from medreason.stats.records import RatingRecord


@dataclass(frozen=True)
class Showing:
    """`scores` by (item, phase, arm): one record, or several where a case without presentations has more
    than one answer an arm. `answers`: ids of the answers of each arm; empty where they were not recorded."""

    rater: str
    case: str
    case_kind: str
    repeat_of: str
    blinded: bool = True
    presentation: str = ""
    scores: dict[tuple[str, str, Arm], list[RatingRecord]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[Arm, set[str]] = field(default_factory=lambda: {arm: set() for arm in ARMS})

    def of(self, item: str, phase: str, arm: Arm) -> list[RatingRecord]:
        return self.scores.get((item, phase, arm), [])

    def on_side(self, item: str, side: Side) -> list[RatingRecord]:
        return [one for key, some in self.scores.items() if key[0] == item for one in some if one.side == side]

    @cached_property
    def texts(self) -> tuple[str, str]:
        """What names the baseline's and the fine-tuned arm's answer; empty where ids were not recorded."""
        first, second = (",".join(sorted(self.answers[arm])) for arm in ARMS)
        return first, second

    @cached_property
    def confidence(self) -> int | None:
        """The lowest confidence given with any score of it."""
        given = [one.confidence for some in self.scores.values() for one in some if one.confidence is not None]
        return min(given, default=None)


@dataclass(frozen=True)
class Standing:
    """The showings in order of rater, case and presentation, and what a reader should know of the records."""

    showings: tuple[Showing, ...]
    n_conflicting: int = 0


def standing(ratings: Iterable[RatingRecord], modes: Sequence[str]) -> Standing:
    """The latest revision of every score of the given modes, gathered by showing. A record given twice
    counts once; two different values under one revision both stand, and are counted in `n_conflicting`."""
    latest: dict[tuple, dict[int | None, RatingRecord]] = {}
    for one in ratings:
        if one.superseded or one.mode not in modes:
            continue
        place = one.side if one.presentation_id and one.side else one.arm
        showing = (one.rater_id, one.case_id, one.case_kind, one.presentation_id)
        key = (showing, one.generation_id, place, one.item, one.phase)
        held = latest.get(key)
        newest = next(iter(held.values())).revision_no if held else 0
        if not held or one.revision_no > newest:
            latest[key] = {one.value: one}
        elif one.revision_no == newest:
            held.setdefault(one.value, one)
    made: dict[tuple, Showing] = {}
    conflicting = 0
    for key in sorted(latest, key=_order):
        records = list(latest[key].values())
        conflicting += len(records) > 1
        first = records[0]
        if key[0] not in made:
            made[key[0]] = Showing(
                first.rater_id,
                first.case_id,
                first.case_kind,
                first.repeat_of,
                first.blinded,
                first.presentation_id,
            )
        if first.generation_id:
            made[key[0]].answers[Arm(first.arm)].add(first.generation_id)
        made[key[0]].scores[(first.item, first.phase, Arm(first.arm))].extend(sorted(records, key=_by_value))
    return Standing(tuple(made.values()), conflicting)


def _order(key: tuple) -> tuple:
    return key[0], key[1], str(key[2]), key[3], key[4]


def _by_value(one: RatingRecord) -> tuple[bool, int]:
    return one.value is None, one.value or 0
