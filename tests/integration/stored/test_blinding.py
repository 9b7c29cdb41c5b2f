"""A blind pair tells its arms by nothing but its words: not by time, not by figures, not by faults."""

import random
from pathlib import Path

import pytest

from medreason.domain.answers import Answer, Counts, Finish, Timings
from medreason.domain.arms import ARMS, SIDES, Arm
from medreason.domain.events import AnswerText, Event, Failed, Finished, Started, ThinkingText
from medreason.services.blinding import FAULT, opening, without_traces
from medreason.services.live_pair import LivePair
from tests.store import Store

LOOKS_EVERY_S = 0.1
Features = tuple[float, ...]


@pytest.fixture
def store(tmp_path: Path):
    made = Store(tmp_path / "a.db")
    yield made
    made.close()


def spoken(arm: Arm, chance: random.Random) -> list[tuple[float, Event]]:
    """One arm's answer with the time of every event. The fine-tuned arm is a fifth slower and begins later; how
    long the answers are does not depend on the arm."""
    slow = 1.2 if arm is Arm.FINETUNED else 1.0
    at = chance.uniform(0.2, 0.3) * slow
    events: list[tuple[float, Event]] = [(0.0, Started(arm, 20))]
    for _ in range(chance.randint(20, 60)):
        at += 0.05 * slow * chance.uniform(0.9, 1.1)
        events.append((at, ThinkingText(arm, "reasoning ")))
    for _ in range(chance.randint(10, 30)):
        at += 0.05 * slow * chance.uniform(0.9, 1.1)
        events.append((at, AnswerText(arm, "answering ")))
    timings = Timings(0.2, at / 2, at)
    events.append((at, Finished(arm, Finish.STOP, Counts(20, 40, 20), timings, True, True)))
    return events


def watched(store: Store, blinded: bool, chance: random.Random) -> tuple[bool, Features]:
    """Whether the baseline stood on the left, and what a reader with a stop watch sees: for each measure the left
    side's value less the right side's."""
    left = chance.choice(ARMS)
    pair = store.pair(left=left, blinded=blinded, answered=False)
    now = 0.0
    live = LivePair(pair, clock=lambda: now)
    events = sorted([event for arm in ARMS for event in spoken(arm, chance)], key=lambda one: one[0])
    seen: dict[str, list[tuple[float, int, bool]]] = {side: [] for side in SIDES}
    while not live.view().done or not events == []:
        now += LOOKS_EVERY_S
        while events and events[0][0] <= now:
            live.take(events.pop(0)[1])
        if not events:
            live.finished.set()
        view = live.view()
        for side in SIDES:
            said = view.side(side).answer
            seen[side].append((now, len(said.thinking) + len(said.text), view.side(side).done))
        assert now < 60
    measures = [first_word, end, at_half_the_time, seconds_a_character]
    return left is Arm.BASELINE, tuple(measure(seen[SIDES[0]]) - measure(seen[SIDES[1]]) for measure in measures)


Seen = list[tuple[float, int, bool]]


def first_word(seen: Seen) -> float:
    return next(at for at, length, _ in seen if length)


def end(seen: Seen) -> float:
    return next(at for at, _, done in seen if done)


def at_half_the_time(seen: Seen) -> float:
    """Share of its own words that stands there at half the time."""
    return seen[len(seen) // 2][1] / seen[-1][1]


def seconds_a_character(seen: Seen) -> float:
    """Taken over the words themselves, for a reader who divides what is to be seen anyway."""
    return (end(seen) - first_word(seen)) / seen[-1][1]


def right_guesses(items: list[tuple[bool, Features]]) -> float:
    """The best single measure on the first half of the items, by its better direction, tried on the second."""
    half = len(items) // 2

    def share(part: list[tuple[bool, Features]], measure: int, sign: int) -> float:
        coin = random.Random(1)
        guesses = [
            (sign * features[measure] > 1e-9) if abs(features[measure]) > 1e-9 else coin.random() < 0.5
            for _, features in part
        ]
        return sum(guess == baseline_left for guess, (baseline_left, _) in zip(guesses, part, strict=True)) / len(
            part
        )

    rules = [(measure, sign) for measure in range(len(items[0][1])) for sign in (1, -1)]
    best = max(rules, key=lambda rule: share(items[:half], *rule))
    return share(items[half:], *best)


def test_nothing_of_a_blind_pair_is_shown_before_both_sides_are_there(store: Store) -> None:
    live = LivePair(store.pair(answered=False), clock=lambda: 0.0)
    live.take(Started(Arm.BASELINE, 5))
    live.take(AnswerText(Arm.BASELINE, "Early."))
    live.take(Finished(Arm.BASELINE, Finish.STOP, Counts(5, 0, 2), Timings(1, 0, 2), False, False))
    view = live.view()
    for side in SIDES:
        one = view.side(side)
        assert (one.arm, one.started, one.done, one.answer) == (None, False, False, Answer())


def test_both_sides_of_a_blind_pair_end_in_the_same_look(store: Store) -> None:
    now = 0.0
    live = LivePair(store.pair(answered=False), clock=lambda: now)
    for arm, words in ((Arm.BASELINE, 10), (Arm.FINETUNED, 900)):
        live.take(AnswerText(arm, "word " * words))
        live.take(Finished(arm, Finish.STOP, Counts(5, 0, words), Timings(1, 0, words), False, False))
    live.finished.set()
    shares = []
    while not live.view().done:
        now += LOOKS_EVERY_S
        view = live.view()
        assert view.left.done is view.right.done
        shares.append(sorted(len(view.side(side).answer.text) for side in SIDES))
    growing = [pair for pair in shares if pair[1] < 4500]
    assert len(growing) > 10
    assert all(abs(short / 50 - long / 4500) < 0.03 for short, long in growing)


def test_a_fault_reads_the_same_whichever_arm_it_struck(store: Store) -> None:
    for arm in ARMS:
        live = LivePair(store.pair(answered=False), clock=lambda: 99.0)
        live.take(Failed(arm, f"The adapter {arm} ran out of memory."))
        live.take(Finished(arm.other, Finish.STOP, Counts(), Timings(), False, False))
        live.finished.set()
        shown = live.view()
        faults = {shown.side(side).answer.fault for side in SIDES}
        assert faults == {FAULT, ""}


def test_two_stopped_sides_are_shown_equally_far() -> None:
    quick, slow = Answer("t" * 400, "a" * 40, thought=True, closed=True), Answer(text="b" * 300)
    left, right = without_traces(quick, slow)
    assert [len(one.thinking + one.text) for one in (left, right)] == [300, 300]
    assert not left.closed and left.text == ""


def test_an_opening_is_what_had_been_said_by_then() -> None:
    whole = Answer("think", "answer", Finish.STOP, thought=True, closed=True)
    assert opening(whole, 3) == Answer("thi", "", Finish.CANCELLED, thought=True)
    assert opening(whole, 7) == Answer("think", "an", Finish.CANCELLED, thought=True, closed=True)
    assert opening(whole, 11) is whole


def test_counts_and_times_are_not_among_what_a_blind_reader_gets() -> None:
    said = Answer("t", "a", Finish.STOP, "", True, True, Counts(1, 2, 3), Timings(1, 2, 3))
    for one in without_traces(said, said):
        assert (one.counts, one.timings) == (Counts(), Timings())
