"""What a configuration does to the recipe. No trainer is loaded: these are the arguments that it is given."""

from dataclasses import replace
from pathlib import Path

import pytest

from medreason.domain.setting import settings_of
from medreason.domain.training import TrainingConfig
from medreason.finetune.examples import IGNORED, tokenize
from medreason.finetune.recipe import lora_settings, step_count, trainer_settings

# These act before the recipe: on the run's name, on which base is loaded and how, on which rows are taken.
ELSEWHERE = {"run_name", "base_model", "revision", "quantization", "data", "max_rows"}
OTHER = {
    "optimizer": "paged_adamw_8bit",
    "scheduler": "linear",
    "target_modules": "all-linear",
    "gradient_checkpointing": True,
    "eval_fraction": 0.0,
    "warmup_share": 0.5,
}


def recipe(config: TrainingConfig) -> tuple[dict, dict]:
    return lora_settings(config), trainer_settings(config, Path("scratch"), rows=100, gpu=False)


@pytest.mark.parametrize("name", [one.name for one in settings_of(TrainingConfig) if one.name not in ELSEWHERE])
def test_every_setting_has_an_effect(name: str) -> None:
    config = TrainingConfig()
    other = OTHER.get(name, getattr(config, name) * 2 or 1)
    if name == "lora_dropout":
        other = 0.3
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


def test_a_loss_that_is_no_number_is_seen_within_ten_steps() -> None:
    for rows in (5, 5_000, 500_000):
        settings = trainer_settings(TrainingConfig(epochs=3.0), Path("scratch"), rows, gpu=True)
        assert settings["logging_steps"] <= 10
        assert settings["logging_nan_inf_filter"] is False


class Words:
    """A tokenizer of one token a word, whose padding token is also its end of a turn."""

    pad_token_id = eos_token_id = 0

    def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        assert not add_special_tokens
        return {"input_ids": [0 if word == "<end>" else len(word) for word in text.split()]}


def test_only_what_the_assistant_says_is_learned_and_its_end_too() -> None:
    (row,) = tokenize(Words(), [("what is it", "a fever <end>")], max_length=10).rows
    assert row["input_ids"] == [4, 2, 2, 1, 5, 0]
    assert row["labels"] == [IGNORED, IGNORED, IGNORED, 1, 5, 0]


def test_long_rows_are_counted_and_rows_with_nothing_left_to_learn_are_left_out() -> None:
    examples = tokenize(Words(), [("a b", "c d"), ("a b c", "d e f"), ("a b c d", "e")], max_length=4)
    assert [len(row["input_ids"]) for row in examples.rows] == [4, 4]
    assert (examples.cut, examples.dropped, examples.taught_tokens) == (2, 1, 3)
