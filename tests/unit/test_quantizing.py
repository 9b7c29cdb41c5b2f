"""Quantizing from the page: what is refused at once, what is told on the way, and what comes of it."""

import time
from pathlib import Path

import pytest

from medreason.domain.user import Role, User
from medreason.errors import MedReasonError, NotAllowed
from medreason.folder import DataFolder
from medreason.models import base
from medreason.services import quantizing
from medreason.services.background import Work
from medreason.services.quantizing import QuantizedBase, Quantizing, quantized_name
from medreason.services.serving import Serving
from medreason.ui.quantize_view import words_of

ENGINEER = User(1, "engineer", Role.ENGINEER)


class Stage:
    def __init__(self, folder: DataFolder, tmp_path: Path):
        self.folder, self.script = folder, tmp_path / "quantize.py"
        self.serving = Serving(lambda: pytest.fail("nothing is loaded here"), lambda: [])

    def run(self, code: str) -> Work:
        self.script.write_text(f"import sys\n{code}\n")
        service = Quantizing(self.folder, self.serving, self.script)
        service.start(ENGINEER, "embedded")
        until = time.monotonic() + 20
        while not (work := service.of(ENGINEER)).done:
            assert time.monotonic() < until
            time.sleep(0.01)
        return work


@pytest.fixture
def stage(folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(quantizing, "has_gpu", lambda: False)
    return Stage(folder, tmp_path)


def test_what_the_script_found_is_the_result_and_names_the_new_base(stage: Stage) -> None:
    work = stage.run("print(' 40 %  Halfway.', file=sys.stderr); print(sys.argv[1:])")
    assert isinstance(work.result, QuantizedBase)
    assert work.result.name == "smollm2-135m-instruct-nf4"
    assert (work.share, work.words) == (0.4, "Halfway.")
    assert "'--model', 'embedded'" in work.result.report
    assert "smollm2-135m-instruct-nf4</b> as the base model" in words_of(work)


def test_a_refusal_of_the_script_is_shown_as_it_is(stage: Stage) -> None:
    work = stage.run("print('The disk is full. Make room.', file=sys.stderr); sys.exit(2)")
    assert work.fault == "The disk is full. Make room."


@pytest.mark.parametrize("code", [0, 2])
def test_nothing_that_the_script_says_tells_where_the_data_folder_lies(stage: Stage, code: int) -> None:
    place = stage.folder.models / "smollm2-135m-instruct-nf4"
    say = f"print('{place} is there.', file=sys.stderr); sys.exit({code})"
    work = stage.run(f"print('{place}'); print(' 90 %  It is in {place}.', file=sys.stderr); {say}")
    assert work.words == "It is in smollm2-135m-instruct-nf4."
    assert str(stage.folder.root) not in f"{work.words} {work.fault} {work.result}"
    assert work.fault or work.result == QuantizedBase(place.name, place.name)


def test_a_killed_script_is_told_in_words(stage: Stage) -> None:
    work = stage.run("import os; os.kill(os.getpid(), 9)")
    assert "exit code -9" in work.fault and "nothing was kept" in work.fault
    assert 'role="alert"' in words_of(work)


def test_a_base_that_is_not_there_or_was_quantized_before_is_refused(stage: Stage) -> None:
    service = Quantizing(stage.folder, stage.serving, stage.script)
    with pytest.raises(MedReasonError, match="was not found"):
        service.start(ENGINEER, "/nowhere/at/all")
    (stage.folder.models / "smollm2-135m-instruct-nf4").mkdir()
    with pytest.raises(MedReasonError, match="Give smollm2-135m-instruct-nf4 as the base model"):
        service.start(ENGINEER, "embedded")
    with pytest.raises(NotAllowed):
        service.start(User(2, "rater", Role.RATER), "embedded")


@pytest.mark.parametrize(
    ("given", "name"),
    [("Qwen3-8B", "Qwen3-8B-nf4"), ("a model/with spaces", "a-model-with-spaces-nf4"), ("...", "base-nf4")],
)
def test_the_new_folder_has_a_plain_name(given: str, name: str) -> None:
    assert quantized_name(given) == name


def test_a_model_of_the_data_folder_is_found_by_its_name(folder: DataFolder) -> None:
    kept = folder.models / "mine-nf4"
    kept.mkdir()
    (kept / "config.json").write_text('{"model_type": "qwen3"}')
    (kept / "model.safetensors").write_bytes(b"")
    assert base.resolve_base("mine-nf4", "", folder, "none").place == str(kept)


def test_the_report_is_shown_as_text_and_runs_nothing() -> None:
    shown = words_of(Work("quantize", done=True, result=QuantizedBase("x-nf4", "<script>\n1")))
    assert "<script>" not in shown and "&lt;script&gt;&#10;1" in shown
