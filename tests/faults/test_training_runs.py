"""Runs as processes: started once, stopped once, found again, and never mistaken for a stranger."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medreason.domain.training import RunState, RunStatus, TrainingConfig
from medreason.domain.user import Role, User
from medreason.errors import Busy, Invalid, MedReasonError, NotAllowed, NotFound
from medreason.finetune import process
from medreason.finetune.config_file import write_config
from medreason.finetune.progress import Recorder
from medreason.folder import DataFolder
from medreason.services.training import LOCK_FILE, Training

FAKE = Path(__file__).resolve().parents[1] / "fake_trainer.py"
ENGINEER = User(1, "engineer", Role.ENGINEER)


def config(name: str = "one", behaviour: str = "", **more: object) -> TrainingConfig:
    return TrainingConfig(run_name=name, revision=behaviour, **more)  # type: ignore[arg-type]


@pytest.fixture
def training(folder: DataFolder) -> Iterator[Training]:
    made = Training(folder, script=FAKE, grace_s=2.0)
    yield made
    for path in folder.runs.iterdir():
        child = process.read_process(path)
        if child is not None and process.alive(child):
            os.killpg(child.pid, signal.SIGKILL)


def within(seconds: float, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"did not happen within {seconds} s"
        time.sleep(0.02)


def at_step_two(training: Training, name: str = "one") -> process.Process:
    within(15, lambda: training.status(name).step == 2)
    child = process.read_process(training.folder.runs / name)
    assert child is not None
    return child


def ended(training: Training, name: str = "one", seconds: float = 15) -> RunStatus:
    within(seconds, lambda: training.status(name).state.ended)
    return training.status(name)


def test_a_run_goes_from_start_to_an_adapter(training: Training) -> None:
    started = training.start(ENGINEER, config(behaviour="quick"))
    assert not started.state.ended or started.state is RunState.COMPLETED
    run = ended(training)
    assert (run.state, run.step, run.total_steps) == (RunState.COMPLETED, 5, 5)
    assert [point.step for point in run.losses] == [1, 2, 3, 4, 5]
    assert "a log line" in run.log_tail
    assert training.adapters() == [("one", training.folder.runs / "one" / "adapter")]
    assert training.current() is None


def test_a_new_app_on_the_folder_finds_the_run_and_can_stop_it(training: Training) -> None:
    training.start(ENGINEER, config())
    child = at_step_two(training)
    again = Training(training.folder, script=FAKE)
    found = again.current()
    assert found is not None
    assert (found.name, found.state, found.step) == ("one", RunState.TRAINING, 2)
    assert found.losses == training.status("one").losses
    again.stop(ENGINEER, "one")
    assert ended(again).state is RunState.STOPPED
    within(5, lambda: not process.alive(child))


def test_the_run_outlives_the_app_that_started_it(folder: DataFolder) -> None:
    app = (
        "import sys; from pathlib import Path; from tests.faults.test_training_runs import *; "
        "Training(DataFolder(Path(sys.argv[1])), script=FAKE).start(ENGINEER, config()); "
        "import os; os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).resolve().parents[2]
    gone = subprocess.run([sys.executable, "-c", app, str(folder.root)], cwd=root, timeout=60)
    assert gone.returncode == -9
    training = Training(folder, script=FAKE, grace_s=2.0)
    at_step_two(training)
    with pytest.raises(Busy, match="one is training"):
        training.start(ENGINEER, config("two"))
    training.stop(ENGINEER, "one")
    assert ended(training).state is RunState.STOPPED


def test_stop_pressed_ten_times_is_one_stop(training: Training) -> None:
    training.start(ENGINEER, config())
    at_step_two(training)
    for _ in range(10):
        training.stop(ENGINEER, "one")
    run = ended(training)
    assert (run.state, run.message) == (RunState.STOPPED, "Stopped at step 2 of 5. No adapter was kept.")
    signals = (training.folder.runs / "one" / "signals.txt").read_text(encoding="utf-8")
    assert signals.split() == [str(int(signal.SIGTERM))]
    assert training.adapters() == []


def test_a_run_that_does_not_end_by_itself_is_ended_by_force(training: Training) -> None:
    training.grace_s = 0.5
    training.start(ENGINEER, config(behaviour="stubborn"))
    child = at_step_two(training)
    assert "Stopping" in training.stop(ENGINEER, "one").message
    run = ended(training)
    assert run.state is RunState.STOPPED and "by force" in run.message
    within(5, lambda: not process.alive(child))


def test_stop_after_the_end_leaves_the_true_end(training: Training) -> None:
    training.start(ENGINEER, config(behaviour="quick"))
    ended(training)
    assert training.stop(ENGINEER, "one").state is RunState.COMPLETED


def test_a_killed_run_is_failed_in_words_within_ten_seconds(training: Training) -> None:
    training.start(ENGINEER, config())
    child = at_step_two(training)
    os.kill(child.pid, signal.SIGKILL)
    run = ended(training, seconds=10)
    assert run.state is RunState.FAILED
    assert "killed from outside" in run.message and "memory" in run.message
    assert "step 2 of 5" in run.message and "a log line" in run.log_tail
    again = Training(training.folder, script=FAKE)
    within(5, lambda: again.status("one").message == run.message)
    assert again.start(ENGINEER, config("two", "quick")).name == "two"


@pytest.mark.parametrize(("behaviour", "sentence"), [("error", "exit code 3"), ("silent", "without a result")])
def test_each_way_of_ending_without_a_word_has_its_own_sentence(
    training: Training, behaviour: str, sentence: str
) -> None:
    training.start(ENGINEER, config(behaviour=behaviour))
    run = ended(training)
    assert run.state is RunState.FAILED and sentence in run.message


def test_a_dead_run_that_nobody_saw_end_is_lost(training: Training) -> None:
    training.start(ENGINEER, config())
    child = at_step_two(training)
    os.kill(child.pid, signal.SIGKILL)
    ended(training)
    (training.folder.runs / "one" / process.EXIT_FILE).unlink()
    run = Training(training.folder, script=FAKE).status("one")
    assert run.state is RunState.LOST and "no word" in run.message


@pytest.mark.parametrize("wrong", ["start_mark", "token"])
def test_a_stranger_with_the_same_number_is_neither_adopted_nor_signalled(training: Training, wrong: str) -> None:
    training.start(ENGINEER, config())
    at_step_two(training)
    path = training.folder.runs / "one" / process.PROCESS_FILE
    record = json.loads(path.read_text(encoding="utf-8"))
    real = process.read_process(path.parent)
    record[wrong] = record[wrong] + 500 if wrong == "start_mark" else "0" * 32
    path.write_text(json.dumps(record), encoding="utf-8")
    run = training.stop(ENGINEER, "one")
    assert run.state is RunState.LOST
    time.sleep(0.3)
    assert not (path.parent / "signals.txt").exists()
    assert real is not None and process.alive(real)
    os.killpg(real.pid, signal.SIGKILL)


def test_of_many_starts_at_once_one_wins(training: Training) -> None:
    gate, won, refused = threading.Barrier(8), [], []

    def start(number: int) -> None:
        gate.wait()
        try:
            won.append(Training(training.folder, script=FAKE).start(ENGINEER, config(f"run-{number}")).name)
        except Busy as fault:
            refused.append(str(fault))

    threads = [threading.Thread(target=start, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and len(refused) == 7
    assert all("only one run trains at a time" in sentence for sentence in refused)
    assert {run.name for run in training.runs()} == set(won)


def test_the_same_name_is_refused_and_the_next_free_one_offered(training: Training) -> None:
    training.start(ENGINEER, config(behaviour="quick"))
    ended(training)
    before = (training.folder.runs / "one" / "state.json").read_bytes()
    with pytest.raises(MedReasonError, match="already a run named one.*one-2"):
        training.start(ENGINEER, config())
    assert (training.folder.runs / "one" / "state.json").read_bytes() == before


def test_refusals_leave_nothing_on_disk(training: Training, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"Question": "a", "Complex_CoT": "b"}\n', encoding="utf-8")
    one = tmp_path / "one.jsonl"
    one.write_text('{"Question": "a", "Complex_CoT": "b", "Response": "c"}\n', encoding="utf-8")
    before = sorted(training.folder.root.rglob("*"))
    for wrong, sentence in (
        ({"data": str(bad)}, "no column Response"),
        ({"data": str(tmp_path / "absent.jsonl")}, "does not exist"),
        ({"base_model": "no such model"}, "was not found"),
        ({"base_model": str(tmp_path)}, "no model folder"),
    ):
        with pytest.raises(MedReasonError, match=sentence):
            training.start(ENGINEER, config(**wrong))
    for wrong in ({"run_name": "../x"}, {"learning_rate": -1.0}, {"run_name": ".hidden"}, {"epochs": 0.0}):
        with pytest.raises(Invalid):
            training.start(ENGINEER, TrainingConfig(**wrong))  # type: ignore[arg-type]
    with pytest.raises(NotAllowed, match="rater"):
        training.start(User(2, "rater", Role.RATER), config())
    with pytest.raises(NotFound):
        training.status("../../etc")
    assert sorted(training.folder.root.rglob("*")) == before


def test_a_run_that_cannot_be_launched_leaves_nothing(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(MedReasonError, match="cannot be started"):
        training.start(ENGINEER, config())
    assert training.runs() == []
    assert [path.name for path in training.folder.runs.iterdir()] == [LOCK_FILE]


def test_words_of_the_form_arrive_as_one_word_each(training: Training, tmp_path: Path) -> None:
    odd = tmp_path / "a b; touch x $(y) --flag.jsonl"
    odd.write_text('{"Question": "a", "Complex_CoT": "b", "Response": "c"}\n', encoding="utf-8")
    training.start(ENGINEER, config("-rf", "quick", data=str(odd)))
    assert ended(training, "-rf").state is RunState.COMPLETED
    argv = json.loads((training.folder.runs / "-rf" / "argv.json").read_text(encoding="utf-8"))
    assert argv[1] == str(training.folder.runs / "-rf" / "config.yaml")
    assert len(argv) == 8 and odd.name not in " ".join(argv)


def test_a_plan_says_what_the_run_will_do_and_takes_time_only_from_measurements(training: Training) -> None:
    plan = training.plan(TrainingConfig(max_rows=64, epochs=2.0, batch_size=1))
    assert (plan.rows, plan.held_out, plan.steps, plan.seconds) == (64, 3, 122, None)
    assert plan.rows_in_file >= 160
    path = training.folder.runs / "earlier"
    (path / "adapter").mkdir(parents=True)
    write_config(TrainingConfig(run_name="earlier"), path / "config.yaml")
    Recorder(path).state(RunState.COMPLETED)
    (path / "adapter" / "adapter_model.safetensors").write_bytes(b"x")
    manifest = {
        "run_name": "earlier",
        "config": vars(TrainingConfig()),
        "steps": 100,
        "training_s": 200.0,
        "duration_s": 230.0,
    }
    (path / "adapter" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    plan = training.plan(TrainingConfig(max_rows=64, epochs=2.0))
    assert (plan.seconds, plan.measured_by) == (30 + 122 * 2, "earlier")
    assert training.plan(TrainingConfig(lora_rank=8)).seconds is None
