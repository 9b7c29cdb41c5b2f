"""Who rates which case: everybody everything where raters are few, else balanced incomplete blocks.

Pure. Loads differ by at most one case, and any two raters share about equally many cases; an exact balanced
incomplete block design exists for few numbers only, so blocks are drawn one after the other towards it.
"""

from collections import Counter
from collections.abc import Sequence

from medreason.domain.colouring import Key
from medreason.domain.study import CROSSED_UP_TO


def assign(cases: Sequence[str], raters: Sequence[str], overlap: int, key: Key) -> dict[str, tuple[str, ...]]:
    """The raters of each case, in the order of `raters`. An `overlap` above the number of raters means all."""
    if len(raters) <= max(CROSSED_UP_TO, overlap):
        return {case: tuple(raters) for case in cases}
    load: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    blocks: dict[str, tuple[str, ...]] = {}
    for case in key.shuffled(cases, "cases"):
        block: list[str] = []
        while len(block) < overlap:
            free = [rater for rater in raters if rater not in block]
            block.append(
                min(
                    free,
                    key=lambda rater: (
                        load[rater],
                        sum(together[_two(rater, other)] for other in block),
                        key.rank("block", case, rater),
                    ),
                )
            )
        for rater in block:
            load[rater] += 1
            together.update(_two(rater, other) for other in block if other < rater)
        blocks[case] = tuple(rater for rater in raters if rater in block)
    return {case: blocks[case] for case in cases}


def share_of_newcomer(
    raters_of: dict[str, tuple[str, ...]], active: Sequence[str], overlap: int, newcomer: str, key: Key
) -> tuple[str, ...]:
    """The cases for somebody who joins later: all where raters are few, else the mean load, from the cases
    that have the fewest raters who are still there. `active` are the others."""
    cases = list(raters_of)
    if len(active) + 1 <= CROSSED_UP_TO:
        return tuple(cases)
    wanted = -(-len(cases) * min(overlap, len(active) + 1) // (len(active) + 1))
    here = {*active}
    scarce = sorted(
        cases,
        key=lambda case: (sum(rater in here for rater in raters_of[case]), key.rank("join", newcomer, case)),
    )
    return tuple(scarce[:wanted])


def _two(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
