"""Duplicates: equal and nearly equal questions go, unlike ones never do."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from medreason.data.near import NEAR, drop_near
from medreason.data.overlap import normalised, shingles
from medreason.data.rows import Row, load_rows
from medreason.demo import CURRICULUM

VIGNETTE = (
    "A 45-year-old man comes to the clinic with three weeks of cough, night sweats and weight loss after a trip. "
    "His temperature is 38.1 °C and a chest film shows a cavity in the right upper lobe with large hilar nodes. "
    "Which test confirms the diagnosis, and which drugs are begun before its result is known?"
)


def row(question: str) -> Row:
    return Row(question, "thinking", "response")


def likeness(one: str, other: str) -> float:
    """The Jaccard index by its definition."""
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b)


def test_equal_questions_leave_the_first() -> None:
    found = drop_near([row("Why  fever?"), row("What then?"), row("why FEVER"), row("Why fever?!")])
    assert [one.question for one in found.rows] == ["Why  fever?", "What then?"]
    assert (found.equal, found.nearly_equal) == (2, 0)


def test_a_word_changed_at_the_end_is_nearly_equal_and_another_age_in_a_short_question_is_not() -> None:
    changed = VIGNETTE.replace("is known?", "is there?")
    assert likeness(VIGNETTE, changed) >= NEAR
    short = "A 30-year-old man has a sudden severe headache. What is the cause?"
    other = "A 70-year-old man has a sudden severe headache. What is the cause?"
    found = drop_near([row(VIGNETTE), row(short), row(changed), row(other)])
    assert [one.question for one in found.rows] == [VIGNETTE, short, other]
    assert (found.equal, found.nearly_equal) == (0, 1)


def test_a_question_with_two_words_added_is_just_near_enough_whichever_comes_first() -> None:
    short = " ".join(f"word{n}" for n in range(12))  # 8 runs of five words, all of them among the 10 of the longer
    longer = short + " and more"
    assert likeness(short, longer) == NEAR
    for pair in ((short, longer), (longer, short)):
        assert [one.question for one in drop_near([row(one) for one in pair]).rows] == [pair[0]]
    assert len(drop_near([row(short), row(longer + " still")]).rows) == 2


def test_a_chain_of_small_changes_is_not_one_question() -> None:
    words = VIGNETTE.split()
    chain = [" ".join(["other"] * n + words[n:]) for n in range(0, 30, 3)]
    kept = drop_near([row(one) for one in chain]).rows
    assert 1 < len(kept) < len(chain)


def test_none_of_the_curriculum_is_taken_for_a_duplicate() -> None:
    rows = load_rows(CURRICULUM)
    assert drop_near(rows) == (rows, 0, 0)


def test_nothing_comes_of_nothing() -> None:
    assert drop_near([]) == ((), 0, 0)


WORDS = st.lists(st.sampled_from("ab cd ef gh".split()), min_size=1, max_size=14).map(" ".join)


@given(st.lists(WORDS | st.text(min_size=1).filter(str.strip), min_size=1, max_size=25))
def test_every_row_that_goes_is_like_one_that_stays_and_those_that_stay_are_unlike(questions: list[str]) -> None:
    questions = [
        one for one in questions if not set(one) & {"\x00"} and not any("\ud800" <= c <= "\udfff" for c in one)
    ]
    found = drop_near([row(one) for one in questions])
    kept: list[str] = []
    for question in questions:  # the definition, pair by pair
        if not any(normalised(question) == normalised(one) or likeness(question, one) >= NEAR for one in kept):
            kept.append(question)
    assert [one.question for one in found.rows] == kept
    assert len(found.rows) + found.equal + found.nearly_equal == len(questions)


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_search_misses_no_pair_of_long_questions(rng: random.Random) -> None:
    words = VIGNETTE.split()
    questions = []
    for _ in range(25):
        changed = list(words)
        for _ in range(rng.randrange(4)):
            changed[rng.randrange(len(changed))] = f"w{rng.randrange(3)}"
        questions.append(" ".join(changed[rng.randrange(3) : len(changed) - rng.randrange(3)]))
    sets = [shingles(question) for question in questions]
    kept: list[int] = []
    for at, grams in enumerate(sets):
        if not any(len(grams & sets[one]) >= NEAR * len(grams | sets[one]) for one in kept):
            kept.append(at)
    assert [one.question for one in drop_near([row(one) for one in questions]).rows] == [
        questions[at] for at in kept
    ]
