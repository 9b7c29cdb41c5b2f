"""Whatever a form holds reaches a run as data: never as a word of a command, a path, or a leak."""

import json
import os
import shutil
import signal
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medreason.domain.run import RunState
from medreason.domain.setting import settings_of
from medreason.domain.training import TrainingConfig
from medreason.errors import Invalid, MedReasonError, NotFound
from medreason.finetune import process
from medreason.finetune.config_file import config_from_texts, read_config
from medreason.folder import DataFolder
from medreason.services.training import SCRIPT, Training
from tests import runs
from tests.runs import ENGINEER, at_step_two, config, ended

CANARY = "canary-of-a-shell"
NASTY = [
    f"; touch {CANARY}",
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"a\ntouch {CANARY}\n",
    f"| tee {CANARY}",
    f"a' && touch {CANARY} #",
    f'a" || touch {CANARY} "',
    "-rf",
    "--set=base_model=/etc/passwd",
    "\u2013\u2013resume",
    "%s%n ${IFS} * ~ !!",
    "a\x00b",
    "\ud800",
    "\u202etxt.exe",
    "{{7*7}} !!python/object/apply:os.system ['x']",
    "x" * 5000,
]
SECRET = "hf_CanaryCanaryCanaryCanaryCanaryCan"


@pytest.fixture
def training(folder: DataFolder) -> Iterator[Training]:
    yield from runs.started(folder)


def words_of(training: Training, name: str, token: str) -> list[str]:
    """All that may stand on a run's command line behind the interpreter and the script."""
    path = training.folder.runs / name
    said = ["--config", str(path / "config.yaml"), "--output-dir", str(path)]
    return [*said, "--data-dir", str(training.folder.root), "--run-token", token, "--queue"]


def test_shell_words_arrive_as_settings_and_run_nothing(
    training: Training, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, nasty in enumerate(NASTY):
        name = f"-rf-{number}"
        try:
            given_config = config(
                name, "quick", data_config=nasty, data_revision=nasty, columns=f"Question={nasty}"
            )
            training.start(ENGINEER, given_config)
        except (MedReasonError, UnicodeError) as refused:
            assert isinstance(refused, MedReasonError), nasty
            continue
        assert ended(training, name).state is RunState.COMPLETED
        child = process.read_process(training.folder.runs / name)
        assert child is not None
        argv = json.loads((training.folder.runs / name / "argv.json").read_text(encoding="utf-8"))
        assert argv == words_of(training, name, child.token)
        assert training.config(name) == given_config
    assert len(training.runs()) >= 4
    assert not list(tmp_path.rglob(CANARY)) and not (runs.CHECKOUT / CANARY).exists()


anything = st.one_of(st.sampled_from(NASTY), st.text(max_size=40), st.sampled_from(["", "none", "1", "true"]))
fields = [one.name for one in settings_of(TrainingConfig)]
free_texts = st.dictionaries(st.sampled_from(["revision", "data_config", "data_revision"]), anything, min_size=1)


def test_any_form_ends_as_one_word_each_or_as_a_refusal(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[list[str]] = []
    monkeypatch.setattr(process, "launch", lambda argv, *more, **named: launched.append(list(argv)))
    training = runs.service(folder)
    accepted = 0

    @settings(max_examples=200, deadline=None)
    @given(st.one_of(free_texts, st.dictionaries(st.sampled_from(fields), anything, max_size=6)))
    def submit(texts: dict[str, str]) -> None:
        nonlocal accepted
        launched.clear()
        try:
            made = config_from_texts(texts)
            training.start(ENGINEER, made)
        except MedReasonError:
            assert launched == [] and training.runs() == []
            return
        accepted += 1
        (argv,) = launched
        token = argv[argv.index("--run-token") + 1]
        assert argv == [sys.executable, str(runs.FAKE), *words_of(training, made.run_name, token)]
        assert len(token) == 32 and int(token, 16) >= 0
        path = folder.runs / made.run_name
        assert read_config(path / "config.yaml") == made
        assert path.resolve().parent == folder.runs.resolve()
        shutil.rmtree(path)

    submit()
    assert accepted >= 20


NAMES_REFUSED = [
    "",
    " ",
    ".",
    "..",
    "../x",
    "a/b",
    "/etc/passwd",
    "a\\b",
    ".hidden",
    "a b",
    "a\nb",
    "a\x00b",
    "x" * 65,
    "x" * 300,
    "caf\u00e9",
    unicodedata.normalize("NFD", "caf\u00e9"),
    "\u212aelvin",
    "CON",
    "nul.txt",
    "com1",
    "a:b",
    "*",
    "~",
]


@pytest.mark.parametrize("name", NAMES_REFUSED)
def test_a_name_that_could_be_a_path_is_refused(training: Training, name: str) -> None:
    before = sorted(training.folder.root.rglob("*"))
    with pytest.raises(Invalid, match="Run name"):
        training.start(ENGINEER, config(name))
    for call in (training.status, training.config, training.manifest, training.waiting_for):
        with pytest.raises(NotFound):
            call(name)
    for act in (training.stop, training.resume, training.delete):
        with pytest.raises(NotFound):
            act(ENGINEER, name)
    with pytest.raises(NotFound):
        training.rename(ENGINEER, name, "title")
    assert sorted(training.folder.root.rglob("*")) == before


def test_names_that_differ_in_case_alone_are_the_same_name(training: Training) -> None:
    training.start(ENGINEER, config("Heart", "quick"))
    ended(training, "Heart")
    assert training.free_name("heart") == "heart-2"
    with pytest.raises(MedReasonError, match="already a run named hEART"):
        training.start(ENGINEER, config("hEART"))


def test_a_link_is_no_run_and_what_it_points_to_stays_untouched(training: Training, tmp_path: Path) -> None:
    training.start(ENGINEER, config(behaviour="quick"))
    ended(training)
    real = training.folder.runs / "one"
    (training.folder.runs / "link").symlink_to(real)
    (training.folder.runs / "dangling").symlink_to(tmp_path / "nowhere")
    before = {path: path.stat().st_mtime_ns for path in real.rglob("*")}
    assert [one.name for one in training.runs()] == ["one"]
    for name in ("link", "dangling"):
        with pytest.raises(MedReasonError, match="already a run named"):
            training.start(ENGINEER, config(name))
        with pytest.raises(NotFound):
            training.delete(ENGINEER, name)
        with pytest.raises(NotFound):
            training.status(name)
    assert {path: path.stat().st_mtime_ns for path in real.rglob("*")} == before
    assert not (tmp_path / "nowhere").exists()


def holding(secret: str, folder: Path) -> list[str]:
    return [
        path.name
        for path in folder.rglob("*")
        if secret in path.name or (path.is_file() and secret.encode() in path.read_bytes())
    ]


def test_the_hub_token_is_in_no_file_and_on_no_command_line(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    training.start(ENGINEER, config("live"))
    child = at_step_two(training, "live")
    assert SECRET not in Path(f"/proc/{child.pid}/cmdline").read_text(encoding="utf-8")
    os.kill(child.pid, signal.SIGKILL)
    ended(training, "live")
    for behaviour in ("quick", "error", "early error", "cuda", "silent"):
        name = behaviour.replace(" ", "-")
        training.start(ENGINEER, config(name, behaviour))
        ended(training, name)
    assert holding(SECRET, training.folder.root) == []
    assert SECRET not in repr(training.runs())


def test_the_hub_token_is_in_no_file_of_the_real_script_either(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    training = Training(folder, script=SCRIPT)
    training.start(ENGINEER, config("hub", base_model="nobody/no-such-model"))
    run = ended(training, "hub", seconds=120)
    assert run.state is RunState.FAILED and "nobody/no-such-model" in run.message
    assert holding(SECRET, folder.root) == [] and SECRET not in repr(run)
