"""What is kept of the rows that were read: filtered, freed of duplicates, drawn, split. The same rows and the same
settings give the same result everywhere."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from medreason.data.near import Deduplicated, drop_near
from medreason.data.rows import Row
from medreason.data.subset import draw, split
from medreason.domain.dataset import Preparation, RowCounts
from medreason.errors import MedReasonError


class Prepared(NamedTuple):
    """Rows to learn from, rows held out, and how many each stage left out."""

    train: tuple[Row, ...]
    held_out: tuple[Row, ...]
    counts: RowCounts


def prepare(
    rows: Sequence[Row],
    preparation: Preparation,
    faulty: int = 0,
    report: Callable[[float], None] | None = None,
) -> Prepared:
    """Keep rows whose thinking is longer than asked, one of each group of like questions, at most so many of
    these, and hold a share of them out. `faulty` rows were read and left out before. Raises `MedReasonError`
    where nothing is left, or where a share is to be held out of one row."""
    read = len(rows) + faulty
    long_enough = [row for row in rows if len(row.thinking) > preparation.min_thinking_chars]
    if not long_enough:
        least = preparation.min_thinking_chars
        raise MedReasonError(
            f"No row is left: of {len(rows):,} rows none has thinking of more than {least:,} characters. Lower "
            "“Shortest thinking in characters”, or take other data."
            if rows
            else f"No row is left: of {read:,} rows none is without fault. Mend them, or take other data."
        )
    alone = (
        drop_near(long_enough, report=report)
        if preparation.drop_duplicates
        else Deduplicated(tuple(long_enough), 0, 0)
    )
    drawn = draw(alone.rows, preparation.max_rows, preparation.seed)
    if len(drawn) < 2 and preparation.eval_fraction > 0:
        raise MedReasonError(
            "Only one row is left, so none can be held out to measure the loss on. Give more rows, or set the "
            "held-out share to 0."
        )
    parts = split(drawn, preparation.eval_fraction, preparation.seed)
    counts = RowCounts(
        read=read,
        faulty=faulty,
        short_thinking=len(rows) - len(long_enough),
        equal=alone.equal,
        nearly_equal=alone.nearly_equal,
        not_drawn=len(alone.rows) - len(drawn),
        train=len(parts.train),
        held_out=len(parts.held_out),
    )
    return Prepared(parts.train, parts.held_out, counts)
