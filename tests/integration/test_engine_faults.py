"""A fault ends the request that it belongs to, in words, and the next one is right."""

from dataclasses import replace

import pytest

from medreason.domain.answers import Finish
from medreason.domain.arms import ARMS, Arm
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


@pytest.mark.parametrize("where", ["prefill", "step"])
def test_a_fault_in_one_request_leaves_the_next_right(engine, monkeypatch, where):
    before = answers(engine)
    decoder, calls = engine.decoder, []
    work = getattr(decoder, where)

    def faulty(*given):
        calls.append(1)
        if len(calls) == (4 if where == "step" else 1):
            raise MemoryError
        return work(*given)

    monkeypatch.setattr(decoder, where, faulty)
    failed = answers(engine)
    for arm in ARMS:
        assert failed[arm].finish is Finish.FAILED
        assert "memory did not suffice" in failed[arm].fault
        assert text(before[arm]).startswith(text(failed[arm])) and bool(text(failed[arm])) == (where == "step")
    monkeypatch.undo()
    soon(lambda: not decoder.rows)
    assert [text(one) for one in answers(engine).values()] == [text(one) for one in before.values()]


def test_a_fault_of_a_shared_step_ends_the_last_to_come_and_spares_the_others(engine, monkeypatch):
    longer = replace(GREEDY, max_new_tokens=30)
    alone = {arm: text(one) for arm, one in answers(engine, sampling=longer).items()}
    decoder = engine.decoder
    step = decoder.step

    def faulty():
        if len(decoder.rows) > 2:
            raise RuntimeError("no such kernel")
        return step()

    first = engine.ask_pair(QUESTION, longer, never)
    seen = [next(first) for _ in range(4)]
    monkeypatch.setattr(decoder, "step", faulty)
    failed = answers(engine, OTHER)
    assert {one.finish for one in failed.values()} == {Finish.FAILED}
    assert {arm: text(one) for arm, one in gather([*seen, *first]).items()} == alone


def test_a_tokenizer_that_fails_ends_its_request_alone(engine, monkeypatch):
    before = answers(engine)
    from medreason.engine import request

    taken = []

    def take(self, token, at):
        taken.append(token)
        if len(taken) == 5:
            raise ValueError("no such token")
        return []

    monkeypatch.setattr(request.Voice, "take", take)
    failed = answers(engine)
    assert {one.finish for one in failed.values()} == {Finish.FAILED}
    monkeypatch.undo()
    soon(lambda: not engine.decoder.rows)
    assert [text(one) for one in answers(engine).values()] == [text(one) for one in before.values()]


def test_numbers_that_are_not_finite_fail_one_arm_and_spare_the_other(engine, monkeypatch):
    from medreason.engine import own_steps, plain_decoder

    whole = answers(engine)
    for module in (own_steps, plain_decoder):
        draw = module.draw

        def broken(logits, *rest, draw=draw):
            if len(logits) == 2:
                logits = logits.clone()
                logits[0] = float("nan")
            return draw(logits, *rest)

        monkeypatch.setattr(module, "draw", broken)
    said = answers(engine)
    assert said[Arm.BASELINE].finish is Finish.FAILED and "not finite" in said[Arm.BASELINE].fault
    assert text(said[Arm.FINETUNED]) == text(whole[Arm.FINETUNED])
