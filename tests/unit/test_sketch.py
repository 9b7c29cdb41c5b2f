"""What a manifest keeps of its questions finds the cases among them when the rows are gone."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.data.cases import load_cases
from medreason.data.overlap import overlap, question_hash
from medreason.data.rows import Row, load_rows
from medreason.data.sketch import overlap_with_record, question_record
from medreason.demo import ADAPTER, CASES, CURRICULUM
from medreason.domain.case import Case

LONG = " ".join(f"word{n}" for n in range(120))


def rows_of(*questions: str) -> list[Row]:
    return [Row(question, "t", "r") for question in questions]


def stored(record: dict) -> dict:
    """A record as it is read back from a manifest."""
    return json.loads(json.dumps(record))


def test_an_equal_question_is_found_whatever_its_writing() -> None:
    record = stored(question_record(rows_of("Something else?", "A 40-year-old man, with FEVER?")))
    (found,) = overlap_with_record([Case("c", "a 40 year old man with fever"), Case("d", "Why?")], record) or ()
    assert (found.case_id, found.row, found.similarity) == ("c", 2, 1.0)


def test_a_short_question_is_as_like_by_its_sketch_as_by_its_words() -> None:
    words = [f"word{n}" for n in range(30)]
    rows = rows_of("Another.", " ".join([*words[:25], *"v w x y z".split()]))
    cases = [Case("c", " ".join(words))]
    assert overlap_with_record(cases, question_record(rows)) == overlap(cases, rows) != ()


def test_a_long_question_with_a_few_words_changed_is_found_and_another_is_not() -> None:
    record = question_record(rows_of(" ".join(f"other{n}" for n in range(120)), LONG.replace("word60", "changed")))
    found = overlap_with_record(
        [Case("alike", LONG), Case("unlike", " ".join(f"x{n}" for n in range(100)))], record
    )
    assert found is not None
    assert [(one.case_id, one.row) for one in found] == [("alike", 2)]
    assert found[0].similarity == pytest.approx(111 / 121, abs=0.15)


def test_what_is_estimated_of_long_questions_is_right_on_average() -> None:
    errors = []
    for number in range(60):
        words = [f"q{number}w{place}" for place in range(150)]
        changed = [*words[:100], *(f"other{number}w{place}" for place in range(50))]
        cases, rows = [Case("c", " ".join(words))], rows_of(" ".join(changed))
        (true,) = overlap(cases, rows, alike=0.1)
        found = overlap_with_record(cases, question_record(rows), alike=0.0) or ()
        errors.append(found[0].similarity - true.similarity if found else -true.similarity)
    mean = sum(errors) / len(errors)
    spread = (sum(error**2 for error in errors) / len(errors)) ** 0.5
    assert abs(mean) < 0.03 and spread < 0.12


def test_a_manifest_may_be_given_as_a_whole() -> None:
    record = question_record(rows_of("Why fever?"))
    assert overlap_with_record([Case("c", "why fever")], {"run_name": "x", "questions": record})


def test_an_old_manifest_knows_equal_questions_only() -> None:
    old = {"question_sha256": [question_hash("Other?"), question_hash(LONG)]}
    found = overlap_with_record([Case("c", LONG), Case("d", LONG + " more")], old)
    assert found is not None and [(one.case_id, one.row, one.similarity) for one in found] == [("c", 2, 1.0)]


def test_the_ready_made_adapter_has_seen_no_case_of_the_deck() -> None:
    manifest = json.loads((ADAPTER / "manifest.json").read_text(encoding="utf-8"))
    assert overlap_with_record(load_cases(CASES), manifest) == ()


@pytest.mark.parametrize(
    "damage",
    [
        lambda record: None,
        lambda record: [],
        lambda record: {},
        lambda record: {"run_name": "before there were records"},
        lambda record: {**record, "hashes": record["hashes"][:-4]},
        lambda record: {**record, "hashes": "not base64!"},
        lambda record: {**record, "sizes": 3},
        lambda record: {**record, "rows": 7},
        lambda record: {**record, "rows": "2"},
        lambda record: {**record, "sketches": record["sketches"][:-8]},
        lambda record: {**record, "shingle_words": 4},
        lambda record: {name: value for name, value in record.items() if name != "sizes"},
        lambda record: {"question_sha256": 5},
        lambda record: {"question_sha256": [[]]},
    ],
)
def test_without_a_readable_record_the_overlap_is_unknown(damage) -> None:
    record = stored(question_record(rows_of("Why fever?", LONG)))
    assert overlap_with_record([Case("c", "Why fever?")], damage(record)) is None


def test_the_record_is_small_and_holds_no_text() -> None:
    rows = load_rows(CURRICULUM)
    text = json.dumps(question_record(rows))
    assert len(text) < 220 * len(rows)
    assert "diagnosis" not in text
    assert question_record(rows) == question_record(rows)


def test_no_rows_make_a_record_in_which_nothing_is_found() -> None:
    assert overlap_with_record([Case("c", "Why?")], stored(question_record([]))) == ()


WORDS = st.lists(st.sampled_from("ab cd ef gh ij".split()), min_size=1, max_size=30).map(" ".join)


@given(st.lists(WORDS, min_size=1, max_size=8), st.lists(WORDS, min_size=1, max_size=4))
def test_of_short_questions_the_record_finds_what_the_rows_would(questions: list[str], asked: list[str]) -> None:
    cases = [Case(f"c{number}", text) for number, text in enumerate(asked)]
    rows = rows_of(*questions)
    by_record = overlap_with_record(cases, stored(question_record(rows))) or ()
    assert [(one.case_id, one.similarity) for one in by_record] == [
        (one.case_id, one.similarity) for one in overlap(cases, rows)
    ]
