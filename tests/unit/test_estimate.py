"""Steps, time and disk of a run before it is started."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.estimate import Machine
from medreason.domain.training import TrainingConfig
from medreason.finetune import workload
from medreason.finetune.calibration import MEAN_TOKENS
from medreason.finetune.disk_need import MERGED, disk_parts, needed_to_run
from medreason.finetune.estimate import estimate
from medreason.finetune.packing import packed_count
from medreason.finetune.presets import ARTICLE, BALANCED, CPU_DEMO, FAST, PRESETS, SMALL_GPU
from medreason.finetune.time_need import TRAINING, earlier_run
from medreason.finetune.workload import Workload
from medreason.models.base_shape import EMBEDDED, QWEN3_8B

H100 = Machine("NVIDIA H100 80GB HBM3", 1, 85_520_809_984, 84_000_000_000, 10**11, 16, 10**12)
LAPTOP = Machine(memory=16 * 1024**3, cores=8, disk_free=10**11)
WORK = Workload(4750, 250)


def manifest(config: TrainingConfig, /, **other: object) -> dict:
    return {
        "run_name": "before",
        "config": {**vars(config), "data": "curriculum"},
        "steps": 100,
        "training_s": 200.0,
        "duration_s": 230.0,
        **other,
    }


def test_the_article_makes_447_steps() -> None:
    assert WORK.steps(PRESETS[ARTICLE]) == 447


PLAIN = {"attention": "masked", "fused_lora": False, "compiled_parts": False}


def test_packed_rows_are_counted_as_the_trainer_packs_them() -> None:
    lengths = [100, 900, 500, 500, 24, 700, 300]
    config = replace(PRESETS[SMALL_GPU], max_length=1024, accumulation=1, epochs=1.0)
    work = Workload.counted(len(lengths), 0, lengths)
    assert work.rows(config) == packed_count(lengths, 1024) == work.steps(config)


@given(st.integers(1, 10**6), st.sampled_from([128, 1024, 8192]))
def test_packing_never_needs_more_rows_than_there_are_nor_fewer_than_their_tokens(rows: int, length: int) -> None:
    config = replace(PRESETS[BALANCED], max_length=length)
    packed = Workload(rows, 0).rows(config)
    assert rows * min(MEAN_TOKENS, length) / length <= packed <= 1 + rows * 1.03 * max(1, MEAN_TOKENS / length)


def test_the_share_of_rows_cut_is_counted_or_taken_from_the_measured_rows() -> None:
    config = PRESETS[ARTICLE]
    assert Workload.counted(4, 0, [100, 1024, 1025, 4000]).cut(config) == 0.5
    assert 0.005 < WORK.cut(config) < 0.02  # 2 of 198 real rows are longer than 1,024 tokens
    assert WORK.cut(replace(config, max_length=2048)) == 0.0
    assert WORK.cut(replace(config, max_length=512)) > 0.8


def test_the_estimate_adds_up_and_names_every_part() -> None:
    needs = estimate(PRESETS[ARTICLE], QWEN3_8B, WORK, H100)
    assert needs.steps == 447 and needs.measured_by == ""
    assert needs.seconds == sum(part.amount for part in needs.time)
    assert all(part.formula for part in (*needs.gpu_memory, *needs.disk, *needs.time))


@pytest.mark.parametrize(
    ("name", "settings", "tokens_a_s"),
    [
        (ARTICLE, {}, 1_615),
        (ARTICLE, {}, 2_297),
        (BALANCED, PLAIN, 3_278),
        (SMALL_GPU, {**PLAIN, "max_length": 2048, "accumulation": 8}, 2_428),
        (FAST, {}, 16_876),
        (FAST, {}, 14_772),
        (BALANCED, {}, 12_325),
        (BALANCED, {}, 10_763),
        (SMALL_GPU, {"cuda_graphs": True}, 10_120),
        (SMALL_GPU, {}, 7_946),
        (SMALL_GPU, {}, 9_284),
    ],
)
def test_the_time_on_a_gpu_is_near_what_was_measured(name: str, settings: dict, tokens_a_s: float) -> None:
    config = replace(PRESETS[name], **settings)
    needs = estimate(config, QWEN3_8B, WORK, H100)
    seconds = next(part.amount for part in needs.time if part.what == TRAINING)
    tokens = needs.steps * config.accumulation * WORK.mean_batch(config)
    if not config.packing:
        tokens *= MEAN_TOKENS / (WORK.mean_batch(config) / config.batch_size)
    assert tokens / seconds == pytest.approx(tokens_a_s, rel=0.2)


def test_a_pass_over_all_rows_takes_a_quarter_of_an_hour_however_many_steps_are_made() -> None:
    """13.4 to 15.3 minutes were measured."""
    work = replace(WORK, train=19_704)
    needs = estimate(PRESETS[FAST], QWEN3_8B, work, H100)
    assert needs.pass_seconds is not None and 13 < needs.pass_seconds / 60 < 17
    few = estimate(replace(PRESETS[FAST], max_steps=10), QWEN3_8B, work, H100)
    assert few.pass_seconds == pytest.approx(needs.pass_seconds)
    unknown = estimate(PRESETS[FAST], QWEN3_8B, work, replace(H100, gpu_name="NVIDIA T1000"))
    assert unknown.pass_seconds is None


def test_rows_are_packed_once_for_an_estimate_and_for_those_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    packings: list[int] = []
    count = workload.packed_count
    monkeypatch.setattr(workload, "packed_count", lambda *given: packings.append(1) or count(*given))
    work = Workload.counted(300, 10, [100 + index for index in range(300)])
    for rate in (1e-4, 2e-4):
        estimate(replace(PRESETS[FAST], learning_rate=rate), QWEN3_8B, work, H100)
    assert len(packings) == 1


def test_without_checkpointing_a_run_is_quicker() -> None:
    slow = replace(PRESETS[FAST], checkpoint_as_needed=False)
    quick, slower = (estimate(one, QWEN3_8B, WORK, H100).seconds for one in (PRESETS[FAST], slow))
    assert quick is not None and slower is not None and quick < slower


def test_a_gpu_that_is_not_known_gets_no_time() -> None:
    assert estimate(PRESETS[ARTICLE], QWEN3_8B, WORK, replace(H100, gpu_name="NVIDIA T1000")).seconds is None


@pytest.mark.parametrize(
    ("told", "known"), [("NVIDIA A100-SXM4-80GB", 280e12), ("NVIDIA A10", 60e12), ("A10G", None)]
)
def test_a_gpu_is_known_by_whole_words(told: str, known: float | None) -> None:
    from medreason.finetune.time_need import _speed

    speed = _speed(replace(H100, gpu_name=told), PRESETS[ARTICLE])
    assert (speed.products if speed else None) == known


def test_a_base_of_unknown_shape_has_steps_and_nothing_else() -> None:
    needs = estimate(PRESETS[ARTICLE], None, WORK, H100)
    assert (needs.steps, needs.gpu_memory, needs.disk, needs.seconds) == (447, (), (), None)


def test_an_earlier_run_of_the_same_kind_gives_the_time() -> None:
    config = TrainingConfig(run_name="again", epochs=5.0, learning_rate=1e-4)
    needs = estimate(config, EMBEDDED, Workload(53, 3), LAPTOP, [manifest(PRESETS[CPU_DEMO])])
    assert needs.measured_by == "before"
    assert needs.seconds == pytest.approx(30 + 2.0 * 265)


@pytest.mark.parametrize(
    "other",
    [
        {"max_length": 256},
        {"batch_size": 2},
        {"target_modules": "all-linear"},
        {"base_model": "elsewhere/other"},
        {"packing": True},
        {"text_format": "article"},
    ],
)
def test_an_earlier_run_of_another_kind_gives_none(other: dict) -> None:
    config = replace(TrainingConfig(), **other)
    assert earlier_run([manifest(TrainingConfig())], config, LAPTOP) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"steps": 2},
        {"steps": "many"},
        {"training_s": math.nan},
        {"training_s": 0},
        {"config": None},
        {"hardware": {"gpu": "NVIDIA H100 80GB HBM3"}},
        {"hardware": "none"},
    ],
)
def test_a_manifest_that_tells_nothing_is_passed_over(changed: dict) -> None:
    broken = manifest(TrainingConfig(), **changed)
    assert earlier_run([broken], TrainingConfig(), LAPTOP) is None
    found = earlier_run([{}, broken, manifest(TrainingConfig())], TrainingConfig(), LAPTOP)
    assert found is not None and found.a_step == 2.0


def test_manifests_from_before_a_setting_was_there_count_as_its_default() -> None:
    old = manifest(TrainingConfig())
    for name in ("packing", "text_format", "data_config"):
        del old["config"][name]
    assert earlier_run([old], TrainingConfig(), LAPTOP) is not None
    assert earlier_run([old], TrainingConfig(packing=True), LAPTOP) is None


def test_a_hub_base_is_known_again_by_its_name_and_a_folder_by_its_own() -> None:
    config = replace(TrainingConfig(), base_model="/somewhere/my-model", data="/files/rows.jsonl")
    kept = {**vars(config), "base_model": "my-model", "data": "rows.jsonl"}
    assert earlier_run([manifest(config, config=kept)], config, LAPTOP) is not None


def test_disk_holds_the_checkpoints_the_next_one_and_the_best() -> None:
    config = replace(PRESETS[BALANCED], keep_checkpoints=2)
    checkpoints = disk_parts(config, QWEN3_8B, gpu=True)[0]
    assert checkpoints.amount == 4 * 87_293_952 * (2 + 2 * 2)
    without_best = disk_parts(replace(config, best_by_held_out=False), QWEN3_8B, gpu=True)[0]
    assert without_best.amount == checkpoints.amount * 3 / 4


def test_merging_later_is_in_the_estimate_and_not_in_what_a_start_needs() -> None:
    parts = disk_parts(PRESETS[ARTICLE], QWEN3_8B, gpu=True)
    merged = next(part.amount for part in parts if part.what == MERGED)
    assert merged == 2 * QWEN3_8B.parameters
    assert sum(part.amount for part in parts) == pytest.approx(needed_to_run(parts) + 1.1 * merged)
    assert needed_to_run(parts) < 1e9
    assert needed_to_run(disk_parts(PRESETS[ARTICLE], QWEN3_8B, gpu=True, download=True)) > 16e9
