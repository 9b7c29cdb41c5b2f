"""Many questions at once: each ends by itself, a fault stays its own, Stop and closing leave nothing running."""

import threading
import time

import pytest

from medreason.bench import many_pairs
from medreason.domain.answers import Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Failed
from medreason.domain.sampling import Sampling
from medreason.engine.at_once import UNEXPECTED, Question, ask_many
from medreason.engine.scripted import ScriptedEngine
from medreason.errors import MedReasonError, NotReady


class Counting(ScriptedEngine):
    """Knows how many questions run at the same time, and does to some questions what it was told to."""

    def __init__(self, pause_s: float = 0.002):
        super().__init__(pause_s)
        self.running = self.most = 0
        self.faults: dict[str, Exception] = {}
        self._counting = threading.Lock()

    def ask_pair(self, conversation, sampling, cancelled):
        with self._counting:
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            if conversation.question in self.faults:
                raise self.faults[conversation.question]
            yield from super().ask_pair(conversation, sampling, cancelled)
        finally:
            with self._counting:
                self.running -= 1


def questions(count: int) -> list[Question[int]]:
    return [Question(number, Conversation(f"q{number}"), Sampling(seed=number)) for number in range(count)]


def test_as_many_run_as_there_is_room_for_and_every_question_is_answered_once():
    engine = Counting()
    said = list(ask_many(engine, questions(12), ARMS, lambda: 3))
    assert sorted(one.key for one in said) == list(range(12)) and engine.most == 3
    assert {one.answers[Arm.FINETUNED].text for one in said} == {"Meningitis."}
    assert all(one.models[arm] == engine.provenance for one in said for arm in ARMS)
    assert sorted((talk.question, seeds.seed) for talk, seeds in engine.asked) == sorted(
        (f"q{number}", number) for number in range(12)
    )


def test_less_room_lets_what_runs_end_and_begins_no_more():
    engine, room = Counting(), [4]
    for number, _ in enumerate(ask_many(engine, questions(12), ARMS, lambda: room[0])):
        if number == 3:
            room[0], engine.most = 1, 0
        if number > 6:
            assert engine.running <= 1
    assert room == [1]


@pytest.mark.parametrize(
    ("fault", "told"), [(MedReasonError("The memory did not suffice."), "The memory"), (KeyError("x"), UNEXPECTED)]
)
def test_a_fault_of_one_question_is_its_answer_and_leaves_the_others(fault, told):
    engine = Counting()
    engine.faults["q1"] = fault
    said = {one.key: one for one in ask_many(engine, questions(4), ARMS, lambda: 2)}
    assert said[1].failed and all(one.fault.startswith(told) for one in said[1].answers.values())
    assert [said[key].answers[Arm.BASELINE].finish for key in (0, 2, 3)] == [Finish.STOP] * 3


def test_one_arm_that_fails_leaves_the_other():
    engine = ScriptedEngine()
    usual = engine.ask_pair

    def ask_pair(*asked):
        for event in usual(*asked):
            yield Failed(Arm.BASELINE, "Lost.") if event.arm is Arm.BASELINE else event

    engine.ask_pair = ask_pair
    one = next(ask_many(engine, questions(1), ARMS, lambda: 1))
    assert not one.failed and one.answers[Arm.BASELINE].fault == "Lost."
    assert one.answers[Arm.FINETUNED].text == "Meningitis."


def test_an_engine_that_can_answer_no_more_ends_it_once_the_others_have_ended():
    engine = Counting()
    engine.faults["q2"] = NotReady("The GPU answers no more.")
    found = []
    with pytest.raises(NotReady):
        for one in ask_many(engine, questions(100), ARMS, lambda: 3):
            found.append(one.key)
    assert {0, 1} <= set(found) and 2 not in found and len(engine.asked) < 20 and engine.running == 0


def test_stopping_gives_what_had_ended_by_itself_and_nothing_cut():
    engine, stop = Counting(0.01), threading.Event()
    found = []
    for one in ask_many(engine, questions(50), ARMS, lambda: 4, stop.is_set):
        found.append(one)
        stop.set()
    assert 1 <= len(found) < 8 and engine.running == 0
    assert all(answer.finish is Finish.STOP for one in found for answer in one.answers.values())


def test_whoever_leaves_takes_everything_with_him():
    engine = Counting(0.05)
    asking = ask_many(engine, questions(9), ARMS, lambda: 3)
    next(asking)
    began = time.monotonic()
    asking.close()
    assert engine.running == 0 and time.monotonic() - began < 2
    assert not [thread for thread in threading.enumerate() if thread.name.removeprefix("ask-").isdigit()]


def test_pairs_a_second_are_measured_against_the_first_count():
    rows = many_pairs.measure(ScriptedEngine(pause_s=0.003), (1, 4), cases=8, tokens=20)
    assert [row["id"] for row in rows] == ["pairs_at_once_1", "pairs_at_once_4"]
    assert rows[0]["ratio"] == 1.0 and rows[0]["value"] == rows[1]["against"]
    assert 2 < rows[1]["ratio"] < 5 and rows[1]["unit"] == "pairs/s"
