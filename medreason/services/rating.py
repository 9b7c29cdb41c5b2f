"""Rating pairs: what waits, what the rater may see of a pair, and the saving of a rating.

Nothing that leaves here tells the arms of a blinded pair before this rater's rating of it is stored.
"""

from dataclasses import dataclass

from medreason.domain.answers import Answer
from medreason.domain.arms import ARMS, SIDES, Side
from medreason.domain.items import Instrument, Phase
from medreason.domain.judgement import Judgement
from medreason.domain.rating import Sides
from medreason.domain.user import Action, User
from medreason.errors import MedReasonError, NotAllowed
from medreason.services.blinding import visible_sides
from medreason.services.completeness import require_complete, require_small, require_spans_fit
from medreason.services.session_views import LiveSaved, Receipt, ShowingView, side_text
from medreason.services.typed import look_at
from medreason.storage.live_ratings import as_judgement
from medreason.storage.pairs import Pair, Pairs
from medreason.storage.people import People, Rater
from medreason.storage.ratings import Ratings
from medreason.storage.study_store import StudyStore

LIVE_PHASE = Phase.WITH_TRACE
LIVE_TITLE = "A pair from Compare"
LIVE_MINUTES = 4


@dataclass(frozen=True)
class Waiting:
    """A pair in the list of those to rate. It says nothing of the arms."""

    pair_id: int
    question: str
    case_id: str
    created_at: str


class RatingService:
    def __init__(self, pairs: Pairs, ratings: Ratings, people: People, store: StudyStore):
        self._store = store
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

    def known_sides(self, user: User, rater_name: str, pair_id: int) -> Sides | None:
        """Which arm stands where, as far as this rater may know: of a blind pair only once they have rated it,
        and never without a name."""
        pair = self._own(user, pair_id)
        _require_whole(pair)
        rater = self._people.find_rater(user.id, rater_name)
        return visible_sides(pair, rated=rater is not None and self._rated(pair, rater))

    def open_live(self, user: User, rater_name: str, pair_id: int) -> ShowingView:
        """A pair to rate with the panel of the studies. Needs the rater's name, and keeps that they opened it."""
        pair = self._own(user, pair_id)
        _require_whole(pair)
        rater = self._people.rater(user.id, rater_name)
        showing = self._store.showings.of_pair(pair_id, rater.id, pair.case_key)
        self._store.showings.note_opened(showing.id, LIVE_PHASE)
        stored = self._store.judgements.latest(showing.id, LIVE_PHASE)
        older = self._ratings.latest(pair_id, rater.id)
        previous = stored.judgement if stored else as_judgement(older.rating) if older else None
        turns = [turn for turn in self._pairs.in_conversation(pair.conversation_id) if turn.turn < pair.turn]
        left, right = (side_text(pair.answers[pair.sides.arm(side)].answer, True) for side in SIDES)
        return ShowingView(
            showing_id=showing.id,
            study="",
            title=LIVE_TITLE,
            instrument=Instrument.ESSENTIAL,
            position=1,
            total=1,
            minutes_left=LIVE_MINUTES,
            practice=False,
            case_text=pair.question,
            specialty=pair.specialty,
            asks_own_answer=False,
            own_answer="",
            phase=LIVE_PHASE,
            locked=None,
            previous=previous,
            revision_no=stored.revision_no if stored else older.revision_no if older else 0,
            left=left,
            right=right,
            draft=self._store.notes.draft(showing.id),
            earlier=tuple(
                (
                    turn.question,
                    side_text(_as_placed(turn, pair.sides, Side.LEFT), True),
                    side_text(_as_placed(turn, pair.sides, Side.RIGHT), True),
                )
                for turn in turns
            ),
        )

    def submit_live(
        self, user: User, rater_name: str, pair_id: int, judgement: Judgement, identifiers_ok: bool = False
    ) -> LiveSaved:
        """Store a judgement of a live pair, or a further revision, and only then tell the sides."""
        pair = self._own(user, pair_id)
        _require_whole(pair)
        require_complete(judgement, Instrument.ESSENTIAL)
        shown = {side: side_text(pair.answers[pair.sides.arm(side)].answer, True) for side in SIDES}
        require_spans_fit(judgement, shown)
        note = look_at(judgement, identifiers_ok)
        rater = self._people.rater(user.id, rater_name)
        showing = self._store.showings.of_pair(pair_id, rater.id, pair.case_key)
        saved = self._store.judgements.append(showing.id, rater.id, judgement, note=note, pair_id=pair_id)
        if pair.blinded and pair.revealed_at is None:
            self._pairs.reveal(pair_id)
        receipt = Receipt(saved.revision_no, LIVE_PHASE, saved.submitted_at, True)
        return LiveSaved(receipt, pair.sides, pair.blinded)

    def save_live_draft(self, user: User, rater_name: str, pair_id: int, draft: dict) -> None:
        """Keep what is filled in so far of a live pair; found again by the same rater only."""
        pair = self._own(user, pair_id)
        require_small(draft)
        rater = self._people.rater(user.id, rater_name)
        self._store.notes.save_draft(self._store.showings.of_pair(pair_id, rater.id, pair.case_key).id, draft)

    def _rated(self, pair: Pair, rater: Rater) -> bool:
        showing = self._store.showings.of_pair(pair.id, rater.id, pair.case_key)
        newer = self._store.judgements.latest(showing.id, LIVE_PHASE)
        return newer is not None or self._ratings.latest(pair.id, rater.id) is not None

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


def _as_placed(turn: Pair, sides: Sides, side: Side) -> Answer:
    """An earlier turn's answer by the arm that now stands on `side`."""
    stored = turn.answers.get(sides.arm(side))
    return stored.answer if stored else Answer()
