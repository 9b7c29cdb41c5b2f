"""Presets: each is also a file, and the README's table of settings is what the code says."""

import pytest

from medreason.domain.training import TrainingConfig
from medreason.finetune.config_file import read_config
from medreason.finetune.presets import (
    ARTICLE,
    ARTICLE_AS_WRITTEN,
    ARTICLE_LONGER,
    BALANCED,
    CPU_DEMO,
    DESCRIBED,
    FAST,
    PRESETS,
    SMALL_GPU,
)
from medreason.finetune.settings_table import BEGIN, END, preset_files, settings_table, with_table
from tests.conftest import CHECKOUT

CONFIGS = CHECKOUT / "training_scripts" / "configs"
RENEW = "renew it with: python -m medreason.finetune.settings_table"


def differences(one: str, other: str) -> dict[str, object]:
    before, after = vars(PRESETS[one]), vars(PRESETS[other])
    return {name: after[name] for name in after if after[name] != before[name] and name != "run_name"}


def test_the_first_preset_is_what_the_form_starts_with() -> None:
    assert next(iter(PRESETS)) == CPU_DEMO and PRESETS[CPU_DEMO] == TrainingConfig()


@pytest.mark.parametrize("name", PRESETS)
def test_a_presets_file_is_the_preset(name: str) -> None:
    file = DESCRIBED[name].file
    assert read_config(CONFIGS / file) == PRESETS[name]
    assert (CONFIGS / file).read_text(encoding="utf-8") == preset_files()[file], RENEW


def test_names_and_files_of_presets_differ() -> None:
    assert len({preset.file for preset in DESCRIBED.values()}) == len(PRESETS)
    assert len({config.run_name for config in PRESETS.values()}) == len(PRESETS)


def test_the_article_is_the_article() -> None:
    config = PRESETS[ARTICLE]
    assert (config.lora_rank, config.lora_alpha, config.lora_dropout) == (8, 16, 0.05)
    assert (config.target_modules, config.batch_size, config.accumulation) == ("q_proj,v_proj", 2, 16)
    assert (config.epochs, config.learning_rate, config.scheduler) == (3.0, 2e-4, "cosine")
    assert (config.warmup_share, config.weight_decay, config.max_grad_norm) == (0.03, 0.01, 1.0)
    assert (config.log_every, config.save_every, config.keep_checkpoints) == (50, 300, 3)
    assert (config.min_thinking_chars, config.max_rows, config.eval_fraction) == (200, 5000, 0.05)
    assert (config.optimizer, config.quantization, config.max_length) == ("paged_adamw_8bit", "nf4", 1024)
    assert config.gradient_checkpointing and config.best_by_held_out and config.tensorboard
    assert (config.loader_workers, config.seed, config.packing) == (2, 42, False)
    assert (config.base_model, config.data_config) == ("Qwen/Qwen3-8B", "en")
    assert config.revision == "b968826d9c46dd6066d109eabc6255188de91218"


def test_the_articles_other_forms_differ_from_it_only_where_they_say() -> None:
    assert differences(ARTICLE, ARTICLE_LONGER) == {"max_steps": 500, "accumulation": 8}
    assert differences(ARTICLE, ARTICLE_AS_WRITTEN) == {"text_format": "article", "drop_duplicates": False}


@pytest.mark.parametrize("name", [BALANCED, FAST, SMALL_GPU])
def test_packed_presets_make_steps_of_16_384_tokens(name: str) -> None:
    config = PRESETS[name]
    assert config.packing and config.max_length * config.batch_size * config.accumulation == 16_384


def test_the_readme_has_the_settings_as_they_are() -> None:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert readme == with_table(readme), RENEW


def test_the_table_names_every_setting_and_preset() -> None:
    table = settings_table()
    for name in vars(TrainingConfig()):
        assert f"| `{name}` |" in table
    for name in PRESETS:
        assert name in table


def test_only_what_lies_between_the_markers_is_replaced() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    renewed = with_table(text)
    assert renewed.startswith("before\n") and renewed.endswith("\nafter\n") and "\nold\n" not in renewed
    with pytest.raises(ValueError, match="has no"):
        with_table("nothing here")
