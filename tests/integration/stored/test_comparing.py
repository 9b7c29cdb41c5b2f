"""Comparing keeps what both arms say, whatever happens, and never tells the arms of a blind pair."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medreason.domain.answers import Finish
from medreason.domain.arms import ARMS, SIDES, Arm, Side
from medreason.domain.events import Event
from medreason.domain.sampling import Sampling
from medreason.engine.protocol import Phase
from medreason.engine.scripted import Script, ScriptedEngine
from medreason.errors import Busy, Invalid, MedReasonError, NotFound, NotReady
from medreason.folder import DataFolder
from medreason.services import answering, live_pair
from medreason.services.live_pair import LivePair
from medreason.services.serving import Serving
from tests.stage import Stage, until


@pytest.fixture
def stage(folder: DataFolder) -> Stage:
    return Stage(folder)


def test_both_answers_are_stored_with_what_produced_them(stage: Stage) -> None:
    view = stage.asked()
    kept = stage.pairs.get(view.pair_id)
    assert kept.answers[Arm.FINETUNED].answer.thinking == "Fever and a stiff neck point to the meninges."
    assert kept.answers[Arm.BASELINE].answer.text == "It is probably viral."
    for arm in ARMS:
        proof = kept.answers[arm].provenance
        assert (proof.arm, proof.adapter_active) == (arm, arm is Arm.FINETUNED)
        assert proof.sampling == Sampling()


def test_stopping_keeps_what_was_said(stage: Stage) -> None:
    stage.engine.pause_s = 0.02
    stage.engine.plays(Arm.FINETUNED, Script("word " * 200, "end"))
    live = stage.ask()
    until(lambda: live.answer(Arm.FINETUNED).thinking.count("word") > 2)
    stage.comparing.stop(stage.other, live.pair.id)
    assert not live.cancel.is_set(), "another user must not stop it"
    stage.comparing.stop(stage.user, live.pair.id)
    assert live.finished.wait(2)
    kept = stage.pairs.get(live.pair.id).answers[Arm.FINETUNED].answer
    assert kept.finish is Finish.CANCELLED
    assert 2 < kept.thinking.count("word") < 200


def test_a_page_that_stops_reading_stops_the_answer(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_pair, "UNREAD_FOR_S", 0.1)
    stage.engine.pause_s = 0.02
    stage.engine.plays(Arm.BASELINE, Script("", "word " * 500))
    live = stage.ask()
    assert live.finished.wait(3)
    assert stage.pairs.get(live.pair.id).answers[Arm.BASELINE].answer.finish is Finish.CANCELLED


def test_one_arm_may_fail_and_the_other_goes_on(stage: Stage) -> None:
    stage.engine.plays(Arm.BASELINE, Script("", "It is", fault="The GPU ran out of memory."))
    kept = stage.pairs.get(stage.asked().pair_id)
    assert kept.answers[Arm.BASELINE].answer.fault == "The GPU ran out of memory."
    assert kept.answers[Arm.BASELINE].answer.text == "It is"
    assert kept.answers[Arm.FINETUNED].answer.finish is Finish.STOP


def test_an_unexpected_fault_ends_the_pair_in_words_and_the_next_one_works(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("/secret/path exploded")

    with monkeypatch.context() as patch:
        patch.setattr(stage.engine, "ask_pair", broken)
        view = stage.asked()
    for side in SIDES:
        assert view.side(side).answer.finish is Finish.FAILED
        assert "secret" not in view.side(side).answer.fault
    assert stage.asked().left.answer.finish is Finish.STOP


def test_a_second_turn_continues_both_conversations_with_their_own_answers(stage: Stage) -> None:
    first = stage.asked()
    second = stage.asked("And the test?", conversation_id=first.conversation_id)
    conversation, _ = stage.engine.asked[-1]
    assert conversation.messages(Arm.FINETUNED)[1]["content"] == "Meningitis."
    assert conversation.messages(Arm.BASELINE)[1]["content"] == "It is probably viral."
    turns = stage.conversations.open(stage.user, second.conversation_id)
    assert [turn.question for turn in turns] == ["Likely cause?", "And the test?"]


def test_the_sides_of_a_blind_pair_are_hidden_until_it_is_revealed(stage: Stage) -> None:
    view = stage.asked(blind=True)
    assert [view.side(side).arm for side in SIDES] == [None, None]
    (stored,) = stage.conversations.open(stage.user, view.conversation_id)
    assert stored.blinded and stored.left.arm is None and stored.left.answer.timings.total_s == 0
    again = stage.asked("More?", conversation_id=view.conversation_id)
    assert again.blinded, "a second turn must not give the sides away"
    stage.pairs.reveal(view.pair_id)
    revealed = stage.conversations.open(stage.user, view.conversation_id)[0]
    assert {revealed.left.arm, revealed.right.arm} == set(ARMS)
    assert revealed.left.arm is stage.pairs.get(view.pair_id).sides.arm(Side.LEFT)


def test_both_orders_are_drawn(stage: Stage) -> None:
    lefts = {stage.pairs.get(stage.asked(blind=True).pair_id).sides.left for _ in range(24)}
    assert lefts == set(ARMS)  # fails by chance once in 2**23 runs


def test_a_rater_compares_blind_whatever_is_asked(stage: Stage) -> None:
    live = stage.comparing.ask(stage.rater, "Cause?", Sampling(), blind=False)
    assert live.finished.wait(5)
    assert live.view().blinded


def test_somebody_elses_conversation_is_refused_and_nothing_is_stored(stage: Stage) -> None:
    view = stage.asked()
    with pytest.raises(NotFound):
        stage.comparing.ask(stage.other, "q", Sampling(), blind=False, conversation_id=view.conversation_id)
    with pytest.raises(NotFound):
        stage.conversations.open(stage.other, view.conversation_id)
    assert len(stage.pairs.in_conversation(view.conversation_id)) == 1


@pytest.mark.parametrize("question", ["", "  \n ", "x" * 20_001, "a\x00b"])
def test_a_bad_question_is_refused_before_anything_is_stored(stage: Stage, question: str) -> None:
    with pytest.raises(Invalid):
        stage.ask(question)
    assert not stage.pairs.asked_by(stage.user.id)


def test_nothing_is_asked_while_no_model_is_ready(stage: Stage) -> None:
    stage.engine.unload()
    with pytest.raises(NotReady):
        stage.ask()


def test_one_user_cannot_take_every_place(stage: Stage) -> None:
    stage.engine.pause_s = 0.05
    running = [stage.ask() for _ in range(answering.RUNNING_A_USER)]
    with pytest.raises(Busy):
        stage.ask()
    stage.comparing.stop_all()
    assert all(live.finished.is_set() for live in running)
    assert stage.asked().done


def test_a_full_disk_is_told_and_the_pair_cannot_look_saved(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stage.pairs, "save_answers", full)
    live = stage.ask()
    assert live.finished.wait(5)
    assert live.view().left.answer.finish is Finish.FAILED


def test_an_unknown_adapter_is_refused_and_the_old_one_stays(stage: Stage) -> None:
    with pytest.raises(NotFound):
        stage.serving.switch(stage.user, "run:../../etc")
    assert stage.serving.adapter == "demo"


def test_a_failed_load_is_a_state_with_the_reason(folder: DataFolder) -> None:
    def broken() -> tuple[ScriptedEngine, str]:
        raise MedReasonError("The model /x is not there. Choose another with --base-model.")

    serving = Serving(broken, list)
    serving.start_loading()
    until(lambda: serving.state.phase is Phase.FAILED)
    assert "not there" in serving.state.message
    with pytest.raises(NotReady, match="not there"):
        serving.engine()


def test_answers_of_many_users_at_once_are_not_crossed(stage: Stage) -> None:
    lives: list[LivePair] = []
    threads = [
        threading.Thread(
            target=lambda user=user, n=n: lives.append(
                stage.comparing.ask(user, f"{user.name} {n}", Sampling(), blind=True)
            )
        )
        for user in (stage.user, stage.other, stage.rater)
        for n in range(answering.RUNNING_A_USER)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for live in lives:
        assert live.finished.wait(5)
        kept = stage.pairs.get(live.pair.id)
        assert kept.question == live.pair.question and kept.whole


def test_the_proof_names_the_adapter_that_answered_not_the_one_when_it_was_asked(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_pair = stage.engine.ask_pair

    def after_a_switch(*asked: Any) -> Iterator[Event]:
        stage.engine.switch_adapter(Path("another-adapter"))
        yield from ask_pair(*asked)

    monkeypatch.setattr(stage.engine, "ask_pair", after_a_switch)
    kept = stage.pairs.get(stage.asked().pair_id)
    assert kept.answers[Arm.FINETUNED].provenance.model.adapter == "another-adapter"


def test_a_conversation_does_not_go_on_with_another_adapter(stage: Stage) -> None:
    view = stage.asked()
    stage.engine.switch_adapter(Path("other"))
    with pytest.raises(MedReasonError, match="New conversation"):
        stage.ask("More?", conversation_id=view.conversation_id)
    assert len(stage.pairs.in_conversation(view.conversation_id)) == 1
    assert stage.asked("Anew?").done


def test_without_an_adapter_the_baseline_answers_alone_and_the_other_side_says_why(stage: Stage) -> None:
    stage.engine.switch_adapter(None)
    assert stage.serving.adapter == ""
    kept = stage.pairs.get(stage.asked().pair_id)
    assert kept.answers[Arm.BASELINE].answer.finish is Finish.STOP
    assert "Train" in kept.answers[Arm.FINETUNED].answer.fault
    assert not kept.whole
