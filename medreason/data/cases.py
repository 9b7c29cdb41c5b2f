"""Reads a case deck from JSONL or CSV. Only `text` is required; a missing `case_id` is made from the row."""

from pathlib import Path

from medreason.data.table import Record, read_csv, read_jsonl, refuse
from medreason.domain.case import Case, CaseKind
from medreason.errors import Invalid, MedReasonError

COLUMNS = ("case_id", "text", "specialty", "reference_answer", "must_contain", "kind", "source")
TEXT_COLUMNS = ("case_id", "text", "specialty", "reference_answer", "kind", "source")


def load_cases(path: Path) -> tuple[Case, ...]:
    """All cases of a deck in the order of the file. In CSV the strings of `must_contain` are separated by
    ";" (synonyms by "|", as in JSONL). Every faulty row is named; nothing is skipped silently."""
    suffix = path.suffix.lower()
    if suffix not in (".jsonl", ".csv"):
        raise MedReasonError(f"{path.name} is no case file. Give a file that ends in .jsonl or .csv.")
    records, faulty = read_csv(path) if suffix == ".csv" else read_jsonl(path)
    faults = [str(fault) for fault in faulty]
    if records and not any("text" in record.values for record in records):
        faults.insert(0, "there is no column “text”")
        records = []
    cases: list[Case] = []
    seen_ids: dict[str, int] = {}
    seen_texts: dict[str, int] = {}
    for record in records:
        case = _case(record, faults)
        if case is None:
            continue
        if (first := seen_ids.setdefault(case.case_id, record.line)) != record.line:
            faults.append(f"row {record.line}, column “case_id” repeats {case.case_id} of row {first}")
        text = " ".join(case.text.split()).casefold()
        if (first := seen_texts.setdefault(text, record.line)) != record.line:
            faults.append(f"row {record.line}, column “text” repeats the text of row {first}")
        cases.append(case)
    if not cases and not faults:
        faults.append("it holds no cases")
    refuse(f"The file {path.name}", faults, "Mend these rows and load the file again.")
    return tuple(cases)


def _case(record: Record, faults: list[str]) -> Case | None:
    """The case of one row, or None with what is wrong added to `faults`."""
    before = len(faults)
    texts: dict[str, str] = {}
    for column in TEXT_COLUMNS:
        given = record.values.get(column)
        if given is None:
            given = ""
        elif column == "case_id" and isinstance(given, int) and not isinstance(given, bool):
            given = str(given)
        if isinstance(given, str):
            texts[column] = given.strip()
        else:
            faults.append(f"row {record.line}, column “{column}” is {type(given).__name__}, not text")
    must_contain = _strings(record, faults)
    if len(faults) > before:
        return None
    kind = texts["kind"] or CaseKind.STUDY.value
    if kind not in list(CaseKind):
        allowed = ", ".join(CaseKind)
        faults.append(f"row {record.line}, column “kind” is {kind!r}: choose one of {allowed}")
        return None
    try:
        return Case(
            case_id=texts["case_id"] or f"case-{record.line:04d}",
            text=texts["text"],
            specialty=texts["specialty"],
            reference_answer=texts["reference_answer"],
            must_contain=must_contain,
            kind=CaseKind(kind),
            source=texts["source"],
        )
    except Invalid as invalid:
        faults.extend(f"row {record.line}, column “{fault.field}” {fault.remedy}" for fault in invalid.faults)
        return None


def _strings(record: Record, faults: list[str]) -> tuple[str, ...]:
    """The strings of `must_contain`: a list (JSONL) or text separated by ";" (CSV)."""
    given = record.values.get("must_contain")
    if given is None:
        return ()
    if isinstance(given, str):
        given = given.split(";")
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        faults.append(f"row {record.line}, column “must_contain” is not a list of texts")
        return ()
    return tuple(one.strip() for one in given if one.strip())
