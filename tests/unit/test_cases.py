"""Reading case decks: what is filled in, and what is refused with its row and column."""

from pathlib import Path

import pytest

from medreason.data.cases import load_cases
from medreason.demo import CASES
from medreason.domain.case import CaseKind
from medreason.errors import MedReasonError


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_only_text_is_required(tmp_path: Path) -> None:
    (case,) = load_cases(written(tmp_path, "deck.jsonl", '{"text": "Chest pain. Why?"}\n'))
    assert (case.case_id, case.text, case.kind) == ("case-0001", "Chest pain. Why?", CaseKind.STUDY)


def test_csv_and_jsonl_give_the_same_case(tmp_path: Path) -> None:
    as_json = load_cases(
        written(
            tmp_path,
            "deck.jsonl",
            '{"case_id": "a", "text": "Line one,\\nline two", "must_contain": ["STEMI|infarct", "aspirin"]}',
        )
    )
    as_csv = load_cases(
        written(
            tmp_path,
            "deck.csv",
            'case_id,text,must_contain\r\na,"Line one,\nline two",STEMI|infarct; aspirin\r\n',
        )
    )
    assert as_json == as_csv
    assert as_csv[0].must_contain == ("STEMI|infarct", "aspirin")


def test_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    path = tmp_path / "deck.csv"
    path.write_bytes(b"\xef\xbb\xbftext\nFever?\n")
    assert load_cases(path)[0].text == "Fever?"


def test_all_faulty_rows_are_named_together(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "deck.jsonl",
        '{"text": ""}\n{"text": 7}\nnot json\n{"text": "a", "kind": "odd"}\n{"text": "b", "must_contain": 3}\n',
    )
    with pytest.raises(MedReasonError) as refused:
        load_cases(path)
    for row in range(1, 6):
        assert f"row {row}" in str(refused.value)
    assert "“text”" in str(refused.value) and "“kind”" in str(refused.value)


def test_repeated_id_and_repeated_text_are_refused(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "deck.csv",
        "case_id,text\na,Fever?\na,Cough?\nb,fever? \n",
    )
    with pytest.raises(MedReasonError, match="row 3, column “case_id” repeats a of row 2.*row 4.*row 2"):
        load_cases(path)


@pytest.mark.parametrize("content", ["", "\n\n", "case_id,specialty\na,b\n"])
def test_deck_without_a_case_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(MedReasonError, match="holds no cases|no column “text”"):
        load_cases(written(tmp_path, "deck.csv", content))


def test_other_file_types_and_missing_files_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MedReasonError, match="deck.xlsx is no case file"):
        load_cases(tmp_path / "deck.xlsx")
    with pytest.raises(MedReasonError, match="absent.jsonl does not exist"):
        load_cases(tmp_path / "absent.jsonl")


def test_the_decks_own_cases_load() -> None:
    cases = load_cases(CASES)
    assert len(cases) >= 40
    for specialty in ("neurology", "nephrology", "endocrinology", "respiratory", "systemic"):
        assert sum(specialty in case.specialty.lower() for case in cases) >= 5, specialty
