"""What the benchmarks' short runs are made of: a preset, cut to some steps, with settings put behind its name."""

from pathlib import Path

import pytest

from medreason.bench.memory_runs import check, each
from medreason.errors import MedReasonError
from medreason.finetune.presets import BALANCED, PRESETS


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
