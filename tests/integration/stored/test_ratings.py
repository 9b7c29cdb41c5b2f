"""Ratings: appended, never changed, one a person and pair, and blind until they are in."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from medreason.domain.answers import Finish
from medreason.domain.arms import Arm, Side
from medreason.domain.instrument import Axis
from medreason.domain.user import Role
from medreason.errors import Invalid, MedReasonError, NotAllowed, NotFound
from medreason.storage.judgements import Judgements
from tests.store import Store, rating
from tests.studies import judgement


@pytest.fixture
def store(place):
    made = Store(place)
    yield made
    made.close()


@pytest.fixture
def rater(store):
    return store.people.rater(store.admin.id, "Anna")


def judged(store):
    return Judgements(store.database).of(range(1, 100))


def test_second_rating_keeps_the_first(store, rater):
    pair = store.pair()
    first = store.ratings.append(pair.id, rater.id, rating(1, 2, 3, "first", "k1"))
    second = store.ratings.append(pair.id, rater.id, rating(5, 4, -3, "second", "k1"))
    assert (first.revision_no, second.revision_no) == (1, 2)
    kept = store.ratings.all()
    assert [(one.rating.comment, one.superseded) for one in kept] == [("first", True), ("second", False)]
    assert store.ratings.latest(pair.id, rater.id).rating == rating(5, 4, -3, "second", "k1")


def test_a_replay_returns_the_same_row(store, rater):
    pair = store.pair()
    receipts = {store.ratings.append(pair.id, rater.id, rating(key="k")) for _ in range(3)}
    assert len(receipts) == 1 and len(store.ratings.all()) == 1


def test_a_late_replay_of_the_first_does_not_undo_the_second(store, rater):
    pair = store.pair()
    first = store.ratings.append(pair.id, rater.id, rating(1, key="a"))
    store.ratings.append(pair.id, rater.id, rating(2, key="b"))
    assert store.ratings.append(pair.id, rater.id, rating(1, key="a")) == first
    assert len(store.ratings.all()) == 2


def test_the_same_words_from_a_second_tab_add_nothing(store, rater):
    pair = store.pair()
    first = store.ratings.append(pair.id, rater.id, rating(key="tab one"))
    assert store.ratings.append(pair.id, rater.id, rating(key="tab two")) == first


def test_going_back_to_the_first_opinion_is_a_third_revision(store, rater):
    pair = store.pair()
    for value, key in ((1, "a"), (2, "b"), (1, "c")):
        last = store.ratings.append(pair.id, rater.id, rating(value, key=key))
    assert last.revision_no == 3


def test_cannot_judge_is_kept_apart_from_every_value(store, rater):
    pair = store.pair()
    store.ratings.append(pair.id, rater.id, rating(None, 1, None))
    kept = store.ratings.latest(pair.id, rater.id).rating
    assert kept.value(Side.LEFT, Axis.DEPTH) is None and kept.value(Side.RIGHT, Axis.DEPTH) == 1
    assert kept.preference is None
    with store.database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM scores WHERE value IS NULL")).scalar_one() == 3


def test_ratings_and_scores_cannot_be_changed_or_deleted(store, rater, place):
    replacing = "INTO scores(id, rating_id, side, axis, value) VALUES (1, 1, 'left', 'D', 5)"
    store.ratings.append(store.pair().id, rater.id, rating())
    with store.database.read() as connection:
        before = connection.execute(text("SELECT * FROM ratings CROSS JOIN scores")).all()
    for change in (
        "UPDATE ratings SET comment = 'x'",
        "DELETE FROM ratings",
        "UPDATE scores SET value = 5",
        "DELETE FROM scores",
        f"INSERT {replacing} ON CONFLICT (id) DO UPDATE SET value = 5",
        *([f"INSERT OR REPLACE {replacing}"] if isinstance(place, Path) else []),
    ):
        # A trigger's refusal is the first in SQLite and the second in PostgreSQL.
        with (
            pytest.raises((IntegrityError, ProgrammingError), match="kept|never"),
            store.database.write() as connection,
        ):
            connection.execute(text(change))
    with store.database.read() as connection:
        assert connection.execute(text("SELECT * FROM ratings CROSS JOIN scores")).all() == before


def test_a_rating_of_no_pair_is_refused(store, rater):
    with pytest.raises(NotFound):
        store.ratings.append(99, rater.id, rating())


def test_ten_threads_at_once_lose_nothing(store):
    pairs = [store.pair(f"case-{i}").id for i in range(2)]
    faults = []

    def go(number: int) -> None:
        try:
            for pair_id in pairs:
                store.older_rating(
                    store.admin, f"person {number}", pair_id, rating(1 + number % 5, key=f"a{number}")
                )
                store.older_rating(store.admin, "shared", pair_id, rating(comment=f"{number}", key=f"s{number}"))
        except Exception as fault:  # noqa: BLE001
            faults.append(fault)

    threads = [threading.Thread(target=go, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = store.ratings.all()
    assert faults == [] and len(kept) == 10 * 2 * 2
    shared = store.people.rater(store.admin.id, "shared").id
    for pair_id in pairs:
        revisions = [one.revision_no for one in kept if (one.pair_id, one.rater_id) == (pair_id, shared)]
        assert revisions == list(range(1, 11))


def test_a_rated_pair_leaves_the_list_of_that_person_only(store):
    old, new = store.pair("case-1"), store.pair("case-2")
    assert [one.pair_id for one in store.rating.waiting(store.admin, "Anna")] == [new.id, old.id]
    store.older_rating(store.admin, "Anna", new.id, rating())
    assert [one.pair_id for one in store.rating.waiting(store.admin, "ANNA ")] == [old.id]
    assert len(store.rating.waiting(store.admin, "Ben")) == len(store.rating.waiting(store.admin, "")) == 2


def test_looking_at_pairs_makes_no_rater(store):
    pair = store.pair()
    store.rating.waiting(store.admin, "A")
    store.rating.known_sides(store.admin, "An", pair.id)
    assert store.people.rater(store.admin.id, "Anna").pseudonym == "R01"


def test_a_blind_pair_tells_its_arms_only_after_the_rating(store):
    pair = store.pair(left=Arm.FINETUNED)
    view = store.rating.open_live(store.admin, "Anna", pair.id)
    assert store.rating.known_sides(store.admin, "Anna", pair.id) is None and view.previous is None
    saved = store.rating.submit_live(store.admin, "Anna", pair.id, judgement())
    assert (saved.receipt.revision_no, saved.sides.left, saved.blinded) == (1, Arm.FINETUNED, True)
    assert store.rating.known_sides(store.admin, "Anna", pair.id) == saved.sides
    assert store.rating.open_live(store.admin, "Anna", pair.id).previous == judgement()
    assert store.rating.known_sides(store.admin, "Ben", pair.id) is None
    assert store.rating.known_sides(store.admin, "", pair.id) is None


def test_who_rated_a_pair_before_there_were_judgements_knows_its_sides(store):
    pair = store.pair(left=Arm.FINETUNED)
    store.older_rating(store.admin, "Anna", pair.id, rating())
    assert store.rating.known_sides(store.admin, "Anna", pair.id) == pair.sides
    assert store.rating.known_sides(store.admin, "Ben", pair.id) is None


def test_swapping_the_arms_of_a_blind_pair_changes_only_the_texts(store):
    views = [
        store.rating.open_live(store.admin, "Anna", store.pair(left=left).id)
        for left in (Arm.BASELINE, Arm.FINETUNED)
    ]
    swapped = replace(views[1], showing_id=views[0].showing_id, left=views[1].right, right=views[1].left)
    assert swapped == views[0]


def test_another_users_pair_is_refused(store):
    pair = store.pair()
    other = store.people.add("other", Role.LEAD)
    for attempt in (
        lambda: store.rating.known_sides(other, "Anna", pair.id),
        lambda: store.rating.open_live(other, "Anna", pair.id),
        lambda: store.rating.submit_live(other, "Anna", pair.id, judgement()),
        lambda: store.rating.save_live_draft(other, "Anna", pair.id, {}),
    ):
        with pytest.raises(NotAllowed, match="another user"):
            attempt()
    assert store.rating.waiting(other, "Anna") == () and judged(store) == ()


def test_a_role_that_may_not_rate_is_refused(store):
    engineer = store.people.add("engineer", Role.ENGINEER)
    pair = store.pair(user=engineer)
    with pytest.raises(NotAllowed, match="may not rate"):
        store.rating.submit_live(engineer, "Anna", pair.id, judgement())


@pytest.mark.parametrize(("finish", "words"), [(Finish.FAILED, "failed"), (Finish.CANCELLED, "never finished")])
@pytest.mark.parametrize("turned", [False, True])
def test_a_pair_without_two_whole_answers_is_refused_alike_on_both_sides(store, finish, words, turned):
    finishes = (finish, Finish.STOP)
    pair = store.pair(finishes=finishes[::-1] if turned else finishes)
    with pytest.raises(MedReasonError, match=words) as refusal:
        store.rating.submit_live(store.admin, "Anna", pair.id, judgement())
    assert "aseline" not in str(refusal.value) and "tuned" not in str(refusal.value)
    assert judged(store) == ()


def test_a_rating_without_a_name_is_refused(store):
    with pytest.raises(Invalid):
        store.rating.submit_live(store.admin, " ", store.pair().id, judgement())
    assert judged(store) == ()


def test_a_revision_after_the_reveal_is_not_recorded_as_blind(store):
    pair = store.pair()
    for value, key in ((1, "a"), (2, "b")):
        store.older_rating(store.admin, "Anna", pair.id, rating(value, key=key))
    store.older_rating(store.admin, "Ben", pair.id, rating(3, key="c"))
    assert [one.blinded for one in store.ratings.all()] == [True, False, True]


def test_a_later_turn_is_not_blind_for_whom_the_first_has_told_the_sides(store):
    first = store.pair()
    second = store.pair(conversation_id=first.conversation_id)
    for name in ("Anna", "Ben"):
        store.older_rating(store.admin, name, second.id, rating())
    store.older_rating(store.admin, "Anna", first.id, rating())
    assert [one.blinded for one in store.ratings.all()] == [True, True, False]


def test_a_pair_shown_unblinded_is_never_recorded_as_blind(store, rater):
    opened = store.pair(blinded=False)
    revealed = store.pair()
    store.pairs.reveal(revealed.id)
    for pair in (opened, revealed):
        store.ratings.append(pair.id, rater.id, rating())
    assert [one.blinded for one in store.ratings.all()] == [False, False]


def test_the_last_raters_name_comes_back(store):
    assert store.rating.last_rater_name(store.admin) == ""
    pair = store.pair()
    for name in ("Anna", "Ben"):
        store.older_rating(store.admin, name, pair.id, rating())
    assert store.rating.last_rater_name(store.admin) == "Ben"
