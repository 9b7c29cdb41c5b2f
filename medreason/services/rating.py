"""Rating pairs: what waits, what the rater may see of a pair, and the saving of a rating.

Nothing that leaves here tells the arms of a blinded pair before this rater's rating of it is stored.
"""

from dataclasses import dataclass, replace

from medreason.domain.answers import Answer, Counts, Timings
from medreason.domain.arms import ARMS, SIDES, Side
from medreason.domain.rating import Rating, Sides
from medreason.domain.user import Action, User
from medreason.errors import MedReasonError, NotAllowed
from medreason.services.blinding import visible_sides
from medreason.storage.pairs import Pair, Pairs
from medreason.storage.people import People
from medreason.storage.ratings import Ratings, StoredRating


@dataclass(frozen=True)
class Waiting:
    """A pair in the list of those to rate. It says nothing of the arms."""

    pair_id: int
    question: str
    case_id: str
    created_at: str


@dataclass(frozen=True)
class RatingView:
    """A pair as its rater may see it: answers by side, without counts and times where the pair is blind.
    `sides` is None while the rater may not know. `earlier` are questions and answers before this turn."""

    pair_id: int
    question: str
    case_id: str
    left: Answer
    right: Answer
    sides: Sides | None
    blinded: bool
    previous: Rating | None
    revision_no: int
    earlier: tuple[tuple[str, Answer, Answer], ...] = ()

    def answer(self, side: Side) -> Answer:
        return self.left if side is Side.LEFT else self.right


@dataclass(frozen=True)
class Saved:
    """What was stored, and, now that it is, which arm stood where."""

    rating: Rating
    revision: int
    sides: Sides
    blinded: bool


class RatingService:
    def __init__(self, pairs: Pairs, ratings: Ratings, people: People):
        self._pairs = pairs
        self._ratings = ratings
        self._people = people

    def waiting(self, user: User, rater_name: str) -> tuple[Waiting, ...]:
        """What this person has not rated yet, newest first."""
        user.require(Action.RATE)
        rater = self._people.find_rater(user.id, rater_name)
        return tuple(
            Waiting(pair.id, pair.question, pair.case_id or "", pair.created_at)
            for pair in self._pairs.rateable(user.id, rater.id if rater else None)
        )

    def last_rater_name(self, user: User) -> str:
        """Who rated last under this login, so that a reload need not ask again."""
        user.require(Action.RATE)
        return self._people.last_rater_name(user.id)

    def open(self, user: User, pair_id: int, rater_name: str = "") -> RatingView:
        """A pair to look at and rate. To somebody without a name a blind pair stays blind."""
        pair = self._own(user, pair_id)
        _require_whole(pair)
        stored = self._latest(user, rater_name, pair_id)
        sides = visible_sides(pair, rated=stored is not None)
        left, right = (_shown(pair, side, known=sides is not None) for side in SIDES)
        turns = [turn for turn in self._pairs.in_conversation(pair.conversation_id) if turn.turn < pair.turn]
        return RatingView(
            pair_id=pair.id,
            question=pair.question,
            case_id=pair.case_id or "",
            left=left,
            right=right,
            sides=sides,
            blinded=pair.blinded,
            previous=stored.rating if stored else None,
            revision_no=stored.revision_no if stored else 0,
            earlier=tuple(
                (
                    turn.question,
                    _as_placed(turn, pair.sides, Side.LEFT),
                    _as_placed(turn, pair.sides, Side.RIGHT),
                )
                for turn in turns
            ),
        )

    def submit(self, user: User, rater_name: str, pair_id: int, rating: Rating) -> Saved:
        """Store a rating, or a further revision of it, and only then tell the sides."""
        pair = self._own(user, pair_id)
        _require_whole(pair)
        rater = self._people.rater(user.id, rater_name)
        receipt = self._ratings.append(pair_id, rater.id, rating)
        if pair.blinded and pair.revealed_at is None:
            self._pairs.reveal(pair_id)
        return Saved(rating, receipt.revision_no, pair.sides, pair.blinded)

    def previous(self, user: User, rater_name: str, pair_id: int) -> Rating | None:
        """What this person's newest revision of this pair says."""
        self._own(user, pair_id)
        stored = self._latest(user, rater_name, pair_id)
        return stored.rating if stored else None

    def _latest(self, user: User, rater_name: str, pair_id: int) -> StoredRating | None:
        rater = self._people.find_rater(user.id, rater_name)
        return self._ratings.latest(pair_id, rater.id) if rater else None

    def _own(self, user: User, pair_id: int) -> Pair:
        user.require(Action.RATE)
        pair = self._pairs.get(pair_id)
        if pair.user_id != user.id:
            raise NotAllowed("This pair of answers belongs to another user. Pick one of your own in Rate.")
        return pair


def _require_whole(pair: Pair) -> None:
    """The same words for either side, so that a refusal does not tell the arms."""
    if pair.whole:
        return
    if any(arm in pair.answers and pair.answers[arm].answer.fault for arm in ARMS):
        raise MedReasonError(
            "One answer of this pair failed, so the two cannot be rated against each other. "
            "Ask the case again in Compare."
        )
    raise MedReasonError(
        "One answer of this pair was stopped or never finished, so the two cannot be rated against each "
        "other. Ask the case again in Compare and let both come to their end."
    )


def _shown(pair: Pair, side: Side, known: bool) -> Answer:
    answer = pair.answers[pair.sides.arm(side)].answer
    return answer if known else replace(answer, counts=Counts(), timings=Timings())


def _as_placed(turn: Pair, sides: Sides, side: Side) -> Answer:
    """An earlier turn's answer by the arm that now stands on `side`, words only."""
    stored = turn.answers.get(sides.arm(side))
    return replace(stored.answer, counts=Counts(), timings=Timings()) if stored else Answer()
