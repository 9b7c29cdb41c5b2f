"""What a run is made of, and in which words it differs."""

import dataclasses

import pytest

from medreason.domain.setting import settings_of
from medreason.domain.training import TrainingConfig
from medreason.finetune.record import FREE, OF_BASE, OF_ROWS, Made, differences, made_from

MADE = Made(vars(TrainingConfig()), "base", "aa", "float32", "rows", "bb", 10)


def changed(**parts: object) -> Made:
    return dataclasses.replace(MADE, **parts)


def with_setting(name: str, value: object) -> Made:
    return changed(config={**MADE.config, name: value})


def test_a_record_is_read_back_as_it_was() -> None:
    assert made_from(MADE.as_dict()) == MADE
    for found in ({}, {"config": []}, {**MADE.as_dict(), "steps": "many"}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            made_from(found)


@pytest.mark.parametrize("name", [one.name for one in settings_of(TrainingConfig)])
def test_every_setting_is_compared_free_or_compared_by_its_outcome(name: str) -> None:
    """One that is compared by its outcome is named once that differs."""
    other = with_setting(name, "other")
    if name in FREE:
        assert differences(MADE, other) == ()
    elif name in OF_ROWS:
        assert differences(MADE, other) == ()
        (words,) = differences(MADE, dataclasses.replace(other, rows_sha256="cc"))
        assert "was" in words and words.endswith("is other")
    elif name in OF_BASE:
        assert differences(MADE, other) == ()
        assert "other weights" in differences(MADE, dataclasses.replace(other, base_sha256="cc"))[0]
    else:
        (words,) = differences(MADE, other)
        assert words.endswith("is other")


def test_an_older_record_had_the_default_of_a_setting_it_does_not_know() -> None:
    older = {name: value for name, value in MADE.config.items() if name != "weight_decay"}
    assert differences(changed(config=older), MADE) == ()
    assert differences(changed(config=older), with_setting("weight_decay", 0.5)) == (
        "“Weight decay” was 0.01 and is 0.5",
    )


def test_moved_but_equal_data_is_no_difference_and_changed_data_is() -> None:
    assert differences(MADE, with_setting("data", "/elsewhere/rows.jsonl")) == ()
    assert differences(MADE, changed(rows_sha256="cc")) == (
        "the training rows (rows) are others than they were (rows)",
    )


def test_precision_and_steps_count_too() -> None:
    assert differences(MADE, changed(precision="nf4")) == ("the base was computed in float32 and would be in nf4",)
    assert differences(MADE, changed(steps=12)) == ("the run had 10 steps and would have 12",)
