"""Makes studies with given texts, without any model; every call uses the real code.

with_study(path, raters=("Anna", "Ben"))      # an open study in a fresh file
study.sessions.next(study.local, "Anna", "pilot")
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from medreason import demo
from medreason.data.practice import load_practice
from medreason.domain.answers import Answer, Counts, Finish
from medreason.domain.arms import ARMS, SIDES, Arm, Side
from medreason.domain.case import Case
from medreason.domain.items import NONE_FOUND, REQUIRED, Instrument, Phase
from medreason.domain.judgement import OVERALL, Given, Guess, Judgement, Preferred
from medreason.domain.provenance import Provenance
from medreason.domain.sampling import Sampling
from medreason.domain.study import StudyPlan, StudyState
from medreason.domain.user import Role, User
from medreason.engine.scripted import ScriptedEngine
from medreason.services.collections import Collections
from medreason.services.generating import Generating
from medreason.services.planning import Planning
from medreason.services.seats import Seats
from medreason.services.serving import Serving
from medreason.services.session_views import ShowingView
from medreason.services.sessions import RatingSessions
from medreason.services.settling import Settling
from medreason.services.studies import Studies
from medreason.storage.generations import NewGeneration
from medreason.storage.study_store import StudyStore
from tests.store import MODEL, Store

PRACTICE = load_practice(demo.PRACTICE)
NAME = "pilot"
CONSENT = "I take part of my own will."


class StudyDesk(Store):
    """A store with the services of studies on it. `local` is this computer's admin, under whose login several
    people rate; `engine` says what it was told to."""

    def __init__(self, place: Path | str):
        super().__init__(place)
        self.local: User = self.people.find("local") or self.people.add("local", Role.ADMIN)
        self.store = StudyStore.on(self.database)
        self.seats = Seats(self.people, self.pairs)
        self.engine = ScriptedEngine()
        self.serving = Serving(lambda: (self.engine, ""), lambda: [])
        self.manifest: Mapping | None = None
        self.generating = Generating(self.store, self.serving, lambda key: self.manifest)
        planning = Planning(lambda key: self.manifest)
        self.studies = Studies(self.store, self.seats, PRACTICE, self.generating, planning)
        self.settling = Settling(self.store)
        self.collections = Collections(self.store, self.pairs, self.ratings, self.people, PRACTICE, planning)
        self.sessions = RatingSessions(self.store, self.seats, PRACTICE)

    def load_model(self) -> None:
        self.serving.start_loading()
        assert self.serving._thread is not None
        self.serving._thread.join()

    def give_answers(self, name: str = NAME, finish: Finish = Finish.STOP) -> None:
        """Store texts as if both arms had said them, and go on to the state in which a study can be opened."""
        study = self.store.studies.get(name)
        for case in study.plan.cases:
            for sample in range(1, study.plan.samples_of(case) + 1):
                self.store.generations.add(study.id, [_generation(case, arm, sample, finish) for arm in ARMS])
        self.store.studies.set_state(study, StudyState.GENERATING, "user:0", "answers given")

    def open_study(self, plan: StudyPlan) -> None:
        self.studies.create(self.local, plan)
        self.give_answers(plan.name)
        self.studies.open(self.local, plan.name)


def _generation(case: Case, arm: Arm, sample: int, finish: Finish) -> NewGeneration:
    thinking = f"Why, sample {sample}: {case.text}\n\nTherefore 🩺 this." if arm is Arm.FINETUNED else "Short."
    said = Answer(
        thinking,
        f"Answer {sample} to {case.case_id} {'at length' if arm is Arm.FINETUNED else 'in brief'}.",
        finish,
        thought=True,
        closed=True,
        counts=Counts(10, 30, 20),
    )
    return NewGeneration(case.case_id, said, arm, sample, provenance=Provenance(MODEL, arm, Sampling()))


def cases(count: int) -> tuple[Case, ...]:
    return tuple(Case(f"c{number}", f"Case {number}: what is it?", "cardiology") for number in range(1, count + 1))


def plan(
    name: str = NAME,
    count: int = 4,
    raters: Sequence[str] = ("Anna", "Ben"),
    instrument: Instrument = Instrument.ESSENTIAL,
    **more: object,
) -> StudyPlan:
    more = {"repeat_share": 0.0, "consent": CONSENT} | more
    return StudyPlan(name, cases=cases(count), raters=tuple(raters), instrument=instrument, **more)  # type: ignore[arg-type]


KEPT: dict[object, bytes] = {}


def copied(path: Path | str, key: object, make: Callable[[Path | str], StudyDesk]) -> StudyDesk:
    """What `make` makes at `path`. A file is made once in a process for each `key`, and copied."""
    if not isinstance(path, Path) or path.exists():
        return make(path)
    if key not in KEPT:
        with tempfile.TemporaryDirectory() as folder:
            first = Path(folder) / "study.db"
            make(first).close()
            KEPT[key] = first.read_bytes()
    path.write_bytes(KEPT[key])
    return StudyDesk(path)


def with_study(path: Path | str, **given: object) -> StudyDesk:
    """A desk with an open study; what is given goes to `plan`. Everybody has accepted the consent text."""
    wanted = plan(**given)  # type: ignore[arg-type]

    def opened(place: Path | str) -> StudyDesk:
        desk = StudyDesk(place)
        desk.open_study(wanted)
        for name in wanted.raters:
            accept(desk, name, wanted.name)
        return desk

    return copied(path, wanted, opened)


def accept(desk: StudyDesk, name: str, study: str = NAME) -> None:
    invited = next(one for one in desk.sessions.invitations(desk.local, name) if one.study == study)
    desk.sessions.accept(desk.local, name, study, invited.consent_sha256)


def judgement(
    instrument: Instrument = Instrument.ESSENTIAL,
    phase: Phase = Phase.WITH_TRACE,
    left: int = 4,
    right: int = 2,
    preference: int = -1,
    **more: object,
) -> Judgement:
    """A complete judgement; values are cut to what each item allows."""
    values = dict(zip(SIDES, (left, right), strict=True))
    given = [
        Given(side, item.id, max(item.lowest, min(item.highest, values[side])))
        for side in SIDES
        for item in REQUIRED[instrument, phase]
    ]
    last = phase is Phase.WITH_TRACE
    full = last and instrument is Instrument.FULL
    usual = {
        "given": tuple(given + ([Given(side, NONE_FOUND.id, 1) for side in SIDES] if last else [])),
        "preferred": (Preferred(OVERALL, preference),) if last else (),
        "confidence": 3 if full else None,
        "guess": Guess.DONT_KNOW if full else None,
        "active_ms": 60_000,
    }
    return Judgement(phase, **(usual | more))  # type: ignore[arg-type]


def rate(desk: StudyDesk, view: ShowingView, name: str, **more: object) -> None:
    """Give every phase of a case that is still open."""
    while True:
        given = judgement(view.instrument, view.phase, **more)  # type: ignore[arg-type]
        if desk.sessions.submit(desk.local, name, view.showing_id, given).done:
            return
        view = desk.sessions.open(desk.local, name, view.showing_id)


def text_of(view: ShowingView, side: Side) -> str:
    return (view.left if side is Side.LEFT else view.right).answer
