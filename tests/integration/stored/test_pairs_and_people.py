"""What is kept of pairs of answers and of people."""

import threading

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.sampling import Sampling
from medreason.domain.user import Role
from medreason.errors import Invalid, MedReasonError, NotAllowed, NotFound
from medreason.services.blinding import draw, visible_sides
from medreason.services.people import PeopleService
from tests.store import Store, proof

# How a trigger refuses: the first in SQLite, the second in PostgreSQL.
REFUSED = (IntegrityError, ProgrammingError)


@pytest.fixture
def store(place):
    made = Store(place)
    yield made
    made.close()


def test_the_sides_are_stored_before_any_answer(store):
    pair = store.pair(left=Arm.FINETUNED, answered=False)
    again = store.pairs.get(pair.id)
    assert (again.sides.left, again.blinded, again.answers) == (Arm.FINETUNED, True, {})


def test_drawn_sides_cannot_be_changed(store):
    store.pair()
    for change in ("UPDATE presentations SET left_arm = 'finetuned'", "DELETE FROM presentations"):
        with pytest.raises(REFUSED, match="drawn sides"), store.database.write() as connection:
            connection.execute(text(change))


def test_a_pair_comes_back_as_it_went_in(store):
    said = Answer("Hm.", "Gout.\r\n\ttab 👩‍⚕️ \u202eRTL", Finish.STOP, "", True, True)
    pair = store.pair(answered=False, case_id=None, blinded=False)
    for arm in ARMS:
        store.pairs.save_answers(pair.id, {arm: (said, proof(arm))})
    again = store.pairs.get(pair.id)
    assert {arm: (kept.answer, kept.provenance) for arm, kept in again.answers.items()} == {
        arm: (said, proof(arm)) for arm in ARMS
    }
    assert (again.sampling, again.case_id, again.turn) == (Sampling(), None, 1)
    assert again.created_at.endswith("Z")


def test_a_draft_grows_and_a_finished_answer_stays(store):
    pair = store.pair(answered=False)

    def kept() -> Answer:
        return store.pairs.get(pair.id).answers[Arm.BASELINE].answer

    for said in (Answer(text="G"), Answer(text="Gou"), Answer(text="Gout.", finish=Finish.STOP)):
        store.pairs.save_answers(pair.id, {Arm.BASELINE: (said, proof(Arm.BASELINE))})
        assert kept() == said
    for late in (Answer(text="draft"), Answer(text="other", finish=Finish.STOP)):
        store.pairs.save_answers(pair.id, {Arm.BASELINE: (late, proof(Arm.BASELINE))})
        assert kept().text == "Gout."
    with pytest.raises(REFUSED, match="finished"), store.database.write() as connection:
        connection.execute(text("UPDATE answers SET text = 'other'"))


def test_turns_of_a_conversation_keep_their_order_and_owner(store):
    first = store.pair()
    second = store.pair(conversation_id=first.conversation_id)
    assert (second.turn, second.conversation_id) == (2, first.conversation_id)
    assert [pair.id for pair in store.pairs.in_conversation(first.conversation_id)] == [first.id, second.id]
    turns = store.pairs.earlier(first.conversation_id)
    assert [(turn.baseline.text, turn.finetuned.thinking) for turn in turns] == [("Gout.", "Hm.")] * 2
    other = store.people.add("other", Role.RATER)
    with pytest.raises(NotFound):
        store.pair(user=other, conversation_id=first.conversation_id)
    with pytest.raises(NotFound):
        store.pair(conversation_id=999)


def test_pairs_to_rate_are_those_of_the_user_newest_first(store):
    other = store.people.add("other", Role.RATER)
    mine = [store.pair().id for _ in range(3)]
    store.pair(user=other)
    assert [pair.id for pair in store.pairs.rateable(store.admin.id, None)] == mine[::-1]


@pytest.mark.parametrize("finish", [Finish.CANCELLED, Finish.FAILED])
def test_only_pairs_with_two_whole_answers_wait_to_be_rated(store, finish):
    whole = store.pair(finishes=(Finish.STOP, Finish.LENGTH))
    store.pair(finishes=(Finish.STOP, finish))
    store.pair(answered=False)
    assert [pair.id for pair in store.pairs.rateable(store.admin.id, None)] == [whole.id]


def test_revealing_keeps_the_first_time(store):
    pair = store.pair()
    store.pairs.reveal(pair.id)
    first = store.pairs.get(pair.id).revealed_at
    store.pairs.reveal(pair.id)
    assert first and store.pairs.get(pair.id).revealed_at == first


def test_a_pair_that_is_not_there_is_named_in_words(store):
    with pytest.raises(NotFound, match="not there"):
        store.pairs.get(7)


def test_the_draw_is_fair():
    lefts = [draw().left for _ in range(2000)]
    assert 0.44 < lefts.count(Arm.BASELINE) / 2000 < 0.56  # 5.4 standard deviations either way


@pytest.mark.parametrize(("blinded", "rated", "shown"), [(True, False, 0), (True, True, 1), (False, False, 1)])
def test_sides_are_hidden_only_while_blind_and_unrated(store, blinded, rated, shown):
    assert (visible_sides(store.pair(blinded=blinded), rated) is not None) == bool(shown)


def test_one_person_has_one_pseudonym_in_any_spelling(store):
    names = ("Anna Weiß", "  anna   WEISS ", "ANNA\u00a0weiss")
    assert {store.people.rater(store.admin.id, name).pseudonym for name in names} == {"R01"}
    assert store.people.rater(store.admin.id, "Ben").pseudonym == "R02"
    assert store.people.find_rater(store.admin.id, "nobody") is None


def test_twenty_threads_make_one_rater(store):
    seen = []
    threads = [
        threading.Thread(target=lambda: seen.append(store.people.rater(store.admin.id, "Anna").id))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [seen[0]] * 20


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\x00b", "\ud800"])
def test_a_name_that_cannot_be_kept_is_refused(store, name):
    with pytest.raises(Invalid):
        store.people.rater(store.admin.id, name)
    with pytest.raises(Invalid):
        store.people.add(name, Role.LEAD)


def test_the_local_admin_is_made_once_and_cannot_be_added(store):
    service = PeopleService(store.people)
    local = service.current_user(None)
    assert (local.name, local.role) == ("local", Role.ADMIN)
    assert service.current_user("local") == service.current_user(None) == local
    with pytest.raises(MedReasonError):
        service.add_user(" Local", Role.RATER)


def test_users_are_found_by_name_and_unknown_ones_refused(store):
    service = PeopleService(store.people)
    added = service.add_user("Dr. Okafor", Role.RATER)
    assert service.current_user("dr. okafor") == added
    assert store.people.count() == 2 and store.people.all()[1] == added
    with pytest.raises(NotAllowed):
        service.current_user("nobody")
    with pytest.raises(MedReasonError, match="already"):
        service.add_user("DR.  OKAFOR", Role.LEAD)
