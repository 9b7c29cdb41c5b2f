"""The Train tab as the page calls it: real services on a fresh folder, real components, no browser."""

import asyncio
import csv
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.estimate import Estimate, Finding, Machine, Part, Severity
from medreason.domain.run import RunState
from medreason.domain.setting import settings_of
from medreason.domain.training import TrainingConfig
from medreason.domain.user import Role, User
from medreason.errors import Invalid
from medreason.finetune.presets import ARTICLE, PRESETS
from medreason.folder import DataFolder
from medreason.services.data_desk import DataDesk
from medreason.services.datasets import DataSets
from medreason.services.drafts import Drafts
from medreason.services.quantizing import Quantizing
from medreason.services.training import Training
from medreason.services.training_plan import Planned, PlannedRows, TrainingPlan
from medreason.ui import train
from medreason.ui.form import read_form
from tests.runs import ended, kill_all, service, within

NAMES = [one.name for one in settings_of(TrainingConfig)]
DEFAULTS = {one.name: one.default for one in settings_of(TrainingConfig)}
LABELS = {one.name: one.label for one in settings_of(TrainingConfig)}
MACHINE = Machine(memory=8 * 1024**3, cores=2, disk_free=100 * 1024**3)


class Serving:
    """Compare, as far as Train knows it."""

    def __init__(self) -> None:
        self.released: list[User] = []

    def release(self, user: User) -> None:
        self.released.append(user)


class Page:
    """The tab in a Blocks of its own. `call` runs a callback by its name in the code and gives what each component
    would show, by label or by the text it shows."""

    def __init__(self, folder: DataFolder, training: Training, role: Role = Role.ENGINEER):
        self.training = training
        self.user = User(1, "someone", role)
        self.services = SimpleNamespace(
            training=training,
            serving=Serving(),
            plan=TrainingPlan(folder, lambda: MACHINE),
            quantizing=Quantizing(folder, Serving()),  # type: ignore[arg-type]
            desk=DataDesk(DataSets(folder, ())),
            drafts=Drafts(folder),
            cases=(),
        )
        with gr.Blocks(analytics_enabled=False) as self.blocks:
            self.tab = train.build(
                self.services,  # type: ignore[arg-type]
                SimpleNamespace(user=lambda request: self.user),  # type: ignore[arg-type]
            )
        self.fns = {fn.name: fn for fn in self.blocks.fns.values()}
        self.sent: dict[int, Any] = {}

    def call(self, name: str, *values: Any) -> dict[Any, Any]:
        """Updates by component, those without any change left out."""
        fn = self.fns[name]
        given_values = values if name in ("look",) else (gr.Request(), *values)
        if name in ("pick", "compare_runs", "ask_first", "choose", "take_upload", "show_gpus"):
            given_values = values
        made = fn.fn(*given_values)
        made = made if isinstance(made, (list, tuple)) else [made]
        assert len(made) == len(fn.outputs), name
        return {c: one for c, one in zip(fn.outputs, made, strict=True) if not _skipped(one)}

    def restore(self) -> dict[Any, Any]:
        made = self.tab.restore(gr.Request())
        assert len(made) == len(self.tab.restore_outputs)
        return dict(zip(self.tab.restore_outputs, made, strict=True))

    def start(self, name: str = "start", **given_values: Any) -> dict[Any, Any]:
        return self.call(name, *{**DEFAULTS, **given_values}.values())

    def until(self, words: str, seconds: float = 15) -> dict[Any, Any]:
        """Look until the run's view says so."""
        found: dict[Any, Any] = {}

        def holds() -> bool:
            found.clear()
            found.update(self.call("look", None, []))
            return words in text_of(found)

        within(seconds, holds)
        return found

    def settled(self, *values: Any) -> dict[Any, Any]:
        """Poll the desk until nothing is read or prepared any more."""
        end = time.monotonic() + 30
        while self.services.desk.of(self.user).busy:
            assert time.monotonic() < end
            time.sleep(0.01)
        return self.call("watch_desk", [], 0, "CPU demo", *(values or DEFAULTS.values()))


def _skipped(update: Any) -> bool:
    return isinstance(update, dict) and update.get("__type__") == "update" and len(update) == 1


def text_of(updates: dict[Any, Any]) -> str:
    """Everything that is shown as text."""
    return " ".join(one for one in updates.values() if isinstance(one, str))


def button(updates: dict[Any, Any], label: str) -> gr.Button:
    return next(one for c, one in updates.items() if isinstance(c, gr.Button) and c.value == label)


def field(updates: dict[Any, Any], label: str) -> Any:
    return next(one for c, one in updates.items() if getattr(c, "label", None) == label)


def made(folder: DataFolder, training: Training, role: Role = Role.ENGINEER) -> Page:
    async def make() -> Page:  # inside a running loop, or gradio makes one of its own and leaves it open
        return Page(folder, training, role)

    return asyncio.run(make())


@pytest.fixture
def page(folder: DataFolder) -> Iterator[Page]:
    try:
        yield made(folder, service(folder))
    finally:
        kill_all(folder)


def rows_file(path: Path, faulty: bool = False) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "reasoning", "answer"])
        for number in range(20):
            words = " ".join(f"word{number}x{index}" for index in range(40))
            writer.writerow([f"What is {words}?", f"I think of {words} and more.", f"It is number {number}."])
        if faulty:
            writer.writerow(["What is missing here?", "", "The thinking."])
    return path


# --- runs ---


def test_what_writes_into_the_form_or_judges_it_takes_its_turn(page):
    """A late answer to an earlier change would else put back what an undo has just taken away."""
    labels = set(LABELS.values())
    writing = {
        fn.name: (fn.concurrency_id, fn.concurrency_limit)
        for fn in page.blocks.fns.values()
        if sum(getattr(one, "label", None) in labels for one in fn.outputs) > 5
        or fn.name in ("preview", "look_over")
    }
    assert set(writing) >= {
        "undo_changes",
        "use_preset",
        "load_settings",
        "start",
        "clone",
        "preview",
        "look_over",
    }
    assert set(writing.values()) == {("training form", 1)}


def test_every_setting_has_one_labelled_field_with_its_default(page: Page) -> None:
    fields = [b for b in page.blocks.blocks.values() if getattr(b, "info", None)]
    for one in settings_of(TrainingConfig):
        made = [(block.label, block.value) for block in fields if block.info == one.help]
        assert (one.label, one.default) in made, one.name


def test_a_run_is_shown_from_start_to_adapter_and_the_form_offers_the_next_name(page: Page) -> None:
    started = page.start(run_name="first", revision="quick")
    assert "Run first has started." in text_of(started) and field(started, "Run name") == "first-2"
    view = page.until("Adapter ready. Compare it with the baseline.")
    assert button(view, "Compare it with the baseline").visible is True
    assert button(view, "Stop").visible is False
    assert next(one for c, one in view.items() if isinstance(c, gr.Timer)).active is False
    assert 'aria-label="Loss by step.' in text_of(view)


def test_a_reload_shows_a_live_run_and_stop_ends_it(page: Page, folder: DataFolder) -> None:
    page.start(run_name="live")
    page.until("step 2 of 5")
    fresh = made(folder, service(folder))
    restored = fresh.restore()
    assert "step 2 of 5" in text_of(restored) and button(restored, "Stop").visible is True
    assert next(one for c, one in restored.items() if isinstance(c, gr.Tabs)).selected == "runs"
    assert "after step 1 are lost" in text_of(restored)
    fresh.call("end", "live")
    assert "No adapter was kept" in text_of(fresh.until("Stopped"))


def test_stop_and_save_keeps_an_adapter_and_resume_goes_on_from_its_checkpoint(page: Page) -> None:
    page.start(run_name="kept")
    page.until("step 2 of 5")
    page.call("end_and_save", "kept")
    view = page.until("The adapter is kept as it stood.")
    assert button(view, "Compare it with the baseline").visible is True
    resume = button(view, "Resume")
    assert resume.visible is True and resume.interactive is True
    assert "newest whole checkpoint, step 2" in text_of(view)
    (page.training.folder.runs / "kept" / "go").touch()
    page.call("go_on", "kept")
    assert "Adapter ready" in text_of(page.until("Adapter ready"))


def test_a_blocked_resume_says_why(page: Page) -> None:
    page.start(run_name="none", revision="no checkpoint")
    page.until("step 2 of 5")
    page.call("end", "none")
    view = page.until("Stopped")
    assert button(view, "Resume").interactive is False
    assert "Resume is not possible" in text_of(view) and "before its first checkpoint" in text_of(view)


def test_a_second_run_waits_and_says_for_whom(page: Page) -> None:
    page.start(run_name="one")
    page.until("step 2 of 5")
    page.start(run_name="two", revision="quick")
    within(15, lambda: "comes first" in page.training.waiting_for("two"))
    view = page.call("pick", "two")
    assert "Waiting: run one comes first." in text_of(view) and "queue" in text_of(view)
    assert button(view, "Stop and save").visible is False
    assert "1 more waiting" in text_of(view)
    page.call("end", "one")
    assert ended(page.training, "two").state is RunState.COMPLETED


def test_compare_is_asked_to_let_go_only_where_it_holds_the_gpu(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.start(run_name="one")
    view = page.until("step 2 of 5")
    assert button(view, "Let Compare go of the GPU").visible is False
    status = page.training.status("one")
    waiting = "Waiting: Compare holds the GPU. Put its model away, or wait."
    monkeypatch.setattr(
        Training, "status", lambda self, name: SimpleNamespace(**{**vars(status), **_queued(status, waiting)})
    )
    monkeypatch.setattr(Training, "compare_holds_gpu", lambda self: True)
    assert button(page.call("pick", "one"), "Let Compare go of the GPU").visible is True
    page.call("let_go", "one")
    assert page.services.serving.released == [page.user]


def _queued(status: Any, message: str) -> dict[str, Any]:
    more = {name: getattr(status, name) for name in ("can_resume", "shown_name")}
    return {**more, "state": RunState.QUEUED, "message": message}


def test_a_look_that_comes_late_does_not_choose_another_run(page: Page) -> None:
    page.start(run_name="one")
    page.until("step 2 of 5")
    keys = page.fns["look"].fn("one", [])[-1]
    page.start(run_name="two")
    late = page.call("look", "one", keys)
    shown_run = next(c for c in late if getattr(c, "label", None) == "Run shown")
    assert "value" not in late[shown_run].constructor_args
    page.call("end", "two")
    page.call("end", "one")


def test_a_run_that_ends_while_it_is_being_shown_is_shown_as_ended(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read first and the list of all runs after it; between the two it may end."""
    page.start(run_name="one")
    page.until("step 2 of 5")
    before, status = [page.training.status("one")], Training.status
    page.call("end", "one")
    page.until("Stopped")
    monkeypatch.setattr(Training, "status", lambda self, name: before.pop() if before else status(self, name))
    view = page.call("pick", "one")
    assert not before and '"mr-chip">Training' not in text_of(view) and button(view, "Stop").visible is False
    assert "Resume is" in text_of(view) or button(view, "Resume").visible is True


def test_looking_again_sends_only_what_has_changed(page: Page) -> None:
    page.start(run_name="first", revision="quick")
    page.until("Adapter ready")
    fn = page.fns["look"]
    keys = fn.fn("first", [])[-1]
    again = fn.fn("first", keys)
    assert all(_skipped(one) for one in again[:-1])


def test_rename_and_delete_ask_and_tell(page: Page) -> None:
    page.start(run_name="first", revision="quick")
    page.until("Adapter ready")
    assert "Nephrology pilot" in text_of(page.call("call_it", "first", "Nephrology pilot"))
    told = page.call("call_it", "first", "x" * 200)
    assert "mr-fault" in text_of(told) and not any(
        isinstance(c, gr.Textbox) and c.label == "New name" for c in told
    )
    assert "cannot be brought back" in text_of(page.call("ask_first", "first"))
    assert [run.name for run in page.training.runs()] == ["first"]
    assert "No runs yet" in text_of(page.call("delete_run", "first"))
    assert page.training.runs() == []


def test_a_run_can_be_cloned_into_the_form_and_compared(page: Page) -> None:
    page.start(run_name="first", revision="quick", learning_rate=0.001)
    page.until("Adapter ready")
    page.start(run_name="second", revision="quick", learning_rate=0.002)
    ended(page.training, "second")
    cloned = page.call("clone", "first")
    assert field(cloned, "Learning rate") == 0.001 and field(cloned, "Run name") == "first-2"
    table = text_of(page.call("compare_runs", ["first", "second"], True))
    assert "<td>0.001</td><td>0.002</td>" in table and "LoRA rank" not in table
    assert "LoRA rank" in text_of(page.call("compare_runs", ["first", "second"], False))
    assert "Choose two or more" in text_of(page.call("compare_runs", ["first"], True))


def test_refusals_stay_on_the_page_as_sentences_and_start_nothing(page: Page) -> None:
    for entered, sentence in (
        ({"run_name": "../x", "learning_rate": -1.0}, "Learning rate"),
        ({"data": "/nowhere/rows.jsonl"}, "/nowhere/rows.jsonl"),
        ({"epochs": None}, "Passes over the data"),
    ):
        said = text_of(page.start(**entered))
        assert "mr-fault" in said and sentence in said
    assert page.training.runs() == []


def test_a_rater_is_refused_in_words(folder: DataFolder) -> None:
    said = text_of(made(folder, service(folder), Role.RATER).start())
    assert "Your role (rater) may not train." in said


# --- settings ---


def planned(*findings: Finding) -> Callable[[TrainingPlan, TrainingConfig], Planned]:
    estimate = Estimate((), (Part("Checkpoints", 2e6, "3 × 0.7 MB"),), (), 9)
    rows = PlannedRows(165, 53, 3, 300.0, 0.0)
    return lambda self, config: Planned(config, rows, estimate, findings, "train it", "seed: 42\n", MACHINE)


def test_a_warning_needs_its_own_button_and_an_error_blocks_both(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    warning = Finding(Severity.WARNING, "overlap", "Two cases were seen in training.")
    error = Finding(Severity.ERROR, "disk", "The disk is full.")
    monkeypatch.setattr(TrainingPlan, "plan", planned(warning))
    panel = page.call("preview", None, *DEFAULTS.values())
    assert "Two cases were seen" in text_of(panel) and button(panel, "Start anyway").visible is True
    assert "press Start anyway" in text_of(page.start(revision="quick"))
    assert page.training.runs() == []
    monkeypatch.setattr(TrainingPlan, "plan", planned(warning, error))
    assert button(page.call("preview", None, *DEFAULTS.values()), "Start anyway").visible is False
    assert "Cannot start" in text_of(page.start("start_anyway", revision="quick"))
    assert page.training.runs() == []
    monkeypatch.setattr(TrainingPlan, "plan", planned(warning))
    assert "has started" in text_of(page.start("start_anyway", revision="quick"))


def test_what_a_run_needs_follows_the_form(page: Page) -> None:
    shown = text_of(page.call("preview", None, *{**DEFAULTS, "max_rows": 8}.values()))
    assert "8 of 165 rows" in shown and ">estimate<" in shown
    assert "Rows to use" in text_of(page.call("preview", None, *{**DEFAULTS, "max_rows": -3}.values()))


def test_a_starting_point_fills_the_form_once_and_tells_what_was_changed(page: Page) -> None:
    filled = page.call("use_preset", ARTICLE, None, *DEFAULTS.values())
    assert field(filled, "LoRA rank") == PRESETS[ARTICLE].lora_rank
    # A list that the server has filled tells of itself as if somebody had chosen.
    assert page.call("use_preset", ARTICLE, ARTICLE, *DEFAULTS.values()) == {}
    assert field(page.call("undo_changes", ARTICLE), "LoRA rank") == PRESETS[ARTICLE].lora_rank
    values = {**vars(PRESETS[ARTICLE]), "seed": 7}
    panel = page.call("preview", ARTICLE, *values.values())
    assert "Changed: Seed." in text_of(panel) or "mr-fault" in text_of(panel)


def test_a_row_of_the_forms_data_is_shown_as_it_will_be_trained(page: Page, prepared: dict[Any, Any]) -> None:
    seen = text_of(page.call("show_sample", 1, *{**DEFAULTS, "data": "mine", "max_length": 2048}.values()))
    assert "Learned: the loss is on this" in seen
    article = {**DEFAULTS, "data": "owner/name"}
    assert "Look at them in Data first" in text_of(page.call("show_sample", 1, *article.values()))


def test_the_form_survives_a_reload_and_a_damaged_entry_is_not_kept(page: Page, folder: DataFolder) -> None:
    page.call("preview", None, *{**DEFAULTS, "max_rows": 9}.values())
    page.call("preview", None, *{**DEFAULTS, "max_rows": -9}.values())
    restored = made(folder, service(folder)).restore()
    assert field(restored, "Rows to use") == 9


def test_gpus_can_be_chosen_where_there_are_several_and_each_preset_says_what_it_does_with_them(
    page: Page, tmp_path: Path
) -> None:
    label = LABELS["gpus"]
    restored = page.restore()
    assert field(restored, label).visible is False and "GPUs" not in text_of(restored)
    page.services.plan.machine = lambda: replace(MACHINE, gpu_name="NVIDIA H100", gpus=2)
    restored = page.restore()
    assert (field(restored, label).visible, field(restored, label).value) == (True, 1)
    shown = page.call("use_preset", ARTICLE, "CPU demo", *DEFAULTS.values())
    assert "This machine has 2 GPUs, and one of them trains. With all: 2 GPUs share the 16 batches" in text_of(
        shown
    )
    changed = page.call("preview", ARTICLE, *vars(replace(PRESETS[ARTICLE], gpus=2)).values())
    assert "This machine has 2 GPUs. 2 GPUs share the 16 batches of each step, 8 each" in text_of(changed)


def test_a_number_of_gpus_that_came_from_elsewhere_is_shown_and_refused(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text("gpus: 2\n", encoding="utf-8")
    loaded = page.call("load_settings", str(file))
    assert (field(loaded, LABELS["gpus"]).visible, field(loaded, LABELS["gpus"]).value) == (True, 2)
    assert "The run asks for 2 GPUs, and this computer has none" in text_of(loaded)


def test_who_splits_a_base_on_a_computer_without_gpus_can_say_over_how_many(page: Page) -> None:
    """As for a run on a cluster; the sentence that refuses it names the field."""
    assert field(page.restore(), LABELS["gpus"]).visible is False
    for split, gpus, seen in ((True, 1, True), (False, 1, False), (False, 2, True)):
        (change,) = page.call("show_gpus", split, gpus).values()
        assert change["visible"] is seen
    page.call("preview", None, *{**DEFAULTS, "split_base": True}.values())
    assert field(page.restore(), LABELS["gpus"]).visible is True


def test_a_base_is_split_over_several_gpus_and_the_form_says_what_each_keeps(page: Page) -> None:
    page.services.plan.machine = lambda: replace(MACHINE, gpu_name="NVIDIA H100", gpus=2)
    assert field(page.restore(), LABELS["split_base"]) is False
    alone = page.call("preview", ARTICLE, *vars(replace(PRESETS[ARTICLE], split_base=True)).values())
    assert "A base is split over two or more GPUs" in text_of(alone)
    two = page.call("preview", ARTICLE, *vars(replace(PRESETS[ARTICLE], split_base=True, gpus=2)).values())
    assert "Each keeps 1/2 of the base&#x27;s layers and borrows the rest" in text_of(two)


def test_settings_are_saved_in_a_link_and_loaded_from_a_file(page: Page, tmp_path: Path) -> None:
    panel = page.call("preview", None, *{**DEFAULTS, "run_name": "mine"}.values())
    assert 'download="mine.yaml"' in text_of(panel)
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("lora_rank: 4\n", encoding="utf-8")
    bad.write_text("lora_rank: many\nepochs: -1\nnonsense: 1\n", encoding="utf-8")
    loaded = page.call("load_settings", str(good))
    assert field(loaded, "LoRA rank") == 4 and "good.yaml are in the form" in text_of(loaded)
    told = text_of(page.call("load_settings", str(bad)))
    assert all(word in told for word in ("LoRA rank", "Passes over the data", "nonsense"))
    bad.write_text("epochs: [", encoding="utf-8")
    told = text_of(page.call("load_settings", str(bad)))
    assert "bad.yaml" in told and str(tmp_path) not in told


# --- data ---


def look_at(page: Page, kind: str, file: str = "", hub: str = "", uploaded: str = "") -> dict[Any, Any]:
    page.call("look_at", [], kind, None, hub, "", "", file, uploaded)
    return page.settled()


def test_a_look_shows_columns_rows_and_counts(page: Page, tmp_path: Path) -> None:
    shown = look_at(page, "file", str(rows_file(tmp_path / "rows.csv")))
    said = text_of(shown)
    assert "20 rows read from rows.csv, none faulty." in said
    assert field(shown, "Thinking is in").value == "reasoning"
    assert "<td>Answer</td>" in said and "Only the first 20" not in said
    assert "The first 20 good rows." in said and "What is word0x0" in said
    assert field(shown, "Name of the prepared data") == "rows"


def test_faulty_rows_are_named_and_left_out_only_after_a_yes(page: Page, tmp_path: Path) -> None:
    shown = look_at(page, "file", str(rows_file(tmp_path / "rows.csv", faulty=True)))
    said = text_of(shown)
    assert "1 of them faulty" in said and "Row 22" in said and "reasoning" in said
    yes = field(shown, "Yes, use the good rows and leave the faulty ones out")
    assert yes.visible is True and yes.value is False
    keep = (10, 0, 0.1, 42, True)
    page.call("prepare", [], False, "mine", *keep, "embedded", "")
    assert "faulty" in text_of(page.settled()) and page.services.desk.datasets.prepared() == []


def test_an_upload_is_looked_at_without_its_place_being_shown(page: Page, tmp_path: Path) -> None:
    file = str(rows_file(tmp_path / "upload.csv"))
    page.call("take_upload", file)
    shown = look_at(page, "file", uploaded=file)
    assert "20 rows read from upload.csv" in text_of(shown)
    visible = [one for c, one in shown.items() if not isinstance(c, gr.State)]
    assert not any(str(tmp_path) in str(one) for one in visible)
    assert button(shown, "Use without preparing").visible is False
    assert field(shown, "Path of the file") == ""


def test_data_that_cannot_be_read_are_refused_in_a_sentence(page: Page) -> None:
    assert "No file was named" in text_of(page.call("look_at", [], "file", None, "", "", "", "", ""))
    assert "/no/such.csv" in text_of(look_at(page, "file", "/no/such.csv"))
    assert "is an address" in text_of(look_at(page, "hub", hub="https://example.org/x"))


def test_raw_data_can_be_trained_on_as_they_are(page: Page, tmp_path: Path) -> None:
    file = str(rows_file(tmp_path / "rows.csv", faulty=True))
    look_at(page, "file", file)
    filled = page.call("use_data", True, "CPU demo", *DEFAULTS.values())
    assert field(filled, "Training data") == file and field(filled, "Leave faulty rows out") is True
    assert "Response=answer" in field(filled, "Columns")


def test_an_empty_folder_shows_what_to_do_first(page: Page) -> None:
    restored = page.restore()
    assert "No runs yet" in text_of(restored)
    assert _skipped(next(one for c, one in restored.items() if isinstance(c, gr.Tabs)))


@pytest.fixture
def prepared(page: Page, tmp_path: Path, embedded_model: Path, folder: DataFolder) -> dict[Any, Any]:
    """Twenty rows prepared as “mine” with the embedded model's tokenizer; what the page shows of it."""
    folder.models.rmdir()
    folder.models.symlink_to(embedded_model.parent, target_is_directory=True)
    look_at(page, "file", str(rows_file(tmp_path / "rows.csv")))
    page.call("prepare", [], False, "mine", 10, 0, 0.1, 42, True, "embedded", "")
    return page.settled()


def test_prepared_data_become_those_of_the_form_with_a_row_that_suits_them(
    page: Page, prepared: dict[Any, Any]
) -> None:
    said = text_of(prepared)
    assert "mine is prepared: 18 rows to learn from, 2 held out." in said
    assert "cut off at" in said and "Proposed longest row" in said and "At 1,024 tokens" in said
    assert field(prepared, "Training data") == "mine" and field(prepared, "Rows to use") == 0
    assert field(prepared, "Longest row in tokens") % 128 == 0


def test_a_row_is_shown_as_people_and_as_the_model_read_it(page: Page, prepared: dict[Any, Any]) -> None:
    seen = text_of(page.call("show_row", 1, "embedded", "", 2048, "chat"))
    assert "Only read: no loss on this" in seen and "Learned: the loss is on this" in seen
    assert "Nothing is cut off." in seen
    seen = text_of(page.call("show_row", 1, "embedded", "", 64, "chat"))
    assert "Cut off: the model never sees this" in seen and "tokens at its end are cut off" in seen
    assert "There is no row 99" in text_of(page.call("show_row", 99, "embedded", "", 64, "chat"))


def test_prepared_data_are_opened_browsed_and_deleted(page: Page, prepared: dict[Any, Any]) -> None:
    opened = page.call("open_prepared", [], "prepared", "mine")
    assert opened == {}, "what is shown already is not opened again"
    assert "20 rows: those to learn from, then those held out." in text_of(
        page.call("look_at", [], "prepared", "mine", "", "", "", "", "")
    )
    assert ">9<" in text_of(page.call("rows_after", 0))
    assert "was deleted" in text_of(page.call("delete_data", [], "mine"))
    assert page.services.desk.datasets.prepared() == []


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
        assert {fault.field for fault in refused.faults} == {LABELS[name]}
    else:
        assert type(getattr(config, name)) is type(DEFAULTS[name])
