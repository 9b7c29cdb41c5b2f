"""Leaves out rows whose question was asked before: equal when normalised, or nearly so.

Nearly equal means that the sets of word 5-grams have a Jaccard index of at least 0.8. The search is exact: no
pair at or above that is missed and none below it is taken. It rests on prefix filtering (Bayardo, Ma and Srikant,
"Scaling up all pairs similarity search", WWW 2007): with the grams of each question ordered from rare to common,
two questions that are near share one of the first |x| - ceil(0.8 |x|) + 1.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from medreason.data.overlap import normalised, shingles_of
from medreason.data.rows import Row

NEAR = 0.8


class Deduplicated(NamedTuple):
    """The rows that stay, in their order, and how many were left out."""

    rows: tuple[Row, ...]
    equal: int
    nearly_equal: int


def drop_near(
    rows: Sequence[Row], near: float = NEAR, report: Callable[[float], None] | None = None
) -> Deduplicated:
    """Keep of each group of like questions the first. A row goes only where a row that stays is like it, so a
    chain of small changes is not taken for one question."""
    texts: set[str] = set()
    unequal: list[Row] = []
    sets: list[frozenset[int]] = []
    for row in rows:
        text = normalised(row.question)
        if text not in texts:
            texts.add(text)
            unequal.append(row)
            sets.append(shingles_of(text))
    kept = _unlike(sets, near, report)
    return Deduplicated(tuple(unequal[at] for at in kept), len(rows) - len(unequal), len(unequal) - len(kept))


def _unlike(sets: Sequence[frozenset[int]], near: float, report: Callable[[float], None] | None) -> list[int]:
    """Indexes of the sets that are like none of those kept before."""
    how_common = Counter(gram for grams in sets for gram in grams)
    holders: dict[int, list[int]] = defaultdict(list)
    kept: list[int] = []
    for index, grams in enumerate(sets):
        if report and index % 1000 == 0:
            report(index / len(sets))
        prefix = _prefix(grams, how_common, near)
        others = {other for gram in prefix if gram in holders for other in holders[gram]}
        if any(_near(grams, sets[other], near) for other in others):
            continue
        kept.append(index)
        for gram in prefix:
            if how_common[gram] > 1:
                holders[gram].append(index)
    return kept


def _prefix(grams: frozenset[int], how_common: Counter[int], near: float) -> list[int]:
    """The rarest grams, as many as a near set must share one of."""
    # A hair below, so that rounding of near * size never makes the prefix too short.
    needed = math.ceil(near * len(grams) - 1e-9)
    return sorted(grams, key=lambda gram: (how_common[gram], gram))[: len(grams) - needed + 1]


def _near(one: frozenset[int], other: frozenset[int], near: float) -> bool:
    smaller, larger = sorted((len(one), len(other)))
    if smaller < near * larger:
        return False
    shared = len(one & other)
    return shared >= near * (len(one) + len(other) - shared)
