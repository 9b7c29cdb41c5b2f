"""A study whose answers a real model gives: both arms generated, stored with proof, rated, closed and told."""

import pytest

from medreason.domain.arms import Arm
from medreason.domain.sampling import Sampling
from medreason.engine.local import LocalEngine
from tests.studies import NAME, StudyDesk, accept, plan, rate


@pytest.fixture
def desk(folder, tiny_qwen3, tiny_adapter):
    made = StudyDesk(folder.database)
    made.engine = LocalEngine(str(tiny_qwen3), "", "none", folder, tiny_adapter)
    made.load_model()
    yield made
    made.generating.stop_all()
    made.close()


def test_a_real_pair_is_generated_rated_and_told_at_the_end(desk):
    sampling = Sampling(max_new_tokens=8, temperature=0.7)
    desk.studies.create(desk.local, plan(count=2, answers_per_case=2, raters=("Anna",), sampling=sampling))
    desk.studies.generate(desk.local, NAME)
    study = desk.store.studies.get(NAME)
    desk.generating.wait(study, 120)
    done = desk.studies.progress(desk.local, NAME)
    assert (done.done, done.total, done.failed, done.fault) == (4, 4, 0, "")
    there = desk.store.generations.of(study.id)
    assert {one.provenance.adapter_active for one in there if one.arm is Arm.FINETUNED} == {True}
    assert {one.provenance.adapter_active for one in there if one.arm is Arm.BASELINE} == {False}
    assert all(one.answer.counts.prompt_tokens for one in there)
    desk.studies.open(desk.local, NAME)
    accept(desk, "Anna")
    rated = 0
    while view := desk.sessions.next(desk.local, "Anna", NAME):
        rate(desk, view, "Anna")
        rated += not view.practice
    assert rated == 4
    desk.studies.close(desk.local, NAME, "done")
    rows = desk.collections.records(desk.local, NAME).generations
    told = {(row["arm"], row["adapter_active"]) for row in rows if row["origin"] == "model"}
    assert told == {("baseline", False), ("finetuned", True)}
