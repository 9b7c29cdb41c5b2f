"""Requests to the local engine end as they should: stopped, cut, failed or closed, and the next one is right."""

import gc
import subprocess
import sys
from dataclasses import replace

import pytest

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Turn
from medreason.domain.events import Draft, Event, Started
from medreason.domain.sampling import Sampling
from medreason.errors import NotReady
from medreason.folder import DataFolder
from tests.conftest import CHECKOUT
from tests.integration.engine_steps import (
    GREEDY,
    OTHER,
    QUESTION,
    QUIET,
    answers,
    gather,
    never,
    said,
    soon,
    text,
)
from tests.integration.engine_steps import engine as engine

pytestmark = QUIET


def test_stop_keeps_what_was_said(engine):
    whole = answers(engine)
    seen: list[Event] = []

    def cancelled() -> bool:
        return len(seen) > 8

    for event in engine.ask_pair(QUESTION, replace(GREEDY, max_new_tokens=400), cancelled):
        seen.append(event)
    stopped = gather(seen)
    for arm in ARMS:
        assert stopped[arm].finish is Finish.CANCELLED
        both = sorted((text(stopped[arm]), text(whole[arm])), key=len)
        assert both[0] and both[1].startswith(both[0])


def test_a_budget_that_runs_out_is_told_as_length(engine):
    said = answers(engine, sampling=replace(GREEDY, max_new_tokens=1))
    assert {one.finish for one in said.values()} == {Finish.LENGTH}


def test_counts_are_of_the_tokens_generated_and_never_exceed_the_budget(engine):
    for seed in range(3):
        sampling = Sampling(temperature=1.5, top_k=0, top_p=1, seed=seed, max_new_tokens=40)
        for answer in answers(engine, sampling=sampling).values():
            counts = answer.counts
            assert answer.finish is not Finish.FAILED
            assert 0 < counts.thinking_tokens + counts.answer_tokens <= 40


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_a_continued_answer_is_the_one_that_a_larger_budget_gives(engine, temperature):
    """Drawn with the noise that would have come; the text between the two is the same."""
    asked = replace(GREEDY, temperature=temperature, max_new_tokens=12)
    whole = answers(engine, sampling=asked)
    cut = answers(engine, sampling=replace(asked, max_new_tokens=5))
    begun = Turn(QUESTION.question, cut[Arm.BASELINE], cut[Arm.FINETUNED])
    rest = {arm: Draft(arm, cut[arm]) for arm in ARMS}
    for event in engine.ask_pair(replace(QUESTION, begun=begun), replace(asked, max_new_tokens=7), never):
        rest[event.arm].take(event)
    for arm in ARMS:
        joined = rest[arm].answer()
        said = text(cut[arm])
        assert cut[arm].finish is Finish.LENGTH and said and text(joined).startswith(said)
        again = engine._served.base.tokenizer(said, add_special_tokens=False)["input_ids"]
        if len(again) == 5 == cut[arm].counts.said:  # random weights may say what is written in fewer tokens
            assert text(joined) == text(whole[arm])


def test_an_arm_that_had_ended_by_itself_is_not_asked_to_go_on(engine):
    ended = Answer(text="Done.", finish=Finish.STOP)
    begun = Turn(QUESTION.question, ended, Answer(text="A heart"))
    events = list(engine.ask_pair(replace(QUESTION, begun=begun), GREEDY, never))
    assert {event.arm for event in events} == {Arm.FINETUNED}


def test_a_row_that_ends_leaves_the_other_to_go_on(engine, monkeypatch):
    """The baseline's third token is made the one that ends a turn."""
    whole = answers(engine)
    drawn = engine._served.base.tokenizer(text(whole[Arm.BASELINE]), add_special_tokens=False)["input_ids"]
    rows: list[int] = []
    decoder = engine.decoder
    step = decoder.step
    monkeypatch.setattr(decoder, "step", lambda: rows.append(len(decoder.rows)) or step())
    monkeypatch.setattr(engine._served, "stops", frozenset(drawn[2:3]))
    said = answers(engine)
    assert said[Arm.BASELINE].finish is Finish.STOP
    assert text(said[Arm.FINETUNED]) == text(whole[Arm.FINETUNED])
    assert rows[0] == 2 and rows[-1] == 1 and len(rows) == 12
    soon(lambda: not decoder.rows)


def test_what_does_not_fit_the_context_is_refused_in_words(engine):
    said = answers(engine, sampling=replace(GREEDY, max_new_tokens=1020))
    for answer in said.values():
        assert answer.finish is Finish.FAILED and "1,024 tokens" in answer.fault and not answer.text


def test_a_stream_closed_early_frees_its_places_within_a_step(engine, monkeypatch):
    decoder, steps = engine.decoder, []
    step = decoder.step
    monkeypatch.setattr(decoder, "step", lambda: steps.append(1) or step())
    stream = engine.ask_pair(QUESTION, replace(GREEDY, max_new_tokens=900), never)
    for _ in range(4):
        next(stream)
    stream.close()
    closed_at = len(steps)
    soon(lambda: not decoder.rows)
    assert len(steps) <= closed_at + 2
    assert answers(engine)[Arm.BASELINE].finish is Finish.LENGTH


def test_a_stream_that_nobody_reads_holds_up_nobody(engine):
    unread = engine.ask_pair(QUESTION, replace(GREEDY, max_new_tokens=30), never)
    assert isinstance(next(unread), Started)
    assert answers(engine)[Arm.FINETUNED].finish is Finish.LENGTH
    assert gather(unread)[Arm.FINETUNED].counts.answer_tokens <= 30


def test_requests_at_once_say_what_each_says_alone(engine):
    cold = (QUESTION, GREEDY), (OTHER, replace(GREEDY, max_new_tokens=25)), (QUESTION, GREEDY)
    warm = tuple((asked, Sampling(temperature=1.3, top_k=k, seed=k + 3, max_new_tokens=20)) for asked, k in
                 ((QUESTION, 0), (OTHER, 20), (OTHER, 500)))  # fmt: skip
    alone = [said(engine, one)[0] for one in cold + warm]
    assert said(engine, *cold, *warm) == alone


def test_one_arm_can_be_asked_alone(engine):
    pair = answers(engine)
    for arm in ARMS:
        alone = gather(engine.ask(QUESTION, GREEDY, never, (arm,)))
        assert list(alone) == [arm] and text(alone[arm]) == text(pair[arm])


def test_an_engine_that_nobody_holds_ends_its_thread(tiny_qwen3, tmp_path):
    from medreason.engine.local import LocalEngine

    made = LocalEngine(str(tiny_qwen3), "", "none", DataFolder(tmp_path), None)
    with pytest.raises(NotReady):
        answers(made)
    thread = made._thread._thread
    del made
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()


ENDING = """
import sys
from pathlib import Path
from medreason.domain.conversation import Conversation
from medreason.domain.sampling import Sampling
from medreason.engine.local import LocalEngine
from medreason.folder import DataFolder
engine = LocalEngine(sys.argv[1], "", "none", DataFolder(Path(sys.argv[2])), None)
engine.load()
stream = engine.ask_pair(Conversation("?"), Sampling(max_new_tokens=900), lambda: False)
print(len([next(stream) for _ in range(3)]))
"""


def test_a_program_that_ends_in_the_middle_of_an_answer_ends_well(tiny_qwen3, tmp_path):
    run = [sys.executable, "-c", ENDING, str(tiny_qwen3), str(tmp_path)]
    ran = subprocess.run(run, cwd=CHECKOUT, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "3\n"), ran.stderr
