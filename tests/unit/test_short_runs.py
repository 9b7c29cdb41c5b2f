"""What the benchmarks' short runs are made of: a preset, cut to some steps, with settings put behind its name."""

from pathlib import Path

import pytest

from medreason.bench import training_speed
from medreason.bench.memory_runs import check, each
from medreason.bench.training_speed import pace
from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.finetune.presets import ARTICLE, BALANCED, FAST, PRESETS, SMALL_GPU
from medreason.folder import DataFolder
from medreason.models.base_shape import QWEN3_8B


def test_settings_behind_a_preset_s_name_are_its_own() -> None:
    names = [f"{BALANCED}:quantization=none,max_length=4096", BALANCED]
    check(names, steps=6)
    made = {name: config for name, config, _ in each(names, Path("base"), "rows.jsonl", 6, ["lora_rank=4"])}
    assert list(made) == names
    own, plain = made.values()
    assert (own.quantization, own.max_length, own.lora_rank) == ("none", 4096, 4)
    assert (plain.quantization, plain.max_length, plain.lora_rank) == ("nf4", PRESETS[BALANCED].max_length, 4)
    assert own.max_steps == plain.max_steps == 6 and own.base_model == "base"


def test_an_unknown_preset_with_settings_is_refused_by_its_name() -> None:
    with pytest.raises(MedReasonError, match=r"There is no preset Nope\."):
        check(["Nope:quantization=none"], steps=6)


def test_a_pace_leaves_the_first_steps_out() -> None:
    points = [(2, 100, 10.0), (4, 200, 20.0), (6, 400, 21.0), (8, 600, 23.0), (10, 900, 24.0)]
    assert pace(points) == 200  # of 200, 100 and 300


def test_figures_of_training_have_the_ids_that_others_look_for(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = {ARTICLE: 2000.0, FAST: 16000.0, BALANCED: 12000.0, SMALL_GPU: 9000.0}
    monkeypatch.setattr(training_speed, "product_flops", lambda: 790e12)
    monkeypatch.setattr(training_speed, "base_shape", lambda config, folder: QWEN3_8B)
    monkeypatch.setattr(training_speed, "_by_libraries", lambda *_: (1600.0, []))

    def ran(name: str, config: TrainingConfig, folder: DataFolder) -> tuple[float, int, list[dict[str, object]]]:
        return speeds[name] * config.gpus, 36, []

    monkeypatch.setattr(training_speed, "_run", ran)
    rows = training_speed.measure(list(speeds), Path("base"), "rows.jsonl", 6, [], [1, 2], libraries=True)
    found = {str(row["id"]): row for row in rows}
    assert len(found) == len(rows)
    ratios = {"fast_vs_article": 8, "balanced_vs_article": 6, "small_vs_article": 4.5, "fast_vs_libraries": 10}
    ratios["fast_2_gpus_vs_1"] = 2
    assert {name: found[name]["ratio"] for name in ratios} == ratios
    assert found["train_article"]["ratio"] == 1
    assert 0 < found["share_of_ceiling"]["ratio"] < 1  # type: ignore[operator]
