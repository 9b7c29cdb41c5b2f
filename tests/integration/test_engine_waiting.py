"""Requests wait in a line: for a place, for memory, for a switch of adapters; and may leave it."""

import threading
from dataclasses import replace

import pytest

from medreason.domain.answers import Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.events import Started
from tests.integration.engine_steps import (
    GREEDY,
    OTHER,
    QUESTION,
    QUIET,
    answers,
    gather,
    never,
    soon,
    text,
)
from tests.integration.engine_steps import engine as engine

pytestmark = QUIET


def test_a_question_waits_for_a_place_and_may_leave_the_line(engine, monkeypatch):
    monkeypatch.setattr(engine.decoder, "most_rows", 2)
    running = engine.ask_pair(QUESTION, replace(GREEDY, max_new_tokens=900), cancelled := threading.Event().is_set)
    assert isinstance(next(running), Started) and not cancelled()
    cancel, found = threading.Event(), {}
    leaving = threading.Thread(target=lambda: found.update(answers(engine, cancelled=cancel.is_set)))
    leaving.start()
    cancel.set()
    leaving.join(10)
    assert not leaving.is_alive()
    assert {one.finish for one in found.values()} == {Finish.CANCELLED} and len(found) == 2
    waiting = threading.Thread(target=lambda: found.update(answers(engine)))
    waiting.start()
    running.close()
    waiting.join(20)
    assert found[Arm.FINETUNED].finish is Finish.LENGTH


def test_a_switch_waits_for_running_answers_and_those_after_it_wait_for_the_switch(engine, tiny_adapter):
    whole = answers(engine, sampling=replace(GREEDY, max_new_tokens=30))
    running = engine.ask_pair(QUESTION, replace(GREEDY, max_new_tokens=30), never)
    seen = [next(running)]
    switching = threading.Thread(target=lambda: engine.switch_adapter(None))
    switching.start()
    soon(lambda: engine._thread._line)
    after: dict = {}
    asking = threading.Thread(target=lambda: after.update(answers(engine)))
    asking.start()
    said = gather([*seen, *running])
    switching.join(20), asking.join(20)
    assert {arm: text(one) for arm, one in said.items()} == {arm: text(one) for arm, one in whole.items()}
    assert list(after) == [Arm.BASELINE] and text(after[Arm.BASELINE])
    engine.switch_adapter(tiny_adapter)


def scarce(decoder, monkeypatch, places: int) -> list[int]:
    """Let memory suffice for the prompts of `places` rows; gives how many there were each time."""
    prefill, met = decoder.prefill, []

    def work(rows):
        met.append(len(decoder.rows) + len(rows))
        if met[-1] > places:
            raise MemoryError
        return prefill(rows)

    monkeypatch.setattr(decoder, "prefill", work)
    return met


def test_a_question_that_memory_does_not_suffice_for_waits_until_another_has_ended(engine, monkeypatch):
    whole = [answers(engine), answers(engine, OTHER)]
    running = engine.ask_pair(QUESTION, replace(GREEDY, max_new_tokens=60), never)
    seen = [next(running) for _ in range(4)]
    met = scarce(engine.decoder, monkeypatch, places=2)
    found: dict[int, dict] = {}
    asked = (QUESTION, OTHER)
    threads = [
        threading.Thread(target=lambda place=place: found.update({place: answers(engine, asked[place])}))
        for place in range(2)
    ]
    for thread in threads:
        thread.start()
    first = gather([*seen, *running])
    for thread in threads:
        thread.join(30)
    assert {one.finish for one in first.values()} == {Finish.LENGTH}
    for place in range(2):
        for arm in ARMS:
            assert text(found[place][arm]) == text(whole[place][arm])
            assert found[place][arm].finish is whole[place][arm].finish
    assert 4 in met and met.count(4) <= 3  # tried when something has changed, not all the time


def test_a_question_that_memory_never_suffices_for_fails_for_one_reason_and_the_next_is_right(engine, monkeypatch):
    before = answers(engine)
    running = engine.ask_pair(QUESTION, replace(GREEDY, max_new_tokens=40), never)
    seen = [next(running) for _ in range(4)]
    with monkeypatch.context() as patched:
        scarce(engine.decoder, patched, places=0)
        found: dict = {}
        asking = threading.Thread(target=lambda: found.update(answers(engine, OTHER)))
        asking.start()
        assert {one.finish for one in gather([*seen, *running]).values()} == {Finish.LENGTH}
        asking.join(30)
    assert {one.finish for one in found.values()} == {Finish.FAILED}
    assert len({one.fault for one in found.values()}) == 1
    assert found[Arm.BASELINE].fault.startswith("The memory did not suffice.")
    assert {arm: text(one) for arm, one in answers(engine).items()} == {
        arm: text(one) for arm, one in before.items()
    }


def test_a_question_that_waits_for_memory_may_be_stopped(engine, monkeypatch):
    running = engine.ask_pair(QUESTION, replace(GREEDY, max_new_tokens=900), never)
    assert isinstance(next(running), Started)
    soon(lambda: len(engine.decoder.rows) == 2)
    scarce(engine.decoder, monkeypatch, places=2)
    stop = threading.Event()
    waiting = engine.ask_pair(OTHER, GREEDY, stop.is_set)
    seen = [next(waiting), next(waiting)]
    assert all(isinstance(event, Started) for event in seen)
    soon(lambda: engine._thread._begun.waiting)
    stop.set()
    assert {one.finish for one in gather([*seen, *waiting]).values()} == {Finish.CANCELLED}
    running.close()
    soon(lambda: not engine.decoder.rows)


def test_a_step_that_memory_does_not_suffice_for_puts_the_silent_one_off(engine, monkeypatch):
    """As the cache cannot grow for a prompt that is being read."""
    whole = answers(engine, OTHER)
    decoder = engine.decoder
    step = decoder.step

    def work():
        if len(decoder.rows) > 2:
            raise MemoryError
        return step()

    running = engine.ask_pair(QUESTION, replace(GREEDY, max_new_tokens=40), never)
    seen = [next(running) for _ in range(4)]
    monkeypatch.setattr(decoder, "step", work)
    found: dict = {}
    asking = threading.Thread(target=lambda: found.update(answers(engine, OTHER)))
    asking.start()
    assert {one.finish for one in gather([*seen, *running]).values()} == {Finish.LENGTH}
    asking.join(30)
    assert {arm: text(one) for arm, one in found.items()} == {arm: text(one) for arm, one in whole.items()}


def test_stop_is_heard_within_a_step(engine, monkeypatch):
    decoder, steps, stop = engine.decoder, [], threading.Event()
    step, at_stop = decoder.step, []

    def work():
        steps.append(1)
        if len(steps) == 6:
            stop.set()
        if stop.is_set():
            at_stop.append(1)
        return step()

    monkeypatch.setattr(decoder, "step", work)
    said = answers(engine, sampling=replace(GREEDY, max_new_tokens=400), cancelled=stop.is_set)
    assert {one.finish for one in said.values()} == {Finish.CANCELLED}
    assert len(at_stop) == 1


def test_an_engine_that_ends_sends_everybody_away(tiny_qwen3, tmp_path):
    from medreason.engine.engine_thread import ENDED
    from medreason.engine.local import LocalEngine
    from medreason.errors import NotReady
    from medreason.folder import DataFolder

    made = LocalEngine(str(tiny_qwen3), "", "none", DataFolder(tmp_path), None)
    made.load()
    running = made.ask_pair(QUESTION, replace(GREEDY, max_new_tokens=900), never)
    seen = [next(running) for _ in range(3)]
    made._thread.end()
    assert gather([*seen, *running])[Arm.BASELINE].fault == ENDED
    with pytest.raises(NotReady, match="is ending"):
        answers(made)
    with pytest.raises(NotReady, match="is ending"):
        made.load()
