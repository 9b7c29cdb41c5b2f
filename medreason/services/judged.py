"""Every judgement of a collection in one shape, of a study or of a live pair, from the newer table or the older.

What files and tables are made from. It knows the arms; who may see them is decided in `collections`.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from medreason.domain.answers import Answer
from medreason.domain.arms import SIDES, Arm, Side
from medreason.domain.case import Case, CaseKind
from medreason.domain.items import Phase
from medreason.domain.judgement import Judgement
from medreason.domain.provenance import Provenance
from medreason.domain.schedule import PLANTED
from medreason.domain.span import text_sha256
from medreason.domain.study import LIVE, ShowingKind
from medreason.storage.generations import Generation
from medreason.storage.live_ratings import as_judgement
from medreason.storage.pairs import Pair, Pairs
from medreason.storage.people import pseudonym
from medreason.storage.ratings import Ratings
from medreason.storage.showings import Showing
from medreason.storage.studies import StoredStudy
from medreason.storage.study_store import StudyStore

GONE = "A practice case that came with an earlier version of the program."
CONFIRMATORY, EXPLORATORY, TRAINING = "confirmatory", "exploratory", "training"


@dataclass(frozen=True)
class Said:
    """One answer of a collection. `id` names it in files and says nothing of its arm. A text that stands in place
    of an arm has that arm; practice texts have none."""

    id: str
    case_id: str
    arm: Arm | None
    sample: int
    origin: str
    answer: Answer
    answer_sha256: str
    thinking_sha256: str
    provenance: Provenance | None
    created_at: str
    flags: tuple[str, ...] = ()
    known_spans: tuple[dict[str, object], ...] = ()


@dataclass(frozen=True)
class Judged:
    """One stored judgement with all that belongs to it. `repeat_of` is the case of the first showing; `position`
    counts from 1, practice included, and is 0 for a live pair."""

    rating_id: str
    presentation_id: str
    study: str
    mode: str
    kind: ShowingKind
    repeat_of: str
    rater: str
    case: Case
    position: int
    judgement: Judgement
    sides: Mapping[Side, Said]
    revision_no: int
    superseded: bool
    blinded: bool
    started_at: str
    submitted_at: str
    schedule_sha256: str
    app_version: str
    settled: tuple[str, ...] = ()
    """What was settled about each mark, in their order: yes, no, the name of the mark it was merged into, or
    nothing."""

    @property
    def left_arm(self) -> Arm | None:
        return self.sides[Side.LEFT].arm

    @property
    def same_arm(self) -> bool:
        return self.sides[Side.LEFT].arm is self.sides[Side.RIGHT].arm


def opaque(secret: str, number: int) -> str:
    """A name for an answer from which neither its number nor its arm can be told."""
    return "g" + hmac.new(secret.encode(), f"generation:{number}".encode(), hashlib.sha256).hexdigest()[:16]


def mark_name(judgement_id: int, number: int) -> str:
    """How a mark is called in files: its judgement, and which of its marks it is, from 1."""
    return f"j{judgement_id}.{number}"


def of_study(store: StudyStore, study: StoredStudy, cases: Mapping[str, Case]) -> tuple[Judged, ...]:
    """Every revision in a study, in the order of saving. `cases` holds today's practice cases too;
    of one that came with an earlier version only the id is known."""
    showings = {one.id: one for one in store.showings.of_study(study.id)}
    said = answers_of_study(store, study, tuple(showings.values()))
    opened = store.showings.opened(list(showings))
    schedules = store.showings.schedules(study.id)
    sealed = schedules[0].sha256 if schedules else ""
    judgements = store.judgements.of(list(showings))
    named = {mark.id: mark_name(one.id, n) for one in judgements for n, mark in enumerate(one.marks, 1)}
    settled = {
        number: named[one.merged_into] if one.merged_into else str(one.verdict)
        for number, one in store.adjudications.marks_of(study.id).items()
    }
    found = []
    for stored in judgements:
        showing = showings[stored.showing_id]
        repeated = showings.get(showing.repeat_of or 0)
        found.append(
            Judged(
                rating_id=f"j{stored.id}",
                presentation_id=f"s{showing.id}",
                study=study.name,
                mode=TRAINING if showing.kind is ShowingKind.PRACTICE else CONFIRMATORY,
                kind=showing.kind,
                repeat_of=repeated.case_id if repeated else "",
                rater=pseudonym(stored.rater_id),
                case=cases.get(showing.case_id) or Case(showing.case_id, GONE, kind=CaseKind.PRACTICE),
                position=showing.position,
                judgement=stored.judgement,
                sides=_sides(showing, said),
                revision_no=stored.revision_no,
                superseded=stored.superseded,
                blinded=stored.blinded,
                started_at=opened.get((showing.id, stored.judgement.phase), ""),
                submitted_at=stored.submitted_at,
                schedule_sha256=sealed,
                app_version=stored.app_version,
                settled=tuple(settled.get(mark.id, "") for mark in stored.marks),
            )
        )
    return tuple(found)


def answers_of_study(store: StudyStore, study: StoredStudy, showings: Sequence[Showing]) -> dict[int, Said]:
    """The answers of a study by number, planted ones with the arm in whose place they stand."""
    shown = {number for one in showings for number in (one.left, one.right) if number}
    there = store.generations.by_id(sorted(shown | {one.id for one in store.generations.of(study.id)}))
    said = {number: _said(study, one) for number, one in there.items()}
    for one in showings:
        for number, other in ((one.left, one.right), (one.right, one.left)):
            if number and other and said[number].origin == PLANTED and (arm := said[other].arm) is not None:
                said[number] = replace(said[number], arm=arm.other)
    return said


def _said(study: StoredStudy, one: Generation) -> Said:
    return Said(
        id=opaque(study.secret, one.id),
        case_id=one.case_id,
        arm=one.arm,
        sample=one.sample,
        origin=one.origin,
        answer=one.answer,
        answer_sha256=one.answer_sha256,
        thinking_sha256=one.thinking_sha256,
        provenance=one.provenance,
        created_at=one.created_at,
        flags=one.flags,
        known_spans=one.known_spans,
    )


def _sides(showing: Showing, said: Mapping[int, Said]) -> dict[Side, Said]:
    numbers = (showing.left or 0, showing.right or 0)
    return {side: said[number] for side, number in zip(SIDES, numbers, strict=True)}


def of_live(store: StudyStore, pairs: Pairs, ratings: Ratings) -> tuple[Judged, ...]:
    """Every revision about live pairs: those of the older table first, then the newer ones."""
    showings = {one.id: one for one in store.showings.live()}
    newer = store.judgements.of(list(showings))
    older = ratings.all()
    again = {(showings[one.showing_id].pair_id, one.rater_id) for one in newer}
    wanted = {one.pair_id for one in older} | {pair_id for pair_id, _ in again if pair_id is not None}
    there = pairs.by_id(sorted(wanted))
    opened = store.showings.opened(list(showings))

    def made() -> Iterator[Judged]:
        for one in older:
            yield _live(
                there[one.pair_id], f"r{one.id}", one.rater_id, as_judgement(one.rating), one.revision_no,
                one.superseded or (one.pair_id, one.rater_id) in again, one.blinded, "", one.submitted_at,
                one.app_version,
            )  # fmt: skip
        for stored in newer:
            pair_id = showings[stored.showing_id].pair_id or 0
            yield _live(
                there[pair_id], f"j{stored.id}", stored.rater_id, stored.judgement, stored.revision_no,
                stored.superseded, stored.blinded, opened.get((stored.showing_id, Phase.WITH_TRACE), ""),
                stored.submitted_at, stored.app_version,
            )  # fmt: skip

    return tuple(made())


def _live(
    pair: Pair,
    rating_id: str,
    rater_id: int,
    judgement: Judgement,
    revision_no: int,
    superseded: bool,
    blinded: bool,
    started_at: str,
    submitted_at: str,
    app_version: str,
) -> Judged:
    return Judged(
        rating_id=rating_id,
        presentation_id=f"p{pair.presentation_id}-{pseudonym(rater_id)}",
        study=LIVE,
        mode=EXPLORATORY,
        kind=ShowingKind.STUDY,
        repeat_of="",
        rater=pseudonym(rater_id),
        case=Case(pair.case_key, pair.question, pair.specialty),
        position=0,
        judgement=judgement,
        sides={side: said_live(pair, pair.sides.arm(side)) for side in SIDES},
        revision_no=revision_no,
        superseded=superseded,
        blinded=blinded,
        started_at=started_at,
        submitted_at=submitted_at,
        schedule_sha256="",
        app_version=app_version,
    )


def said_live(pair: Pair, arm: Arm) -> Said:
    stored = pair.answers[arm]
    return Said(
        id=f"a{stored.id}",
        case_id=pair.case_key,
        arm=arm,
        sample=1,
        origin="model",
        answer=stored.answer,
        answer_sha256=text_sha256(stored.answer.text),
        thinking_sha256=text_sha256(stored.answer.thinking),
        provenance=stored.provenance,
        created_at=pair.created_at,
    )
