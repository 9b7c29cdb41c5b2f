"""Packs short conversations into long rows, so that a micro-batch is full and nothing is computed on padding.

Best fit decreasing: the longest first, each into the fullest row that still has room. The rows say how long each
of their conversations is (`seq_lengths`); TRL's collator restarts the positions there, and the attention that
follows from the positions never looks across. Loads no torch.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence

from medreason.finetune.examples import Examples


def bins(lengths: Sequence[int], longest: int) -> list[list[int]]:
    """Which conversations share a row: indices into `lengths`, whose sum in a row is at most `longest`. The same
    lengths give the same rows everywhere."""
    rows: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (tokens left, row), sorted
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        length = lengths[index]
        if length > longest:
            raise ValueError(f"{length} tokens do not fit a row of {longest}")
        at = bisect_left(room, (length, -1))
        if at < len(room):
            left, row = room.pop(at)
        else:
            left, row = longest, len(rows)
            rows.append([])
        rows[row].append(index)
        if left > length:
            insort(room, (left - length, row))
    return rows


def packed_count(lengths: Sequence[int], longest: int) -> int:
    """How many rows remain once rows of these lengths are packed; longer ones count as cut to `longest`."""
    return len(bins([min(length, longest) for length in lengths], longest))


def pack(examples: Examples, longest: int) -> Examples:
    """The same conversations, packed into rows of at most `longest` tokens. Labels stay as they are."""
    packed = [
        {
            "input_ids": [token for one in row for token in examples.rows[one]["input_ids"]],
            "labels": [label for one in row for label in examples.rows[one]["labels"]],
            "seq_lengths": [len(examples.rows[one]["input_ids"]) for one in row],
        }
        for row in bins([len(one["input_ids"]) for one in examples.rows], longest)
    ]
    return Examples(tuple(packed), examples.cut, examples.dropped)
