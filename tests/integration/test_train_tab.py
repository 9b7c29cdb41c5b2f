"""The Train tab as the page calls it: a real service on a fresh folder, real components, no browser."""

import asyncio
import math
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.setting import settings_of
from medreason.domain.training import TrainingConfig
from medreason.domain.user import Role, User
from medreason.errors import Invalid
from medreason.finetune import process
from medreason.folder import DataFolder
from medreason.services.training import Training
from medreason.ui import train
from medreason.ui.form import read_form

FAKE = Path(__file__).resolve().parents[1] / "fake_trainer.py"
NAMES = [one.name for one in settings_of(TrainingConfig)]
DEFAULTS = {one.name: one.default for one in settings_of(TrainingConfig)}


class Page:
    """The tab in a Blocks of its own, its callbacks by the name they have in the code."""

    def __init__(self, training: Training, role: Role = Role.ENGINEER):
        self.training = training
        self.user = User(1, "someone", role)
        with gr.Blocks(analytics_enabled=False) as self.blocks:
            self.tab = train.build(
                SimpleNamespace(training=training),  # type: ignore[arg-type]
                SimpleNamespace(user=lambda request: self.user),  # type: ignore[arg-type]
            )
        self.by_name = {fn.name: fn.fn for fn in self.blocks.fns.values()}

    def begin(self, **given: Any) -> list[Any]:
        return self.by_name["begin"](gr.Request(), *{**DEFAULTS, **given}.values())

    def until(self, holds: Any, seconds: float = 15) -> list[Any]:
        end = time.monotonic() + seconds
        while True:
            view = self.by_name["look"](None)
            if holds(view):
                return view
            assert time.monotonic() < end, view[1]
            time.sleep(0.05)


def made(training: Training, role: Role = Role.ENGINEER) -> Page:
    async def make() -> Page:  # inside a running loop, or gradio makes one of its own and leaves it open
        return Page(training, role)

    return asyncio.run(make())


@pytest.fixture
def page(folder: DataFolder) -> Iterator[Page]:
    page = made(Training(folder, script=FAKE, grace_s=2.0))
    yield page
    for path in folder.runs.iterdir():
        child = process.read_process(path)
        if child is not None and process.alive(child):
            os.killpg(child.pid, signal.SIGKILL)


def test_every_setting_has_one_labelled_field_with_its_default(page: Page) -> None:
    labels = {one.label: one.default for one in settings_of(TrainingConfig)}
    fields = {
        block.label: block.value
        for block in page.blocks.blocks.values()
        if getattr(block, "label", None) in labels
    }
    assert fields == labels


def test_a_run_is_shown_from_start_to_adapter_and_the_form_offers_the_next_name(page: Page) -> None:
    said, next_name, *_ = page.begin(run_name="first", revision="quick")
    assert "Run first has started." in said and next_name == "first-2"
    view = page.until(lambda view: "Adapter ready. Compare it with the baseline." in view[1])
    run, card, compare, *_, stop, timer = view
    assert run.value == "first" and compare.visible is True
    assert stop.interactive is False and timer.active is False
    assert "<svg" in card and 'aria-label="Loss by step.' in card


def test_a_reload_shows_a_live_run_and_stop_ends_it(page: Page) -> None:
    page.begin(run_name="live")
    page.until(lambda view: "step 2 of 5" in view[1])
    fresh = made(Training(page.training.folder, script=FAKE, grace_s=2.0))
    restored = fresh.tab.restore(gr.Request())
    assert len(restored) == len(fresh.tab.restore_outputs)
    assert "step 2 of 5" in restored[-7] and restored[-1].active is True and restored[-2].interactive is True
    assert "live" in restored[-3]
    fresh.by_name["end"](gr.Request())
    view = fresh.until(lambda view: "Stopped at step 2 of 5" in view[1])
    assert view[-1].active is False


def test_refusals_stay_on_the_page_as_sentences_and_start_nothing(page: Page) -> None:
    for entered, sentence in (
        ({"run_name": "../x", "learning_rate": -1.0}, "Learning rate"),
        ({"data": "/nowhere/rows.jsonl"}, "does not exist"),
        ({"epochs": None}, "Passes over the data"),
    ):
        said = page.begin(**entered)[0]
        assert "mr-fault" in said and sentence in said
    assert page.training.runs() == []


def test_a_rater_is_refused_in_words(folder: DataFolder) -> None:
    said = made(Training(folder, script=FAKE), Role.RATER).begin()[0]
    assert "Your role (rater) may not train." in said


def test_the_sentence_on_what_will_happen_follows_the_form(page: Page) -> None:
    preview = page.by_name["preview"]
    assert "8 of" in preview(*{**DEFAULTS, "max_rows": 8}.values())
    assert "Rows to use" in preview(*{**DEFAULTS, "max_rows": -3}.values())


def test_an_empty_folder_shows_what_to_do_first(page: Page) -> None:
    restored = page.tab.restore(gr.Request())
    assert "No runs yet" in restored[-7] and restored[-1].active is False


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.integers(), max_size=2)
)


@given(st.lists(anything, min_size=len(NAMES), max_size=len(NAMES)))
def test_any_form_is_a_refusal_or_a_valid_configuration(values: list[Any]) -> None:
    try:
        config = read_form(TrainingConfig, NAMES, values)
    except Invalid as refused:
        assert refused.faults
    else:
        assert math.isfinite(config.learning_rate)


@given(st.sampled_from(NAMES), anything)
def test_one_odd_value_is_a_refusal_or_a_valid_configuration(name: str, value: Any) -> None:
    given_values = {**DEFAULTS, name: value}
    try:
        config = read_form(TrainingConfig, NAMES, list(given_values.values()))
    except Invalid as refused:
        label = next(one.label for one in settings_of(TrainingConfig) if one.name == name)
        assert {fault.field for fault in refused.faults} == {label}
    else:
        assert type(getattr(config, name)) is type(DEFAULTS[name])
