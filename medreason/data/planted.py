"""Reads the texts with a planted error that stand beside control cases in a case file.

A row of the kind `planted_error` gives, besides its case with an id, `planted_answer` and `planted_quote` (the
wrong words, which occur once). It may give `planted_thinking`, `planted_target` (answer or trace),
`planted_type` and `planted_severity`. Further errors in the same text stand in `planted_quote_2`,
`planted_quote_3` and so on, each with a target, type and severity of the same ending. Without a `planted_answer`
the text is still to be given.
"""

import re
from pathlib import Path

from medreason.data.table import Record, read_csv, read_jsonl, refuse
from medreason.domain.case import CaseKind
from medreason.domain.planted import USUAL_SEVERITY, Planted, WrongWords
from medreason.domain.span import SpanType, Target
from medreason.errors import Invalid

FURTHER = re.compile(r"planted_quote_(\d{1,3})")


def load_planted(path: Path) -> tuple[Planted, ...]:
    """The planted texts of a file that `load_cases` has read; every faulty row is named."""
    records, _ = read_csv(path) if path.suffix.lower() == ".csv" else read_jsonl(path)
    faults: list[str] = []
    found = [_planted(record, faults) for record in records if _text(record, "planted_answer")]
    refuse(f"The file {path.name}", faults, "Mend these rows and load the file again.")
    return tuple(one for one in found if one is not None)


def _planted(record: Record, faults: list[str]) -> Planted | None:
    at = f"row {record.line}"
    if _text(record, "kind") != CaseKind.PLANTED_ERROR:
        faults.append(f"{at}, column “kind” must be planted_error where a planted_answer is given")
        return None
    if not _text(record, "case_id"):
        faults.append(f"{at}, column “case_id” is empty: a planted error belongs to a case with an id")
        return None
    errors = [_wrong_words(record, ending, faults) for ending in ("", *_endings(record))]
    first, *more = errors
    if first is None or None in more:
        return None
    try:
        return Planted(
            case_id=_text(record, "case_id"),
            answer=_text(record, "planted_answer"),
            thinking=_text(record, "planted_thinking"),
            quote=first.quote,
            target=first.target,
            type=first.type,
            severity=first.severity,
            more=tuple(one for one in more if one is not None),
        )
    except Invalid as invalid:
        faults.extend(f"{at}: {fault}" for fault in invalid.faults)
        return None


def _endings(record: Record) -> list[str]:
    """ "_2", "_3" and so on, where a further quote is given."""
    numbers = [found[1] for column in record.values if (found := FURTHER.fullmatch(str(column)))]
    return [f"_{number}" for number in sorted(numbers, key=int) if _text(record, f"planted_quote_{number}")]


def _wrong_words(record: Record, ending: str, faults: list[str]) -> WrongWords | None:
    """The error in the columns with this ending, or None with what is wrong added to `faults`."""
    at = f"row {record.line}"
    severity = _text(record, f"planted_severity{ending}") or str(USUAL_SEVERITY)
    if not severity.isdecimal():
        faults.append(f"{at}, column “planted_severity{ending}” is {severity[:40]!r}: give a number from 1 to 4")
        return None
    target, kind = _text(record, f"planted_target{ending}"), _text(record, f"planted_type{ending}")
    for column, given, allowed in (("planted_target", target, Target), ("planted_type", kind, SpanType)):
        if given and given not in list(allowed):
            faults.append(f"{at}, column “{column}{ending}” is {given[:40]!r}: choose one of {', '.join(allowed)}")
            return None
    return WrongWords(
        quote=_text(record, f"planted_quote{ending}"),
        target=Target(target or Target.ANSWER),
        type=SpanType(kind or SpanType.FABRICATED_FACT),
        severity=int(severity),
    )


def _text(record: Record, column: str) -> str:
    given = record.values.get(column)
    return "" if given is None else str(given).strip()
