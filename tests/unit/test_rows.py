"""Training rows: checked cell by cell, drawn and split evenly, compared with cases."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.data import rows as rows_module
from medreason.data.cases import load_cases
from medreason.data.overlap import normalised, overlap, question_hash, shingles
from medreason.data.rows import LONGEST_CELL, Row, gather, load_rows
from medreason.data.subset import draw, held_out_count, split
from medreason.data.table import Record
from medreason.demo import CASES, CURRICULUM
from medreason.domain.case import Case
from medreason.domain.dataset import RowFault
from medreason.errors import MedReasonError

GOOD = {"Question": "Why fever?", "Complex_CoT": "Infection first.", "Response": "Infection."}


def file_of(folder: Path, *rows: object) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def faults_of(*records: dict[str, object]) -> list[str]:
    return [str(fault) for fault in gather(Record(at, values) for at, values in enumerate(records, 1)).faults]


def test_rows_are_read_with_a_byte_order_mark_and_unusual_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    text = json.dumps({**GOOD, "Response": "Two\u2028lines"}, ensure_ascii=False)
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\r\n\r\n")
    assert load_rows(path) == (Row("Why fever?", "Infection first.", "Two\u2028lines"),)


def test_missing_column_is_named_once_with_what_is_there_instead(tmp_path: Path) -> None:
    path = file_of(tmp_path, *[{"question": "a", "Complex_CoT": "b", "Response": "c"}] * 30)
    with pytest.raises(MedReasonError) as refused:
        load_rows(path)
    assert "row 1, column Question is in no row (the columns are: question, Complex_CoT, Response)" in str(
        refused.value
    )
    assert "more" not in str(refused.value)


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
    assert "row 2, column Response is empty" in said
    assert "row 3, column Complex_CoT is a list, not text" in said
    assert "row 4, column Complex_CoT is missing" in said
    assert "row 5, column Question is empty" in said


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (7, "is a number, not text"),
        (True, "is yes or no, not text"),
        ({"text": "a"}, "is an object, not text"),
        (b"caf\xe9", "is not UTF-8 text"),
        ("a\x00b", "holds characters that cannot be stored"),
        ("half \ud83d", "holds characters that cannot be stored"),
        ("x" * (LONGEST_CELL + 1), "has 100,001 characters, more than 100,000"),
        ("x" * 5_000_000, "has 5,000,000 characters, more than 100,000"),
    ],
)
def test_a_cell_that_cannot_be_learned_from_is_a_fault_of_its_row(cell: object, words: str) -> None:
    assert faults_of(GOOD, {**GOOD, "Response": cell}) == [f"row 2, column Response {words}"]


def test_the_longest_cell_is_read() -> None:
    found = gather([Record(1, {**GOOD, "Complex_CoT": "x" * LONGEST_CELL})])
    assert (len(found.rows), found.faults) == (1, ())


def test_an_id_that_comes_twice_is_named_with_the_row_it_repeats() -> None:
    assert faults_of({**GOOD, "id": 7}, {**GOOD, "id": 8}, {**GOOD, "id": 7}) == [
        "row 3, column id repeats 7 of row 1"
    ]
    assert faults_of({**GOOD, "ID": "a"}, {**GOOD, "ID": "a"}) == ["row 2, column ID repeats a of row 1"]
    assert faults_of({**GOOD, "id": None}, {**GOOD, "id": None}, {**GOOD, "id": ""}) == []


def test_columns_named_otherwise_are_read_where_they_are() -> None:
    record = Record(1, {"prompt": "Why fever?", "cot": "Infection first.", "answer": "Infection.", "Question": ""})
    found = gather([record], {"Question": "prompt", "Complex_CoT": "cot", "Response": "answer"})
    assert found.rows == (Row("Why fever?", "Infection first.", "Infection."),)


def test_columns_that_others_use_for_something_else_make_no_row_faulty() -> None:
    found = gather([Record(1, {**GOOD, "source": ["a", "b"], "specialty": "x" * 2000})])
    assert found.rows == (
        Row(**{"question": "Why fever?", "thinking": "Infection first.", "response": "Infection."}),
    )


def test_columns_are_shown_as_they_were_found() -> None:
    found = gather([Record(1, {"a": None, "b": 1, "c": "x  y\n"}), Record(2, {"a": "late", "b": "two", "c": "z"})])
    assert [(one.name, one.kind, one.example) for one in found.columns] == [
        ("a", "text", "late"),
        ("b", "a number or text", "1"),
        ("c", "text", "x y"),
    ]


def test_faulty_rows_are_counted_when_there_are_too_many_to_keep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "FAULTS_KEPT", 10)
    found = gather(Record(at, {**GOOD, "Response": ""} if at % 2 else dict(GOOD)) for at in range(1, 101))
    assert (found.read, len(found.rows), len(found.faults)) == (100, 50, 10)
    with pytest.raises(MedReasonError, match="and 45 more"):
        rows_module.refuse_faulty("The data", found.faults, 50, "Mend them.")


def test_more_rows_than_fit_into_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "MOST_ROWS", 5)
    assert gather(Record(at, dict(GOOD)) for at in range(5)).read == 5
    with pytest.raises(MedReasonError, match="more than 5 rows"):
        gather(Record(at, dict(GOOD)) for at in range(6))


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
        (b'{"Question": "caf\xe9"}\n', "row 1 is not UTF-8 text"),
        (b"\n{broken\n", "row 2 is not a JSON object"),
        (b"[" * 100_000, "row 1 is not a JSON object"),
    ],
)
def test_unusable_files_are_refused_in_words(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(MedReasonError, match=sentence):
        load_rows(path)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["Question", "Complex_CoT", "Response", "id", "source"]),
            st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers(), max_size=2),
        ),
        max_size=12,
    )
)
def test_every_row_is_either_good_or_has_a_fault_with_its_number(records: list[dict[str, object]]) -> None:
    found = gather(Record(at, values) for at, values in enumerate(records, 1))
    assert found.read == len(records)
    numbers = {fault.row for fault in found.faults}
    if not any(fault.words.startswith("is in no row") for fault in found.faults):
        assert len(found.rows) + len(numbers) == len(records)
    assert all(isinstance(fault, RowFault) and 1 <= fault.row <= len(records) for fault in found.faults)


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


def test_of_several_like_rows_the_most_like_is_named() -> None:
    words = [f"word{n}" for n in range(40)]
    rows = [
        Row(" ".join([*words[:35], *"v w x y z".split()]), "t", "r"),
        Row(" ".join(words[:39] + ["z"]), "t", "r"),
    ]
    (found,) = overlap([Case("c", " ".join(words))], rows)
    assert (found.row, found.similarity) == (2, 35 / 37)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\U0001f600", "\U0001f601"),  # no word in either
        ("क्या यह बुखार की दवा है", "क्या यह बुखार का दवा है"),  # vowel signs are no \w
        ("ما سبب الحمى", "ما سبب السعال"),
        ("发热的原因", "咳嗽的原因"),
    ],
)
def test_questions_that_differ_in_other_scripts_are_not_equal(one: str, other: str) -> None:
    assert normalised(one) != normalised(other) and question_hash(one) != question_hash(other)


def test_a_text_without_blanks_between_words_has_shingles_of_characters() -> None:
    assert len(shingles("患者发热三天伴咳嗽")) == 5
    assert len(shingles("one two three four five six")) == 2
    assert len(shingles("one two")) == 1


def test_no_case_of_the_deck_overlaps_the_curriculum() -> None:
    assert overlap(load_cases(CASES), load_rows(CURRICULUM)) == ()


def test_the_curriculum_is_whole() -> None:
    rows = load_rows(CURRICULUM)
    assert len(rows) >= 160
    assert len({row.specialty for row in rows}) >= 14
    assert all(row.source for row in rows)
    assert len({question_hash(row.question) for row in rows}) == len(rows)
