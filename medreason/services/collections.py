"""Collections of ratings: each study, and the standing one of live pairs. Lists them and gives all that an export
or a table needs, with the arms told only where they may be.

Checks the role: an engineer sees what is unblinded alone. Writes no file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medreason.data.practice import PracticeCase
from medreason.domain.arms import ARMS
from medreason.domain.case import Case
from medreason.domain.rater import RaterFacts
from medreason.domain.study import LIVE, StudyState
from medreason.domain.user import Action, Role, User
from medreason.errors import NotAllowed, NotFound
from medreason.services.judged import EXPLORATORY, TRAINING, Judged, answers_of_study, of_live, of_study
from medreason.services.planning import Planning
from medreason.services.records import (
    TRUE_NAMES,
    Names,
    Row,
    case_rows,
    generation_rows,
    hidden,
    pair_rows,
    rating_rows,
    span_rows,
)
from medreason.services.scheduling import letters
from medreason.services.session_queue import cases_of
from medreason.services.study_record import event_rows, study_row
from medreason.services.study_watch import UNBLINDED, is_unblinded, unblinded_by
from medreason.storage.pairs import Pairs
from medreason.storage.people import People, pseudonym
from medreason.storage.ratings import Ratings
from medreason.storage.studies import StoredStudy
from medreason.storage.study_store import StudyStore

LIVE_TITLE = "Live pairs from Compare"


@dataclass(frozen=True)
class Collection:
    """One set of ratings that belong together. `id` is the study's name or "live"; `unblinded`: its arms may be
    told. Counts leave practice and superseded revisions out."""

    id: str
    title: str
    mode: str
    state: StudyState
    unblinded: bool
    cases: int
    raters: int
    ratings: int


@dataclass(frozen=True)
class Records:
    """All that is known of a collection, as rows. `blinded`: arms are X and Y and nothing tells which is which.
    `training` are the rows of practice, apart; `audit_head` is the hash of the last entry of the audit."""

    collection: Collection
    blinded: bool
    study: Row
    cases: tuple[Row, ...]
    generations: tuple[Row, ...]
    ratings: tuple[Row, ...]
    pairs: tuple[Row, ...]
    spans: tuple[Row, ...]
    adjudications: tuple[Row, ...]
    events: tuple[Row, ...]
    training: tuple[Row, ...]
    audit_head: str


class Collections:
    def __init__(
        self,
        store: StudyStore,
        pairs: Pairs,
        ratings: Ratings,
        people: People,
        practice: Sequence[PracticeCase],
        planning: Planning,
        deck: Sequence[Case] = (),
    ):
        """`ratings` are those of the older table alone; `deck` are the cases that Compare offers."""
        self._deck = {case.case_id: case for case in deck}
        self._store = store
        self._pairs = pairs
        self._ratings = ratings
        self._people = people
        self._practice = {one.case.case_id: one for one in practice}
        self._planning = planning

    def collections(self, user: User) -> tuple[Collection, ...]:
        """What this user may see: studies that have begun, newest first, then the live pairs."""
        user.require(Action.RESULTS)
        found = []
        for study in self._store.studies.all():
            unblinded = is_unblinded(self._store, study)
            begun = study.state in (StudyState.OPEN, StudyState.CLOSED)
            if begun and (unblinded or user.role is not Role.ENGINEER):
                found.append(_collection(study, unblinded, self._judged(study)))
        return (*found, _live_collection(of_live(self._store, self._pairs, self._ratings)))

    def records(self, user: User, collection: str) -> Records:
        """Everything of one collection; its arms as X and Y until it is unblinded."""
        user.require(Action.RESULTS)
        with self._store.audit.database.one_view():  # ratings, events and head of the audit belong together
            found = self._live() if collection == LIVE else self._of_study(user, collection)
        if collection != LIVE and not found.blinded:
            self._note_seen(user, self._store.studies.get(collection))
        return found

    def _of_study(self, user: User, collection: str) -> Records:
        study = self._store.studies.get(collection)
        unblinded = is_unblinded(self._store, study)
        if not unblinded and user.role is Role.ENGINEER:
            raise NotAllowed("This study is still blinded. Its lead can tell you when it is closed.")
        names = TRUE_NAMES if unblinded else hidden(letters(study))
        judged = self._judged(study)
        showings = self._store.showings.of_study(study.id)
        said = answers_of_study(self._store, study, showings)
        adjudicated = [
            {
                "generation_id": said[one.generation_id].id,
                "case_id": said[one.generation_id].case_id,
                "arm": names.arm(said[one.generation_id].arm),
                "item": one.item,
                "value": one.value,
                "reason": one.reason,
                "created_at": one.created_at,
            }
            for one in self._store.adjudications.of(study.id)
        ]
        overlaps = {one.case_id: one.similarity for one in self._planning.overlaps(study.plan) or ()}
        shown = sorted(said.values(), key=lambda one: one.id)  # by a name that says nothing of the arm
        return self._records(
            _collection(study, unblinded, judged),
            judged,
            names,
            study=study_row(self._store, study, names),
            cases=tuple(case_rows(study.plan.cases, overlaps if unblinded else {})),
            generations=tuple(generation_rows(shown, names)),
            adjudications=tuple(adjudicated),
            events=event_rows(self._store, study),
        )

    def _note_seen(self, user: User, study: StoredStudy) -> None:
        """Who looks at the arms of a study that still runs has seen them, and rates in it no more."""
        who = f"user:{user.id}"
        if study.state is StudyState.OPEN and who not in unblinded_by(self._store, study):
            self._store.audit.note(who, UNBLINDED, study.object, reason="looked at the unblinded records")

    def key(self, user: User, collection: str) -> dict[str, str]:
        """Which of X and Y is which arm, for a file of its own; recorded. Only once the study is unblinded."""
        user.require(Action.STUDIES)
        if collection == LIVE:
            raise NotFound("Live pairs are never called X and Y, so they have no key.")
        study = self._store.studies.get(collection)
        if not is_unblinded(self._store, study):
            raise NotAllowed("The study is still blinded. Close it, or unblind it with a reason, first.")
        self._store.audit.note(f"user:{user.id}", "key written", study.object)
        names = letters(study)
        return {names[arm]: str(arm) for arm in sorted(ARMS, key=lambda arm: names[arm])}

    def _records(self, collection: Collection, judged: Sequence[Judged], names: Names, **rest: object) -> Records:
        counted = [one for one in judged if one.mode != TRAINING]
        raters = self._raters()
        return Records(
            collection=collection,
            blinded=not names.told,
            ratings=tuple(rating_rows(counted, names, raters)),
            pairs=tuple(pair_rows(counted, names)),
            spans=tuple(span_rows(counted, names)),
            training=tuple(rating_rows([one for one in judged if one.mode == TRAINING], names, raters)),
            audit_head=self._store.audit.verify().head,
            **rest,  # type: ignore[arg-type]
        )

    def _live(self) -> Records:
        judged = of_live(self._store, self._pairs, self._ratings)
        cases = {one.case.case_id: self._deck.get(one.case.case_id, one.case) for one in judged}
        said = {one.id: one for entry in judged for one in entry.sides.values()}
        return self._records(
            _live_collection(judged),
            judged,
            TRUE_NAMES,
            study={"study_id": LIVE, "title": LIVE_TITLE, "mode": EXPLORATORY, "instrument": "essential"},
            cases=tuple(case_rows(cases.values(), {})),
            generations=tuple(generation_rows(said.values(), TRUE_NAMES)),
            adjudications=(),
            events=(),
        )

    def _judged(self, study: StoredStudy) -> tuple[Judged, ...]:
        return of_study(self._store, study, cases_of(study, self._practice))

    def _raters(self) -> dict[str, RaterFacts]:
        return {pseudonym(rater): facts for rater, facts in self._people.facts().items()}


def _collection(study: StoredStudy, unblinded: bool, judged: Sequence[Judged]) -> Collection:
    return _counted(study.name, study.plan.shown_title, "confirmatory", study.state, unblinded, judged)


def _live_collection(judged: Sequence[Judged]) -> Collection:
    return _counted(LIVE, LIVE_TITLE, EXPLORATORY, StudyState.OPEN, True, judged)


def _counted(
    id: str, title: str, mode: str, state: StudyState, unblinded: bool, judged: Sequence[Judged]
) -> Collection:
    standing = [one for one in judged if one.mode != TRAINING and not one.superseded]
    last: Mapping[str, Judged] = {one.presentation_id: one for one in standing}
    return Collection(
        id=id,
        title=title,
        mode=mode,
        state=state,
        unblinded=unblinded,
        cases=len({one.case.case_id for one in standing}),
        raters=len({one.rater for one in standing}),
        ratings=len(last),
    )
