"""Reading training rows, drawing and splitting them, and finding cases among them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.data.cases import load_cases
from medreason.data.overlap import normalised, overlap, question_hash
from medreason.data.rows import Row, load_rows
from medreason.data.subset import draw, held_out_count, split
from medreason.demo import CASES, CURRICULUM
from medreason.domain.case import Case
from medreason.errors import MedReasonError

GOOD = {"Question": "Why fever?", "Complex_CoT": "Infection first.", "Response": "Infection."}


def file_of(folder: Path, *rows: object) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_rows_are_read_with_a_byte_order_mark_and_unusual_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    text = json.dumps({**GOOD, "Response": "Two\u2028lines"}, ensure_ascii=False)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n\r\n")
    assert load_rows(path) == (Row("Why fever?", "Infection first.", "Two\u2028lines"),)


def test_missing_column_is_named_with_what_is_there_instead(tmp_path: Path) -> None:
    path = file_of(tmp_path, {"question": "a", "Complex_CoT": "b", "Response": "c"})
    with pytest.raises(MedReasonError, match="no column Question.*row 1 has: question, Complex_CoT, Response"):
        load_rows(path)


def test_every_faulty_cell_is_named_by_row_and_column(tmp_path: Path) -> None:
    path = file_of(
        tmp_path,
        GOOD,
        {**GOOD, "Response": "  "},
        {**GOOD, "Complex_CoT": ["a"]},
        {"Question": "a", "Response": "b"},
        {**GOOD, "Question": None},
    )
    with pytest.raises(MedReasonError) as refused:
        load_rows(path)
    said = str(refused.value)
    assert "row 2, column Response: must not be empty" in said
    assert "row 3, column Complex_CoT: give text (it is list)" in said
    assert "row 4 has no column Complex_CoT" in said
    assert "row 5, column Question" in said


def test_many_faults_are_counted_and_only_the_first_shown(tmp_path: Path) -> None:
    path = file_of(tmp_path, GOOD, *[{**GOOD, "Response": ""}] * 40)
    with pytest.raises(MedReasonError, match="and 35 more") as refused:
        load_rows(path)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds no rows"),
        (b"[1, 2]\n", "row 1 is not a JSON object"),
        (b'{"Question": "caf\xe9"}\n', "not UTF-8 text .line 1."),
        (b"\n{broken\n", "row 2 is not a JSON object"),
        (b"[" * 100_000, "row 1 is not a JSON object"),
    ],
)
def test_unusable_files_are_refused_in_words(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(MedReasonError, match=sentence):
        load_rows(path)


def rows_of(*specialties: str) -> list[Row]:
    return [Row(f"Question {n}?", "Because.", "So.", name) for n, name in enumerate(specialties)]


@given(
    specialties=st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=60),
    max_rows=st.integers(0, 70),
    seed=st.integers(0, 5),
)
def test_rows_are_drawn_evenly_once_each_and_alike_for_a_seed(
    specialties: list[str], max_rows: int, seed: int
) -> None:
    rows = rows_of(*specialties)
    drawn = draw(rows, max_rows, seed)
    assert len(drawn) == (min(max_rows, len(rows)) if max_rows else len(rows))
    assert len(set(drawn)) == len(drawn) and set(drawn) <= set(rows)
    assert drawn == draw(rows, max_rows, seed)
    counts = {name: sum(row.specialty == name for row in drawn) for name in set(specialties)}
    for name, count in counts.items():
        left_out = specialties.count(name) - count
        if left_out:
            assert all(other <= count + 1 for other in counts.values())


@given(count=st.integers(1, 80), share=st.floats(0, 0.5), seed=st.integers(0, 5))
def test_held_out_rows_are_apart_from_the_others(count: int, share: float, seed: int) -> None:
    rows = rows_of(*["a"] * count)
    parts = split(rows, share, seed)
    assert len(parts.held_out) == held_out_count(count, share) < count
    assert sorted((*parts.train, *parts.held_out), key=lambda row: row.question) == sorted(
        rows, key=lambda row: row.question
    )


def test_equal_questions_are_found_whatever_their_writing() -> None:
    rows = [Row("Something else entirely?", "t", "r"), Row("A 40-year-old  man, with FEVER?", "t", "r")]
    (found,) = overlap([Case("c", "a 40 year old man with fever")], rows)
    assert (found.case_id, found.row, found.similarity) == ("c", 2, 1.0)
    assert question_hash(rows[1].question) == question_hash("a 40 year old man with fever")


def test_a_question_with_a_few_words_changed_is_found_and_another_is_not() -> None:
    text = (
        "A 61-year-old lighthouse keeper has crushing chest pain for two hours with sweating and vomiting; the "
        "ECG shows ST elevation in the inferior leads. What is the diagnosis and what is done first?"
    )
    changed = text.replace("61-year-old", "58-year-old")
    cases = [Case("alike", changed), Case("other", "A child has a barking cough and stridor at night. Why?")]
    assert [one.case_id for one in overlap(cases, [Row(text, "t", "r")])] == ["alike"]
    assert normalised(text) != normalised(changed)


def test_no_case_of_the_deck_overlaps_the_curriculum() -> None:
    assert overlap(load_cases(CASES), load_rows(CURRICULUM)) == ()


def test_the_curriculum_is_whole() -> None:
    rows = load_rows(CURRICULUM)
    assert len(rows) >= 160
    assert len({row.specialty for row in rows}) >= 14
    assert all(row.source for row in rows)
    assert len({question_hash(row.question) for row in rows}) == len(rows)
