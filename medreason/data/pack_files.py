"""Reads the tables of a pack back: `ratings_long.csv`, `pairs.csv`, `spans.csv`, `generations.jsonl`.

Files made elsewhere need only the columns that carry a number; everything else has its default. What is
wrong is refused in one sentence with row and column. Computes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from medreason.data.cells import shown, typed, value_of
from medreason.data.table import Record, read_csv, read_jsonl, refuse
from medreason.domain.dataset import RowFault
from medreason.domain.instrument import HIGHEST, LOWEST, Axis
from medreason.domain.pack import GenerationRow, PairRow, RatingRow, SpanRow
from medreason.domain.pack_columns import GENERATIONS, PAIRS, RATINGS, SPANS, Column
from medreason.errors import MedReasonError

MEND = "Mend this and try again."
ITEM_SCALES = {
    **{str(axis): (LOWEST, HIGHEST) for axis in Axis},
    **{"harm_extent": (0, 3), "harm_likelihood": (0, 2), "omission": (0, 2), "final_answer_correct": (0, 2)},
    **{"trace_consistent": (0, 1), "none_found": (0, 1)},
}
SUB_ITEM, SUB_SCALE = "sub_", (0, 1)
BLINDED = "The file {0} is blinded: its arms are called X and Y. Export it again after the study was unblinded."

Row = TypeVar("Row", RatingRow, PairRow, SpanRow, GenerationRow)
Values = dict[str, Any]
Check = Callable[[Values, set[str]], list[tuple[str, str]]]
"""Takes the values of a row and the columns of the file; gives columns with what is wrong in them."""


def read_ratings(path: Path) -> tuple[RatingRow, ...]:
    """Every row of `ratings_long.csv`; needs `rater_id, case_id, arm, item, value`. Raises `MedReasonError`."""
    required = ("rater_id", "case_id", "arm", "item", "value")
    rows = _read(path, read_csv, value_of, RATINGS, RatingRow, required, _rating_faults, _rating_key)
    return _unblinded(path, rows)


def read_pairs(path: Path) -> tuple[PairRow, ...]:
    """Every row of `pairs.csv`; needs `rater_id, case_id, left_arm` and `pref_ft`."""
    required = ("rater_id", "case_id", "pref_ft", "left_arm")
    rows = _read(path, read_csv, value_of, PAIRS, PairRow, required, _pair_faults, _pair_key)
    return _unblinded(path, rows)


def read_spans(path: Path) -> tuple[SpanRow, ...]:
    """Every row of `spans.csv`; needs `rater_id, case_id, arm, type, severity`. May hold none."""
    required = ("rater_id", "case_id", "arm", "type", "severity")
    rows = _read(path, read_csv, value_of, SPANS, SpanRow, required, _span_faults, _span_key, may_be_empty=True)
    return _unblinded(path, rows)


def read_generations(path: Path) -> tuple[GenerationRow, ...]:
    """Every line of `generations.jsonl`; needs `generation_id`. May hold none."""
    required = ("generation_id",)
    reader = read_jsonl
    key = _generation_key
    return tuple(_read(path, reader, typed, GENERATIONS, GenerationRow, required, _none, key, may_be_empty=True))


def _read(
    path: Path,
    reader: Callable[[Path], tuple[list[Record], list[RowFault]]],
    cell: Callable[[Column, Any], object],
    columns: Sequence[Column],
    row: type[Row],
    required: Sequence[str],
    check: Check,
    key: Callable[[Row], tuple],
    may_be_empty: bool = False,
) -> list[Row]:
    records, faulty = reader(path)
    name, faults = f"The file {path.name}", list(map(str, faulty))
    if not records and not faults and not may_be_empty:
        raise MedReasonError(f"{name} holds no rows. Give a file with a header and at least one row.")
    there = {column.strip() for record in records for column in record.values}
    missing = [column for column in required if column not in there]
    if records and missing:
        raise MedReasonError(f"{name} cannot be used: {_missing(missing, there)}.")
    defaults = {field.name: field.default for field in fields(row) if field.default is not NO_DEFAULT}
    made: list[Row] = []
    seen: dict[tuple, int] = {}
    for record in records:
        values, wrong = _values(record, cell, columns)
        given = {column for column, value in values.items() if value is not None}
        values = {**defaults, **{c: v for c, v in values.items() if v is not None or c not in defaults}}
        wrong += [(c, "is empty") for c in required if c not in given and c not in ("value", "pref_ft")]
        if not wrong:
            wrong = check(values, given)
        faults += [f"row {record.line}, column {column} {words}" for column, words in wrong]
        if wrong:
            continue
        one = row(**values)
        if (first := seen.setdefault(key(one), record.line)) != record.line:
            faults.append(f"row {record.line}, columns {', '.join(KEYS[row])} repeat row {first}")
        made.append(one)
    refuse(name, faults, MEND)
    return made


def _values(
    record: Record, cell: Callable[[Column, Any], object], columns: Sequence[Column]
) -> tuple[Values, list[tuple[str, str]]]:
    values: Values = {column.name: None for column in columns}
    wrong = []
    for column in columns:
        given = record.values.get(column.name)
        if given is None:
            continue
        try:
            values[column.name] = cell(column, given)
        except ValueError as fault:
            wrong.append((column.name, str(fault)))
    return values, wrong


def _missing(missing: Sequence[str], there: set[str]) -> str:
    if len(there) == 1 and any(mark in next(iter(there)) for mark in ";\t"):
        return "row 1 is not separated by commas; save the file as CSV with commas"
    several = len(missing) > 1
    return (
        f"row 1 lacks the column{'s' if several else ''} {', '.join(missing)}; add {'them' if several else 'it'}"
    )


def _rating_faults(values: Values, given: set[str]) -> list[tuple[str, str]]:
    item = values["item"]
    scale = SUB_SCALE if item.startswith(SUB_ITEM) else ITEM_SCALES.get(item)
    if scale is None:
        return [("item", f"is {shown(item)}: choose one of {', '.join(ITEM_SCALES)} or a name with {SUB_ITEM}")]
    for column, default in zip(("scale_min", "scale_max"), scale, strict=True):
        if column not in given:
            values[column] = default
    low, high, value = values["scale_min"], values["scale_max"], values["value"]
    wrong = []
    if (low, high) != scale and item in list(Axis):
        wrong.append(
            ("scale_max", f"makes a scale of {low} to {high}: {item} is rated from {scale[0]} to {scale[1]}")
        )
    elif low >= high:
        wrong.append(("scale_max", f"is {high}: give more than scale_min, {low}"))
    elif value is not None and not low <= value <= high:
        wrong.append(("value", f"is {value}: give a whole number from {low} to {high}, or nothing"))
    if value is not None and values["not_judgeable"]:
        wrong.append(("not_judgeable", f"is true beside a value of {value}: leave one of them out"))
    if value is None and "not_judgeable" in given and not values["not_judgeable"]:
        wrong.append(("value", "is empty although not_judgeable is false"))
    values["not_judgeable"] = value is None
    return [*wrong, *_within(values, confidence=(1, 5), active_ms=(0, 10**9), revision_no=(1, 10**6))]


def _pair_faults(values: Values, given: set[str]) -> list[tuple[str, str]]:
    wrong = _within(values, pref_ft=(-3, 3), raw_left_right=(-3, 3), confidence=(1, 5))
    raw, preference, left = values["raw_left_right"], values["pref_ft"], values["left_arm"]
    if raw is not None and preference is not None and not wrong and left in ("baseline", "finetuned"):
        turned = raw if left == "baseline" else -raw
        if turned != preference:
            wrong.append(
                ("pref_ft", f"is {preference}: raw_left_right {raw} with {left} on the left makes {turned}")
            )
    return wrong


def _span_faults(values: Values, given: set[str]) -> list[tuple[str, str]]:
    wrong = _within(values, severity=(1, 4), start=(0, 10**9))
    if values["end"] < values["start"]:
        wrong.append(("end", f"is {values['end']}: give {values['start']} or more"))
    return wrong


def _none(values: Values, given: set[str]) -> list[tuple[str, str]]:
    return []


def _within(values: Values, **limits: tuple[int, int]) -> list[tuple[str, str]]:
    return [
        (column, f"is {values[column]}: give a whole number from {low} to {high}")
        for column, (low, high) in limits.items()
        if values[column] is not None and not low <= values[column] <= high
    ]


def _rating_key(row: RatingRow) -> tuple:
    """One score is known by these; without presentations by case and arm, and by the answer where it is named."""
    end = (row.item, row.phase, row.revision_no)
    if row.presentation_id:
        return (row.rater_id, row.presentation_id, row.side or row.arm, *end)
    return (row.rater_id, row.case_id, row.case_kind, row.arm, row.generation_id, *end)


def _pair_key(row: PairRow) -> tuple:
    shown_as = row.presentation_id or row.pair_id or row.case_id
    return (row.rater_id, shown_as, row.axis, row.revision_no)


def _span_key(row: SpanRow) -> tuple:
    if row.span_id:
        return (row.span_id,)
    place = (row.target, row.start, row.end, row.type, row.severity)
    return (row.rater_id, row.case_id, row.arm, row.generation_id, *place)


def _generation_key(row: GenerationRow) -> tuple:
    return (row.generation_id,)


KEYS: Mapping[type, Sequence[str]] = {
    RatingRow: ("rater_id", "presentation_id or case_id", "side or arm", "item", "phase", "revision_no"),
    PairRow: ("rater_id", "presentation_id, pair_id or case_id", "axis", "revision_no"),
    SpanRow: ("span_id",),
    GenerationRow: ("generation_id",),
}


def _unblinded(path: Path, rows: Sequence[Any]) -> tuple[Any, ...]:
    if any(getattr(row, "arm", getattr(row, "left_arm", "")) in ("X", "Y") for row in rows):
        raise MedReasonError(BLINDED.format(path.name))
    return tuple(rows)
