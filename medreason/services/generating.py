"""Asks both arms every case of a study, behind the page, several pairs at once, each stored whole as it ends.

It leaves a place in the engine free and holds back while somebody is answered in Compare. It can be stopped, and
goes on from what is there. It refuses to mix bases, adapters, precisions or templates within a study.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from medreason.data.sketch import overlap_with_record
from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.case import Case
from medreason.domain.conversation import Conversation
from medreason.domain.pace import Pace
from medreason.domain.provenance import ModelProvenance, Provenance
from medreason.domain.study import StudyPlan
from medreason.domain.user import User
from medreason.engine.at_once import Question, Said, ask_many
from medreason.errors import Busy, MedReasonError
from medreason.services.reading import counted
from medreason.services.scheduling import answers_of
from medreason.services.serving import Serving
from medreason.services.study_views import GenerationProgress
from medreason.storage.generations import NewGeneration
from medreason.storage.studies import StoredStudy
from medreason.storage.study_store import StudyStore
from medreason.text.self_naming import names_itself, names_to_look_for

log = logging.getLogger(__name__)

CUT_OFF = "an answer was cut off at the token budget"
NO_ADAPTER = "No fine-tuned model is loaded. Choose one in Compare, then generate again."
UNEXPECTED = "Generating stopped with an unexpected fault, which was written to the log. Start it again."
IDENTITY = (
    "base_model",
    "base_revision",
    "base_sha256",
    "adapter_sha256",
    "precision",
    "template_sha256",
    "engine",
)


@dataclass
class _Work:
    study_id: int
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    words: str = "Waiting for the model."
    fault: str = ""

    @property
    def running(self) -> bool:
        return self.thread is not None and self.thread.is_alive()


class Generating:
    """`manifest_of` gives what an adapter, named by its key, says it learned from; None where nothing is known."""

    def __init__(
        self, store: StudyStore, serving: Serving, manifest_of: Callable[[str], Mapping[str, Any] | None]
    ):
        self._store = store
        self._serving = serving
        self._manifest_of = manifest_of
        self._work: dict[int, _Work] = {}
        self._lock = threading.Lock()

    def start(self, user: User, study: StoredStudy) -> None:
        """Ask for what is missing, and once more for what failed; returns at once."""
        with self._lock:
            self._require_idle()
            work = self._work[study.id] = _Work(study.id)
            work.thread = threading.Thread(
                target=self._run, args=(user, study, work), name=f"generate-{study.name}", daemon=True
            )
            work.thread.start()

    def require_ready(self, plan: StudyPlan) -> None:
        """Refuse, in words, what could not begin: no model, another base, no adapter, or other work."""
        self._serving.engine()
        self._require_idle()
        loaded = self._serving.provenance
        if plan.base_model and loaded.base_model != plan.base_model:
            raise MedReasonError(
                f"The study is about {plan.base_model}, and {loaded.base_model} is loaded. Start the app with "
                f"--base-model {plan.base_model}."
            )
        if not plan.adapter and Arm.FINETUNED not in self._serving.state.arms:
            raise MedReasonError(NO_ADAPTER)
        if plan.adapter and plan.adapter not in [one.key for one in self._serving.adapters()]:
            raise MedReasonError("The study's adapter is no longer there. Choose another in the study's plan.")

    def _require_idle(self) -> None:
        if any(work.running for work in self._work.values()):
            raise Busy("Answers of a study are being generated. Wait until that has ended, or stop it.")

    def stop(self, study: StoredStudy) -> None:
        """End after the step at hand; the pair that is being answered is asked again later."""
        if (work := self._work.get(study.id)) is not None:
            work.stop.set()

    def stop_all(self) -> None:
        """At shutdown."""
        for work in list(self._work.values()):
            work.stop.set()

    def running(self, study: StoredStudy) -> bool:
        work = self._work.get(study.id)
        return work is not None and work.running

    def wait(self, study: StoredStudy, seconds: float) -> None:
        """Wait at most so long for the work to end."""
        work = self._work.get(study.id)
        if work is not None and work.thread is not None:
            work.thread.join(seconds)

    def progress(self, study: StoredStudy) -> GenerationProgress:
        there = self._store.generations.of(study.id)
        answers = answers_of(study, there)
        total = sum(study.plan.samples_of(case) for case in study.plan.cases)
        work = self._work.get(study.id)
        return GenerationProgress(
            done=total - len(answers.missing),
            total=total,
            failed=len(answers.failed),
            cut_off=sum(one.answer.finish is Finish.LENGTH for one in there),
            running=work is not None and work.running,
            words=work.words if work else "",
            fault=work.fault if work else "",
        )

    def _run(self, user: User, study: StoredStudy, work: _Work) -> None:
        try:
            self._ask_all(user, study, work)
        except MedReasonError as fault:
            work.fault = str(fault)
        except Exception:
            log.exception("Generating the answers of study %s failed", study.name)
            work.fault = UNEXPECTED

    def _ask_all(self, user: User, study: StoredStudy, work: _Work) -> None:
        plan = study.plan
        if plan.adapter and self._serving.adapter != plan.adapter:
            self._serving.switch(user, plan.adapter)
        if Arm.FINETUNED not in self._serving.state.arms:
            raise MedReasonError(NO_ADAPTER)
        there = self._store.generations.of(study.id)
        wanted = {*answers_of(study, there).missing, *answers_of(study, there).failed}
        model = next((one.provenance.model for one in there if one.provenance), None)
        if model is not None:
            _require_same(model, self._serving.provenance)
        trained = self.trained_on(plan)
        cases = {case.case_id: case for case in plan.cases}
        questions = _questions(plan, wanted)
        samplings = {question.key: question.sampling for question in questions}
        pace, engine = Pace(len(questions)), self._serving.engine()
        for said in ask_many(engine, questions, ARMS, lambda: self._serving.room, work.stop.is_set):
            model = _require_usable(said, model)
            case_id, sample = said.key
            proofs = {
                arm: Provenance(said.models[arm], arm, samplings[said.key], plan.system_prompt) for arm in ARMS
            }
            similar = trained.get(case_id)
            new = [_new(cases[case_id], arm, sample, said.answers[arm], proofs[arm], similar) for arm in ARMS]
            self._store.generations.add(study.id, new)
            pace.step()
            left = f", {pace.words}" if pace.words else ""
            work.words = f"Of the {counted(pace.total, 'pair')} asked for now {pace.done:,} are there{left}."
        if not work.stop.is_set():
            work.words = "Every pair has been asked."

    def trained_on(self, plan: StudyPlan) -> dict[str, float]:
        """Cases that the adapter may have learned from, with their similarity."""
        manifest = self._manifest_of(plan.adapter or self._serving.adapter)
        found = overlap_with_record(plan.cases, manifest) if manifest else None
        return {one.case_id: one.similarity for one in found or ()}


def _questions(plan: StudyPlan, wanted: set[tuple[str, int]]) -> list[Question[tuple[str, int]]]:
    """What is to be asked, first every case once; known by case and sample."""
    return [
        Question(
            (case.case_id, sample),
            Conversation(case.text, system_prompt=plan.system_prompt),
            replace(plan.sampling, seed=sample_seed(plan.seed, case.case_id, sample)),
        )
        for sample in range(1, max(2, plan.answers_per_case) + 1)
        for case in plan.cases
        if (case.case_id, sample) in wanted
    ]


def _require_usable(said: Said[tuple[str, int]], model: ModelProvenance | None) -> ModelProvenance:
    """The model of the study's answers, from the first on; refuses those of another, and what was broken off."""
    expected = model or said.models[Arm.BASELINE]
    for one in said.models.values():
        _require_same(expected, one)
    if said.cancelled:
        raise MedReasonError("The model broke off within an answer. What is there is kept; go on later.")
    return said.models[Arm.BASELINE]


def sample_seed(seed: int, case_id: str, sample: int) -> int:
    """The seed of one sample of one case, the same for both arms."""
    digest = hashlib.sha256(f"{seed}\x1f{case_id}\x1f{sample}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF


def _new(
    case: Case, arm: Arm, sample: int, answer: Answer, proof: Provenance, similarity: float | None
) -> NewGeneration:
    flags = []
    if answer.finish is Finish.LENGTH:
        flags.append(CUT_OFF)
    if answer.finish is Finish.FAILED:
        flags.append(f"an answer failed ({answer.fault.rstrip('.')})")
    names = names_to_look_for(proof.model.base_model, proof.model.adapter)
    if found := names_itself(f"{answer.thinking}\n{answer.text}", names):
        flags.append(f"an answer says its own name ({', '.join(found)})")
    if similarity is not None:
        flags.append(f"the case is like a training row of the adapter (similarity {similarity:.2f})")
    return NewGeneration(case.case_id, answer, arm, sample, provenance=proof, flags=tuple(flags))


def _require_same(known: ModelProvenance, now: ModelProvenance) -> None:
    differs = [name.replace("_", " ") for name in IDENTITY if getattr(known, name) != getattr(now, name)]
    if differs:
        raise MedReasonError(
            f"The study's answers came from another model ({', '.join(differs)} differ), and a study never mixes "
            "two. What is there is kept; load the first model again, or make another study."
        )
