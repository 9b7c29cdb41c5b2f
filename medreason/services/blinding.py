"""Which arm stands on which side, who may know it, and how a blind pair comes before its reader.

The draw is plain: a fair coin for each pair, from the system's own randomness. It does not balance the sides
within a rater or a case.

Both sides of a blind pair are stored before anything of them is shown. Then they are played back on one clock:
they begin together and end together, so that neither speed, nor the first word, nor which side ends first tells
the arms. What the words themselves tell (length, style, whether there is a trace) is not hidden.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace

from medreason.domain.answers import Answer, Counts, Finish, Timings
from medreason.domain.arms import ARMS
from medreason.domain.rating import Sides
from medreason.storage.pair import Pair

FAULT = "This side stopped because of a fault. What it had said is kept."
# As fast as one can skim; nobody waits long for what is there already.
CHARACTERS_A_SECOND = 2500
LONGEST_REPLAY_S = 6.0


def draw() -> Sides:
    """A fair coin; store what it gave before anything is shown."""
    return Sides(left=secrets.choice(ARMS))


def visible_sides(pair: Pair, rated: bool) -> Sides | None:
    """The sides, or None while the pair is blind and the reader has not rated it."""
    return None if pair.blinded and not rated else pair.sides


def without_traces(left: Answer, right: Answer) -> tuple[Answer, Answer]:
    """Both answers as a reader may see them while blind: no counts, no times, one sentence for every fault.

    Where both were stopped before their end, how far each had come tells its speed, so both are shown as far as
    the shorter one; what is stored stays whole.
    """
    left, right = (
        replace(one, counts=Counts(), timings=Timings(), fault=FAULT if one.fault else "") for one in (left, right)
    )
    if left.finish is right.finish is Finish.CANCELLED:
        reach = min(_length(left), _length(right))
        left, right = opening(left, reach), opening(right, reach)
    return left, right


def opening(answer: Answer, characters: int) -> Answer:
    """The first `characters` of thinking and answer together, as if no more had been said yet."""
    if characters >= _length(answer):
        return answer
    thinking = answer.thinking[:characters]
    text = answer.text[: max(0, characters - len(answer.thinking))]
    closed = answer.closed and bool(text)
    return replace(answer, thinking=thinking, text=text, closed=closed, finish=Finish.CANCELLED, fault="")


class Replay:
    """Plays two stored answers on one clock. Each side shows the same share of its own text at any moment."""

    def __init__(self, left: Answer, right: Answer, clock: Callable[[], float]):
        self._answers = left, right
        self._clock = clock
        self._began = clock()
        longest = max(_length(left), _length(right))
        self._lasts_s = min(LONGEST_REPLAY_S, longest / CHARACTERS_A_SECOND)

    def now(self) -> tuple[Answer, Answer, bool]:
        """Left, right, and whether all of both is shown."""
        gone = self._clock() - self._began
        left, right = self._answers
        if gone >= self._lasts_s:
            return left, right, True
        share = gone / self._lasts_s
        return opening(left, int(share * _length(left))), opening(right, int(share * _length(right))), False


def _length(answer: Answer) -> int:
    return len(answer.thinking) + len(answer.text)
