"""Results: what the table rests on, and files that give every text back."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.answers import Counts, Finish
from medreason.domain.arms import Arm
from medreason.domain.user import Role
from medreason.errors import NotAllowed
from medreason.services.export import csv_bytes, guard, jsonl_bytes, unguard
from medreason.services.reading import cells, in_words, signed
from medreason.services.results import RATING_COLUMNS
from tests.store import Store, rating


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "a.db")
    yield made
    made.close()


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


def objects_of(data: bytes) -> list[dict]:
    return [json.loads(line) for line in data.decode("utf-8").split("\n") if line]


def test_sides_are_turned_into_arms(store):
    for case, left in (("a", Arm.BASELINE), ("b", Arm.FINETUNED)):
        high, low = (2, 5) if left is Arm.BASELINE else (5, 2)
        store.rating.submit(
            store.admin,
            "Anna",
            store.pair(case, left=left).id,
            rating(high, low, 3 if left is Arm.BASELINE else -3),
        )
    table = store.results.table(store.admin)
    assert (table.row("D").baseline, table.row("D").finetuned, table.row("D").difference) == (2.0, 5.0, 3.0)
    assert (table.row("preference").wins, table.row("preference").difference) == (2, 3.0)
    exported = objects_of(store.results.ratings_jsonl(store.admin))
    assert {(row["arm"], row["value"], row["preference_ft"]) for row in exported} == {
        ("baseline", 2, 3),
        ("finetuned", 5, 3),
    }
    assert {row["side"] for row in exported if row["arm"] == "finetuned"} == {"left", "right"}


def test_only_the_last_revision_counts_and_every_revision_is_exported(store):
    pair = store.pair()
    for value, key in ((1, "a"), (5, "b")):
        store.rating.submit(store.admin, "Anna", pair.id, rating(value, key=key))
    table = store.results.table(store.admin)
    assert (table.row("D").baseline, table.n_ratings) == (5.0, 1)
    exported = rows_of(store.results.ratings_csv(store.admin))
    assert [(row["revision_no"], row["superseded"]) for row in exported] == [("1", "true")] * 6 + [
        ("2", "false")
    ] * 6


def test_a_blinded_pair_that_nobody_rated_is_in_no_table_length_or_file(store):
    store.pair("canary-case", counts=(Counts(1, 0, 777), Counts(1, 888, 999)))
    results, admin = store.results, store.admin
    for data in (results.ratings_csv(admin), results.ratings_jsonl(admin)):
        assert b"canary" not in data
    assert results.lengths(admin).n == 0 and results.table(admin).n_cases == 0


def test_lengths_come_from_pairs_whose_arms_may_be_known(store):
    store.pair("a", blinded=False, counts=(Counts(9, 0, 10), Counts(9, 100, 20)))
    rated = store.pair("b", counts=(Counts(9, 0, 30), Counts(9, 200, 20)), finishes=(Finish.LENGTH, Finish.STOP))
    store.pair("c")
    store.rating.submit(store.admin, "Anna", rated.id, rating())
    lengths = store.results.lengths(store.admin)
    thinking, answer = lengths.rows
    assert (lengths.n, thinking.finetuned_mean, thinking.difference, answer.baseline_mean) == (
        2,
        150,
        150,
        20,
    )
    assert lengths.truncated == {Arm.BASELINE: 1, Arm.FINETUNED: 0}


def test_several_conversations_over_one_case_are_one_case(store):
    for case in ("a", "a", None, None):
        store.rating.submit(store.admin, "Anna", store.pair(case).id, rating())
    assert store.results.table(store.admin).n_cases == 3


def test_the_table_says_what_must_be_known(store):
    known = store.pair("a", blinded=False, finishes=(Finish.STOP, Finish.LENGTH))
    store.rating.submit(store.admin, "Anna", known.id, rating())
    notes = " ".join(store.results.table(store.admin).notes)
    assert "estimates only" in notes
    assert "1 of 1 rating was given by somebody who could know" in notes
    assert "1 fine-tuned answer of 1 ended at the token budget" in notes


def test_a_rater_may_not_see_results(store):
    someone = store.people.add("rater", Role.RATER)
    for ask in (
        store.results.table,
        store.results.lengths,
        store.results.ratings_csv,
        store.results.table_csv,
    ):
        with pytest.raises(NotAllowed):
            ask(someone)


def test_no_name_of_a_person_leaves(store):
    store.rating.submit(store.admin, "Anna Canary", store.pair().id, rating())
    for data in (store.results.ratings_csv(store.admin), store.results.ratings_jsonl(store.admin)):
        assert b"Canary" not in data and b"R01" in data


def test_files_without_ratings_have_a_header_and_no_row(store):
    assert rows_of(store.results.ratings_csv(store.admin)) == []
    assert store.results.ratings_csv(store.admin).decode().strip().split(",") == list(RATING_COLUMNS)
    assert store.results.ratings_jsonl(store.admin) == b""
    assert [row["reason"] for row in rows_of(store.results.table_csv(store.admin))] == ["no ratings yet"] * 4


def test_the_markdown_table_reads_like_the_page(store):
    store.rating.submit(store.admin, "Anna", store.pair(left=Arm.BASELINE).id, rating(3, 4, 1))
    text = store.results.table_markdown(store.admin).decode()
    assert "| Metric | Baseline | Fine-tuned | Δ | n |" in text
    assert "| Reasoning depth | 3.0 | 4.0 | +1.0 | 1 |" in text
    assert in_words(store.results.table(store.admin)) in text


def test_the_sentence_claims_no_more_than_the_numbers(store):
    assert in_words(store.results.table(store.admin)) == "No ratings yet."
    store.rating.submit(store.admin, "Anna", store.pair("a").id, rating(preference=None))
    assert in_words(store.results.table(store.admin)) == (
        "Over 1 case rated by 1 person, nobody could say which answer was better."
    )
    store.rating.submit(store.admin, "Ben", store.pair("b", left=Arm.BASELINE).id, rating(preference=2))
    assert in_words(store.results.table(store.admin)) == (
        "Over 2 cases rated by 2 people, the fine-tuned answer was preferred in 1 and the baseline’s in 0; "
        "they were about the same in 0, and in 1 nobody could say."
    )


def test_a_row_without_numbers_gives_its_reason(store):
    assert cells(store.results.table(store.admin).row("D")) == (
        "Reasoning depth (no ratings yet)", "–", "–", "–", "0",
    )  # fmt: skip


@pytest.mark.parametrize(("value", "shown"), [(0.04, "0.0"), (-0.04, "0.0"), (0.06, "+0.1"), (-1.25, "−1.2")])
def test_differences_carry_a_sign_only_where_one_shows(value, shown):
    assert signed(value) == shown


pieces = st.one_of(
    st.sampled_from([*"=+-@\t\r\n'\",", "👩‍⚕️", "\u202e", "=cmd|' /C calc'!A0", "مرحبا", "e\u0301", "NA", "001"]),
    st.characters(exclude_characters="\x00", exclude_categories=("Cs",)),
)
storable = st.lists(pieces, max_size=8).map("".join)


@given(st.lists(storable, min_size=1, max_size=5))
def test_any_text_comes_back_from_csv_and_jsonl(texts):
    records = [{"n": number, "text": text} for number, text in enumerate(texts)]
    back = rows_of(csv_bytes(("n", "text"), records))
    assert [unguard(row["text"]) for row in back] == texts
    assert [row["text"] for row in objects_of(jsonl_bytes(("n", "text"), records))] == texts
    assert not any(row["text"].startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for row in back)


def test_the_guard_leaves_numbers_and_plain_words_alone():
    line = csv_bytes(("a", "b", "c", "d", "e"), [{"a": -1, "b": "gout", "c": None, "d": True, "e": "=1"}])
    assert line == b"a,b,c,d,e\r\n-1,gout,,true,'=1\r\n"
    assert unguard(guard("'=1")) == "'=1"


@pytest.mark.parametrize(
    "comment", ["=cmd|' /C calc'!A0", "'quoted", "first\r\n\r\nsecond\rthird", "👩‍⚕️ \u202e ", "NA"]
)
def test_a_comment_comes_back_from_the_store_and_both_files(store, comment):
    store.rating.submit(store.admin, "Anna", store.pair().id, rating(comment=comment))
    assert {unguard(row["comment"]) for row in rows_of(store.results.ratings_csv(store.admin))} == {comment}
    assert {row["comment"] for row in objects_of(store.results.ratings_jsonl(store.admin))} == {comment}
