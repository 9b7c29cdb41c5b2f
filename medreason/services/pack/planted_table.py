"""Every planted error with who found it: how far a rater who marks nothing can be believed."""

from dataclasses import asdict

from medreason.domain.pack import PlantedRow
from medreason.domain.pack_columns import PLANTED
from medreason.services.assessing import Assessment
from medreason.services.pack.tables import Record, Table
from medreason.stats.raters import Shown


def planted_table(made: Assessment, texts: bool = True) -> Table:
    """Only after unblinding: before that a pack holds no planted error."""
    shown = made.evaluation.quality.planted
    rows = [_row(row, one, texts) for row, one in zip(made.data.planted, shown, strict=True)]
    return Table("planted", PLANTED, rows, ("case_id", "error_no"))


def _row(row: PlantedRow, shown: Shown, texts: bool) -> Record:
    return {
        **asdict(row),
        "quote": row.quote or None if texts else None,
        "type": row.type or None,
        "n_raters": len(shown.found_by) + len(shown.missed_by),
        "n_found": len(shown.found_by),
        "n_missed": len(shown.missed_by),
        "found_by": ";".join(shown.found_by) or None,
        "missed_by": ";".join(shown.missed_by) or None,
    }
