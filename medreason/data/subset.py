"""Draws which rows a run learns from and which it holds out. The same seed draws the same rows everywhere."""

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from medreason.data.rows import Row


class Split(NamedTuple):
    """Rows to learn from, and rows kept aside to measure the loss on."""

    train: tuple[Row, ...]
    held_out: tuple[Row, ...]


def draw(rows: Sequence[Row], max_rows: int, seed: int) -> tuple[Row, ...]:
    """At most `max_rows` rows (0 means all), as evenly over the specialties as the rows allow, shuffled."""
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    if not 0 < max_rows < len(shuffled):
        return tuple(shuffled)
    by_specialty: dict[str, list[Row]] = defaultdict(list)
    for row in shuffled:
        by_specialty[row.specialty.casefold()].append(row)
    drawn: list[Row] = []
    depth = 0
    while len(drawn) < max_rows:
        for members in by_specialty.values():
            if depth < len(members) and len(drawn) < max_rows:
                drawn.append(members[depth])
        depth += 1
    return tuple(drawn)


def held_out_count(rows: int, eval_fraction: float) -> int:
    """How many of `rows` are held out: at least one where a share is asked for and two rows are there."""
    if eval_fraction <= 0 or rows < 2:
        return 0
    return min(rows - 1, max(1, round(rows * eval_fraction)))


def split(rows: Sequence[Row], eval_fraction: float, seed: int) -> Split:
    """Hold out a seeded share of the rows; the rest keeps its order."""
    count = held_out_count(len(rows), eval_fraction)
    aside = set(random.Random(seed).sample(range(len(rows)), count))
    return Split(
        tuple(row for index, row in enumerate(rows) if index not in aside),
        tuple(row for index, row in enumerate(rows) if index in aside),
    )
