"""Answers of a study are asked for behind the page: whole, resumable, never from two models, and marked."""

import threading
import time

import pytest

from medreason.data.rows import Row
from medreason.data.sketch import question_record
from medreason.domain.answers import Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.case import Case, CaseKind
from medreason.domain.sampling import Sampling
from medreason.domain.study import StudyPlan, StudyState
from medreason.engine.scripted import Script
from medreason.errors import Busy, MedReasonError, NotReady
from medreason.services.comparing import Comparing
from medreason.services.generating import sample_seed
from medreason.text.self_naming import names_itself, names_to_look_for
from tests.studies import CONSENT, NAME, StudyDesk, cases, plan


@pytest.fixture
def desk(tmp_path):
    made = StudyDesk(tmp_path / "medreason.db")
    made.load_model()
    yield made
    made.generating.stop_all()
    made.close()


def generate(desk: StudyDesk, name: str = NAME):
    desk.studies.generate(desk.local, name)
    desk.generating.wait(desk.store.studies.get(name), 30)
    return desk.studies.progress(desk.local, name)


def test_every_case_is_asked_of_both_arms_with_seeds_of_its_own_and_proof(desk):
    desk.studies.create(desk.local, plan(count=3, answers_per_case=2))
    done = generate(desk)
    assert (done.done, done.total, done.failed, done.running, done.fault) == (6, 6, 0, False, "")
    there = desk.store.generations.of(desk.store.studies.get(NAME).id)
    assert len(there) == 12
    seeds = {}
    for one in there:
        assert one.provenance.adapter_active == (one.arm is Arm.FINETUNED)
        assert one.provenance.model.adapter_sha256 == desk.engine.provenance.adapter_sha256
        seeds.setdefault((one.case_id, one.sample), set()).add(one.provenance.sampling.seed)
    assert {key: {sample_seed(42, *key)} for key in seeds} == seeds
    assert len({seed for some in seeds.values() for seed in some}) == 6
    desk.studies.open(desk.local, NAME)
    assert desk.studies.get(desk.local, NAME).state is StudyState.OPEN


def test_stopping_keeps_what_is_there_and_generating_goes_on_from_it(desk):
    desk.engine.pause_s = 0.01
    desk.studies.create(desk.local, plan(count=6))
    desk.studies.generate(desk.local, NAME)
    with pytest.raises(Busy):
        desk.studies.generate(desk.local, NAME)
    until = time.monotonic() + 20
    while desk.studies.progress(desk.local, NAME).done < 2 and time.monotonic() < until:
        time.sleep(0.01)
    desk.studies.stop_generating(desk.local, NAME)
    study = desk.store.studies.get(NAME)
    desk.generating.wait(study, 20)
    stopped = desk.studies.progress(desk.local, NAME)
    assert 2 <= stopped.done < 6 and not stopped.running
    first = {one.id for one in desk.store.generations.of(study.id)}
    assert len(first) == 2 * stopped.done
    desk.engine.pause_s = 0.0
    asked = len(desk.engine.asked)
    assert generate(desk).done == 6
    assert len(desk.engine.asked) == asked + 6 - stopped.done
    there = desk.store.generations.of(study.id)
    assert first < {one.id for one in there} and {one.attempt for one in there} == {1}


def test_several_pairs_are_asked_at_once_one_place_is_left_and_each_is_stored_once(desk):
    desk.engine.at_once, desk.engine.pause_s = 4, 0.01
    met = watched(desk)
    desk.studies.create(desk.local, plan(count=9, answers_per_case=2))
    assert generate(desk).done == 18 and max(met) == 3
    there = desk.store.generations.of(desk.store.studies.get(NAME).id)
    assert len(there) == len({(one.case_id, one.sample, one.arm) for one in there}) == 36
    assert all(one.provenance.sampling.seed == sample_seed(42, one.case_id, one.sample) for one in there)


def test_generating_holds_back_while_somebody_is_answered(desk):
    desk.engine.at_once, desk.engine.pause_s = 4, 0.01
    met = watched(desk)
    desk.studies.create(desk.local, plan(count=9))
    with desk.serving.somebody_waits():
        desk.studies.generate(desk.local, NAME)
        within(20, lambda: desk.studies.progress(desk.local, NAME).done >= 2)
        assert set(met) == {1}
    desk.generating.wait(desk.store.studies.get(NAME), 30)
    assert desk.studies.progress(desk.local, NAME).done == 9 and max(met) == 3


def test_whoever_asks_in_compare_is_somebody_that_generating_holds_back_for(desk):
    comparing = Comparing(desk.serving, desk.pairs)
    desk.engine.at_once = 4
    assert desk.serving.room == 3
    desk.engine.pause_s = 0.05
    live = comparing.ask(desk.local, "Fever?", Sampling(), blind=False)
    within(5, lambda: desk.serving.room == 1)
    comparing.stop(desk.local, live.pair.id)
    within(5, lambda: desk.serving.room == 3)


def test_a_fault_of_one_pair_leaves_the_others(desk):
    desk.engine.at_once = 3
    asks = desk.engine.ask_pair

    def ask_pair(conversation, sampling, cancelled):
        if conversation.question.startswith("Case 2:"):
            raise KeyError("broken")
        yield from asks(conversation, sampling, cancelled)

    desk.engine.ask_pair = ask_pair
    desk.studies.create(desk.local, plan(count=4))
    told = generate(desk)
    assert (told.done, told.failed, told.fault) == (4, 1, "")
    desk.engine.ask_pair = asks
    assert generate(desk).failed == 0


def within(seconds: float, holds) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)


def watched(desk: StudyDesk) -> list[int]:
    """How many questions ran at the moment at which each was begun."""
    asks, running, met, lock = desk.engine.ask_pair, [0], [], threading.Lock()

    def ask_pair(*asked):
        with lock:
            running[0] += 1
            met.append(running[0])
        try:
            yield from asks(*asked)
        finally:
            with lock:
                running[0] -= 1

    desk.engine.ask_pair = ask_pair
    return met


def test_a_failed_answer_is_marked_and_asked_again(desk):
    desk.engine.plays(Arm.FINETUNED, Script("Hm", "", fault="The memory did not suffice."))
    desk.studies.create(desk.local, plan(count=2))
    assert generate(desk).failed == 2
    assert any("memory did not suffice" in flag for flag in desk.studies.get(desk.local, NAME).flags)
    with pytest.raises(MedReasonError, match="No case has two usable answers"):
        desk.studies.open(desk.local, NAME)
    desk.engine.plays(Arm.FINETUNED, Script("Hm", "Meningitis."))
    assert generate(desk).failed == 0
    there = [one for one in desk.store.generations.of(desk.store.studies.get(NAME).id) if one.arm]
    assert {one.attempt for one in there} == {2} and all(one.usable for one in there)


def test_cut_answers_self_naming_and_trained_cases_are_flagged(desk):
    desk.engine.plays(Arm.BASELINE, Script("", "As Qwen3, I think it is viral.", Finish.LENGTH))
    desk.manifest = question_record([Row("Case 1: what is it?", "t", "r")])
    desk.studies.create(desk.local, plan(count=2))
    assert generate(desk).cut_off == 2
    view = desk.studies.get(desk.local, NAME)
    assert "c1: an answer was cut off at the token budget" in view.flags
    assert "c2: an answer says its own name (qwen)" in view.flags
    assert [flag for flag in view.flags if "training row" in flag] == [
        "c1: the case is like a training row of the adapter (similarity 1.00)"
    ]
    assert not any("baseline" in flag or "fine-tuned" in flag for flag in view.flags)
    assert any("never thinks aloud" in warning for warning in view.warnings)


def test_a_study_never_mixes_two_adapters(desk, tmp_path):
    desk.studies.create(desk.local, plan(count=2))
    generate(desk)
    study = desk.store.studies.get(NAME)
    before = desk.store.generations.of(study.id)
    desk.engine.switch_adapter(tmp_path / "another")
    told = generate(desk)
    assert "another model (adapter sha256 differ)" in told.fault and told.done == 2
    assert desk.store.generations.of(study.id) == before


def test_an_adapter_changed_while_answers_are_given_stops_the_work_and_keeps_whole_pairs(desk, tmp_path):
    desk.studies.create(desk.local, plan(count=4))
    asks = desk.engine.ask_pair

    def ask_pair(conversation, sampling, cancelled):
        if len(desk.engine.asked) == 2:
            desk.engine.switch_adapter(tmp_path / "another")
        return asks(conversation, sampling, cancelled)

    desk.engine.ask_pair = ask_pair
    told = generate(desk)
    assert "never mixes two" in told.fault and told.done == 2
    models = {one.provenance.model.adapter for one in desk.store.generations.of(1)}
    assert models == {"scripted-adapter"}


def test_a_study_about_another_base_or_without_an_adapter_is_refused_in_words(desk):
    for number, (more, said) in enumerate(
        (
            ({"base_model": "Qwen/Qwen3-8B"}, "--base-model Qwen/Qwen3-8B"),
            ({"adapter": "run:gone"}, "adapter is no longer there"),
            ({}, "No fine-tuned model is loaded"),
        )
    ):
        desk.engine.switch_adapter(None)
        desk.studies.create(desk.local, plan(f"s{number}", count=1, **more))
        with pytest.raises(MedReasonError, match=said):
            desk.studies.generate(desk.local, f"s{number}")
        assert desk.studies.get(desk.local, f"s{number}").state is StudyState.DRAFT


def test_without_a_loaded_model_generating_is_refused_at_once(tmp_path):
    desk = StudyDesk(tmp_path / "medreason.db")
    desk.studies.create(desk.local, plan(count=1))
    with pytest.raises(NotReady):
        desk.studies.generate(desk.local, NAME)
    assert desk.studies.change(desk.local, NAME, plan(count=2)).state is StudyState.DRAFT
    desk.close()


def test_a_same_arm_control_gets_a_second_answer(desk):
    both = (*cases(1), Case("aa", "Twice?", kind=CaseKind.SAME_ARM))
    desk.studies.create(desk.local, StudyPlan(NAME, cases=both, consent=CONSENT, raters=("Anna",)))
    assert generate(desk).done == 3
    samples = {(one.case_id, one.arm, one.sample) for one in desk.store.generations.of(1)}
    assert samples == {("c1", arm, 1) for arm in ARMS} | {("aa", arm, n) for arm in ARMS for n in (1, 2)}
    desk.studies.open(desk.local, NAME)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I am Qwen3-8B, made by Alibaba.", ("qwen", "alibaba")),
        ("As SmolLM2 I say no.", ("smollm",)),
        ("My LoRA adapter says so; run gout-expert.", ("lora adapter", "gout-expert")),
        ("The article is about cases of the final model.", ()),
        ("The patient is a llamatherapist.", ()),
        ("Gout is likely.", ()),
    ],
)
def test_a_text_that_names_its_model_is_found(text, found):
    names = names_to_look_for("Qwen/Qwen3-8B", "/runs/gout-expert")
    assert set(names_itself(text, names)) == set(found)
