"""What a configuration does to the recipe. No trainer is loaded: these are the arguments that it is given."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.setting import settings_of
from medreason.domain.training import TrainingConfig
from medreason.finetune.recipe import Rhythm, lora_settings, rhythm, shared_words, step_count, trainer_settings

# These act before the recipe or after it, each with a test of its own: on the run's name, on which base is loaded
# and how, on which rows are taken and how they become tokens, on what is kept and drawn.
ELSEWHERE = {
    "run_name",
    "base_model",
    "revision",
    "quantization",
    "data",
    "data_config",
    "data_revision",
    "columns",
    "skip_faulty_rows",
    "min_thinking_chars",
    "drop_duplicates",
    "max_rows",
    "eval_fraction",
    "text_format",
    "keep_checkpoints",
    "best_by_held_out",
    "tensorboard",
    "split_base",  # which test_sharded covers
    # of the fast path, which test_fast_path covers
    "checkpoint_as_needed",
    "keep_attention",
    "plain_weights",
    "attention",
    "fused_lora",
    "compiled_parts",
    "fused_loss",
    "cuda_graphs",
}
OTHER = {
    "optimizer": "paged_adamw_8bit",
    "scheduler": "linear",
    "target_modules": "all-linear",
    "gradient_checkpointing": True,
    "packing": True,
    "warmup_share": 0.5,
    "lora_dropout": 0.3,
    "log_every": 7,
    "save_every": 7,
    "gpus": 3,
}


def recipe(config: TrainingConfig) -> tuple[dict, dict, Rhythm]:
    settings = trainer_settings(config, Path("scratch"), rows=100, gpu=False)
    return lora_settings(config), settings, rhythm(config, 100)


@pytest.mark.parametrize("name", [one.name for one in settings_of(TrainingConfig) if one.name not in ELSEWHERE])
def test_every_setting_has_an_effect(name: str) -> None:
    config = TrainingConfig()
    other = OTHER.get(name, getattr(config, name) * 2 or 1)
    assert recipe(replace(config, **{name: other})) != recipe(config)


@pytest.mark.parametrize(
    ("rows", "given", "steps"),
    [
        (61, {"epochs": 2.0, "batch_size": 1}, 122),
        (10, {"epochs": 1.0, "batch_size": 4}, 3),
        (10, {"epochs": 3.0, "batch_size": 4, "accumulation": 2}, 6),
        (10, {"epochs": 0.01, "batch_size": 4}, 1),
        (10, {"epochs": 5.0, "batch_size": 1, "max_steps": 7}, 7),
        (0, {}, 0),
    ],
)
def test_steps_are_counted_as_the_trainer_makes_them(rows: int, given: dict, steps: int) -> None:
    assert step_count(TrainingConfig(**given), rows) == steps


def test_the_learning_rate_rises_and_falls_over_the_steps_that_are_made() -> None:
    """Also where they end before all passes are made: else it would never fall."""
    config = TrainingConfig(epochs=100.0, max_steps=50, warmup_share=0.1)
    settings = trainer_settings(config, Path("scratch"), rows=1000, gpu=True)
    assert (settings["max_steps"], settings["warmup_steps"]) == (50, 5)
    assert settings["lr_scheduler_type"] == "cosine"
    constant = trainer_settings(replace(config, scheduler="constant"), Path("scratch"), 1000, gpu=True)
    assert constant["lr_scheduler_type"] == "constant_with_warmup"


@given(st.integers(1, 500_000), st.integers(0, 10_000), st.integers(0, 100_000))
def test_a_loss_that_is_no_number_is_seen_within_ten_steps(rows: int, log_every: int, save_every: int) -> None:
    found = rhythm(TrainingConfig(epochs=3.0, log_every=log_every, save_every=save_every), rows)
    assert 1 <= found.check_every <= 10 and found.log_every % found.check_every == 0
    assert log_every in (0, found.log_every)


def test_the_library_does_not_hide_a_loss_that_is_no_number() -> None:
    assert trainer_settings(TrainingConfig(), Path("scratch"), 9, gpu=True)["logging_nan_inf_filter"] is False


def test_it_saves_after_each_pass_or_as_often_as_told_and_at_the_end() -> None:
    config = TrainingConfig(batch_size=2, accumulation=2, epochs=3.0)
    each_pass = rhythm(config, 10)
    assert [step for step in range(1, 10) if each_pass.saves(step, 9)] == [3, 6, 9]
    often = rhythm(replace(config, save_every=4), 10)
    assert [step for step in range(1, 10) if often.saves(step, 9)] == [4, 8, 9]
    assert [often.savings(after, 9) for after in (0, 3, 4, 8, 9)] == [3, 3, 2, 1, 0]


def test_it_logs_the_first_step_the_last_and_as_often_as_told() -> None:
    found = rhythm(TrainingConfig(log_every=4), 100)
    assert [step for step in range(1, 11) if found.logs(step, 10)] == [1, 4, 8, 10]


@given(st.integers(1, 3000), st.integers(1, 4), st.integers(1, 9), st.integers(2, 8))
def test_gpus_that_share_a_step_evenly_change_no_step(rows: int, batch: int, each: int, gpus: int) -> None:
    alone = TrainingConfig(batch_size=batch, accumulation=each * gpus)
    shared = replace(alone, gpus=gpus)
    assert step_count(shared, rows) == step_count(alone, rows)
    assert rhythm(shared, rows) == rhythm(alone, rows)
    assert trainer_settings(shared, Path("scratch"), rows, gpu=True)["gradient_accumulation_steps"] == each


def test_gpus_that_cannot_share_a_step_evenly_say_what_becomes_of_it() -> None:
    config = TrainingConfig(accumulation=3, gpus=2, epochs=1.0)
    assert step_count(config, 12) == 3 and step_count(replace(config, gpus=1), 12) == 4
    assert shared_words(config) == (
        "2 GPUs cannot share the 3 batches of each step evenly, so each takes 2: a step sees 4 batches, and there "
        "are fewer steps."
    )
    assert shared_words(replace(config, accumulation=1)).startswith("2 GPUs cannot share the 1 batch of each step")
    assert shared_words(replace(config, accumulation=16)) == (
        "2 GPUs share the 16 batches of each step, 8 each: the steps stay what they were."
    )
    assert shared_words(TrainingConfig()) == ""
    split = replace(config, accumulation=16, split_base=True)
    assert shared_words(split).endswith(
        "what they were. Each keeps 1/2 of the base's layers and borrows the rest."
    )
    assert shared_words(replace(split, accumulation=3)).endswith(
        "fewer steps. Each keeps 1/2 of the base's layers and borrows the rest."
    )
