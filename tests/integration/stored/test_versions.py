"""Regenerating, editing and continuing add versions; every version is kept, and the shown one is what counts."""

from dataclasses import replace

import pytest

from medreason.domain.answers import Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.sampling import Sampling
from medreason.engine.scripted import Script
from medreason.errors import Busy, MedReasonError, NotFound
from medreason.folder import DataFolder
from medreason.services import answering
from tests.stage import Stage, until


@pytest.fixture
def stage(folder: DataFolder) -> Stage:
    made = Stage(folder)
    made.engine.plays(Arm.BASELINE, Script("", "one two three four five six"))
    made.engine.plays(Arm.FINETUNED, Script("a b c d", "e f g h"))
    return made


def short(stage: Stage, budget: int = 3):
    """A pair whose two answers were cut off."""
    live = stage.comparing.ask(stage.user, "Cause?", Sampling(max_new_tokens=budget), blind=False)
    return stage.ended(live)


def test_regenerating_keeps_the_older_version_and_shows_the_new_one(stage: Stage) -> None:
    first = stage.asked()
    stage.engine.plays(Arm.BASELINE, Script("", "Something else."))
    second = stage.ended(stage.comparing.regenerate(stage.user, first.pair_id, Sampling()))
    assert (second.turn, second.version, second.versions, second.left.answer.text) == (1, 2, 2, "Something else.")
    back = stage.conversations.leaf(stage.user, second.pair_id, -1)[-1]
    assert (back.pair_id, back.version, back.left.answer.text) == (first.pair_id, 1, "one two three four five six")
    assert stage.conversations.leaf(stage.user, back.pair_id, -1)[-1].pair_id == first.pair_id
    assert stage.conversations.leaf(stage.user, back.pair_id, +1)[-1].pair_id == second.pair_id


def test_regenerating_unchanged_settings_draws_a_new_seed_and_changed_ones_keep_it(stage: Stage) -> None:
    first = stage.asked()
    second = stage.ended(stage.comparing.regenerate(stage.user, first.pair_id, Sampling()))
    assert second.sampling.seed != first.sampling.seed
    assert replace(second.sampling, seed=first.sampling.seed) == first.sampling
    longer = stage.ended(
        stage.comparing.regenerate(stage.user, second.pair_id, replace(second.sampling, max_new_tokens=9))
    )
    assert longer.sampling.seed != second.sampling.seed and longer.sampling.max_new_tokens == 9
    warmer = Sampling(temperature=1.0)
    third = stage.ended(stage.comparing.regenerate(stage.user, longer.pair_id, warmer))
    assert third.sampling == warmer


def test_only_the_shown_version_waits_to_be_rated(stage: Stage) -> None:
    first = stage.asked()
    second = stage.ended(stage.comparing.regenerate(stage.user, first.pair_id, Sampling()))
    assert [pair.id for pair in stage.pairs.rateable(stage.user.id, None)] == [second.pair_id]
    assert [pair.id for pair in stage.pairs.completed()] == [second.pair_id]
    stage.conversations.leaf(stage.user, second.pair_id, -1)
    assert [pair.id for pair in stage.pairs.rateable(stage.user.id, None)] == [first.pair_id]


def test_an_edited_question_is_a_version_and_what_follows_rests_on_the_shown_one(stage: Stage) -> None:
    first = stage.asked("Likely cause?")
    edited = stage.ended(stage.comparing.ask_again(stage.user, first.pair_id, Sampling(), question="Worst cause?"))
    assert (edited.question, edited.version) == ("Worst cause?", 2)
    stage.asked("And then?", conversation_id=first.conversation_id)
    asked, _ = stage.engine.asked[-1]
    assert [turn.question for turn in asked.earlier] == ["Worst cause?"]
    with pytest.raises(NotFound, match="gone on"):
        stage.comparing.regenerate(stage.user, edited.pair_id, Sampling())
    with pytest.raises(NotFound, match="gone on"):
        stage.conversations.leaf(stage.user, edited.pair_id, -1)


def test_continuing_goes_on_from_exactly_what_each_arm_had_said(stage: Stage) -> None:
    cut = short(stage)
    assert [cut.left.answer.text, cut.right.answer.thinking] == ["one two three ", "a b c "]
    whole = stage.ended(stage.comparing.go_on(stage.user, cut.pair_id, 10))
    conversation, sampling = stage.engine.asked[-1]
    assert conversation.begun is not None and sampling.max_new_tokens == 10
    assert conversation.begun_by(Arm.BASELINE).text == "one two three "  # type: ignore[union-attr]
    assert whole.left.answer.text == "one two three four five six"
    assert (whole.right.answer.thinking, whole.right.answer.text) == ("a b c d", "e f g h")
    assert whole.left.answer.finish is whole.right.answer.finish is Finish.STOP
    assert whole.continued and whole.whole and not whole.can_continue
    assert whole.left.answer.counts.said == 6 and whole.right.answer.counts.said == 8
    assert whole.sampling.max_new_tokens == 13


def test_the_proof_of_a_joined_answer_says_that_it_was_continued_and_where(stage: Stage) -> None:
    cut = short(stage)
    again = stage.ended(stage.comparing.go_on(stage.user, cut.pair_id, 1))
    whole = stage.ended(stage.comparing.go_on(stage.user, again.pair_id, 10))
    proof = stage.pairs.get(whole.pair_id).answers[Arm.BASELINE].provenance
    assert proof.continued_at == (3, 4) and proof.sampling.max_new_tokens == 14
    first = stage.pairs.get(cut.pair_id).answers[Arm.BASELINE]
    assert (first.provenance.continued_at, first.answer.text) == ((), "one two three "), "the older version stays"


def test_a_side_that_had_ended_by_itself_stays_as_it_is(stage: Stage) -> None:
    stage.engine.plays(Arm.BASELINE, Script("", "Brief."))
    cut = short(stage)
    before = stage.pairs.get(cut.pair_id).answers[Arm.BASELINE]
    stage.engine.plays(Arm.BASELINE, Script("", "Never asked for."))
    whole = stage.ended(stage.comparing.go_on(stage.user, cut.pair_id, 10))
    after = stage.pairs.get(whole.pair_id).answers[Arm.BASELINE]
    assert (after.answer, after.provenance) == (before.answer, before.provenance)
    assert whole.right.answer.text == "e f g h"


def test_a_side_that_failed_goes_on_too(stage: Stage) -> None:
    stage.engine.plays(Arm.BASELINE, Script("", "one two", fault="The GPU ran out of memory."))
    failed = stage.asked()
    assert failed.can_continue and not failed.whole
    stage.engine.plays(Arm.BASELINE, Script("", "one two three"))
    whole = stage.ended(stage.comparing.go_on(stage.user, failed.pair_id, 10))
    assert (whole.left.answer.text, whole.left.answer.fault, whole.whole) == ("one two three", "", True)


def test_what_has_come_to_its_own_end_is_not_continued(stage: Stage) -> None:
    with pytest.raises(MedReasonError, match="own end"):
        stage.comparing.go_on(stage.user, stage.asked().pair_id, 10)


def test_the_longest_answer_bounds_continuing(stage: Stage) -> None:
    cut = short(stage)
    whole = stage.ended(stage.comparing.go_on(stage.user, cut.pair_id, 32768))
    assert whole.sampling.max_new_tokens == 32768
    assert stage.engine.asked[-1][1].max_new_tokens == 32765


def test_another_model_does_not_continue_what_one_has_begun(stage: Stage) -> None:
    cut = short(stage)
    stage.engine._provenance = replace(stage.engine.provenance, base_sha256="9" * 64)
    with pytest.raises(MedReasonError, match="base model"):
        stage.comparing.go_on(stage.user, cut.pair_id, 5)


def test_a_conversation_that_is_being_answered_is_not_asked_again(stage: Stage) -> None:
    stage.engine.pause_s = 0.05
    live = stage.ask()
    for again in (
        lambda: stage.comparing.regenerate(stage.user, live.pair.id, Sampling()),
        lambda: stage.comparing.ask(
            stage.user, "More?", Sampling(), blind=False, conversation_id=live.pair.conversation_id
        ),
        lambda: stage.conversations.leaf(stage.user, live.pair.id, 1),
    ):
        with pytest.raises(Busy):
            again()
    stage.comparing.stop_all()


def test_versions_of_a_blind_pair_keep_its_sides_and_stay_blind(stage: Stage) -> None:
    first = stage.asked(blind=True)
    sides = stage.pairs.get(first.pair_id).sides
    for _ in range(6):
        view = stage.shown(first.conversation_id)
        stage.ended(stage.comparing.regenerate(stage.user, view.pair_id, Sampling()))
    assert {pair.sides for pair in stage.pairs.with_versions(first.conversation_id)} == {sides}
    assert all(pair.blinded for pair in stage.pairs.with_versions(first.conversation_id))


def test_a_revealed_version_makes_what_is_asked_next_unblinded(stage: Stage) -> None:
    first = stage.asked(blind=True)
    stage.pairs.reveal(first.pair_id)
    again = stage.ended(stage.comparing.regenerate(stage.user, first.pair_id, Sampling()))
    assert not again.blinded
    live = stage.comparing.ask(stage.rater, "Cause?", Sampling(), blind=True)
    shown = stage.ended_by(live, stage.rater)
    stage.pairs.reveal(shown.pair_id)
    with pytest.raises(MedReasonError, match="New conversation"):
        stage.comparing.regenerate(stage.rater, shown.pair_id, Sampling())


def test_a_refused_question_leaves_its_place_free(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise MedReasonError("Not saved, the disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(stage.pairs, "begin", full)
        for _ in range(answering.RUNNING_A_USER + 1):
            with pytest.raises(MedReasonError, match="disk is full"):
                stage.ask()
    assert stage.asked().done


def test_no_adapter_no_blind_comparison(stage: Stage) -> None:
    stage.engine.switch_adapter(None)
    with pytest.raises(MedReasonError, match="Blind needs both models"):
        stage.ask(blind=True)
    assert not stage.pairs.asked_by(stage.user.id)


def test_the_arms_that_speak_are_those_that_have_more_to_say(stage: Stage) -> None:
    stage.engine.plays(Arm.BASELINE, Script("", "Brief."))
    cut = short(stage)
    live = stage.comparing.go_on(stage.user, cut.pair_id, 10)
    until(live.finished.is_set)
    conversation, _ = stage.engine.asked[-1]
    assert [arm for arm in ARMS if conversation.goes_on(arm)] == [Arm.FINETUNED]
