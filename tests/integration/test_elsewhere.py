"""A run on a cluster looks like any other: live, stopped, resumed, found again; what breaks is said in words.

The cluster is one of processes on this computer, with a trainer that needs no model; `test_ray_cluster.py` has a
real one.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from medreason.domain.cluster import RayCluster
from medreason.domain.run import RunState, RunStatus
from medreason.errors import MedReasonError
from medreason.finetune import parcel, process
from medreason.finetune.place import read_place
from medreason.folder import DataFolder
from medreason.models.hashes import file_sha256
from medreason.services import sending
from medreason.services.training import Training
from tests.conftest import CHECKOUT
from tests.local_cluster import NODE, LocalCluster
from tests.runs import ENGINEER, config, ended, kill_all, within


@dataclass
class Far:
    """The app's side and the cluster's side of a test."""

    training: Training
    cluster: LocalCluster
    settings: RayCluster
    root: Path

    def start(self, name: str = "one", behaviour: str = "", **more: object) -> RunStatus:
        return self.training.start(ENGINEER, config(name, behaviour, **more), cluster=self.settings)

    def at_step_two(self, name: str = "one") -> None:
        within(30, lambda: self.training.status(name).step == 2)

    def folder_there(self, name: str = "one") -> Path:
        place = read_place(self.training.folder.runs / name)
        assert place is not None
        return Path(place.folder)

    def let_go(self, name: str = "one") -> None:
        (self.folder_there(name) / "go").touch()

    def kill_follower(self, name: str = "one") -> None:
        child = process.read_process(self.training.folder.runs / name)
        assert child is not None
        os.kill(child.pid, signal.SIGKILL)
        within(10, lambda: not process.alive(child))


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    monkeypatch.setattr(sending, "find_spec", lambda name: True)
    root = tmp_path / "far"
    (root / "checkout" / "training_scripts").mkdir(parents=True)
    (root / "checkout" / "medreason").symlink_to(CHECKOUT / "medreason")
    shutil.copyfile(
        CHECKOUT / "tests" / "far_trainer.py", root / "checkout" / "training_scripts" / "train_qlora.py"
    )
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    training = Training(folder, grace_s=2.0, follower=CHECKOUT / "tests" / "follow_local.py")
    settings = RayCluster(
        "http://cluster:8265", str(root / "work"), str(root / "data"), gpus=2, cpus=3, python=sys.executable
    )
    made = Far(training, LocalCluster(root / "cluster"), settings, root)
    yield made
    kill_all(folder)
    made.cluster.kill_all()


def test_a_run_is_sent_followed_and_its_adapter_fetched_with_right_hashes(far):
    begun = far.start()
    assert not begun.state.ended and begun.elsewhere == "the Ray cluster at http://cluster:8265"
    far.at_step_two()
    live = far.training.status("one")
    assert live.state is RunState.TRAINING and [point.step for point in live.losses] == [1, 2]
    assert [one.step for one in live.checkpoints] == [1] and live.checkpoints[0].whole and not live.adapter
    within(10, lambda: "rows from curriculum" in far.training.status("one").log_tail)
    job = json.loads((far.cluster.jobs("train")[0] / "asked.json").read_text())
    assert (job["gpus"], job["cpus"]) == (2, 3)
    assert far.training.config("one").gpus == 2 and "gpus: 2" in (
        far.training.folder.runs / "one" / "sent" / "config.yaml"
    ).read_text(encoding="utf-8")
    far.let_go()
    done = ended(far.training, seconds=30)
    assert (done.state, done.step, done.message) == (RunState.COMPLETED, 3, "The adapter is ready.")
    assert [point.step for point in done.losses] == [1, 2, 3]
    there, here = far.folder_there() / "adapter", Path(done.adapter)
    assert {one.name for one in here.iterdir()} == {one.name for one in there.iterdir()}
    assert all(file_sha256(here / one.name) == file_sha256(there / one.name) for one in here.iterdir())
    assert far.training.adapters() == [("one", here)]
    beside = json.loads((far.cluster.jobs("send")[0] / "asked.json").read_text())
    assert (beside["gpus"], beside["node"]) == (0, NODE)
    token = json.loads((far.training.folder.runs / "one" / "mark.json").read_text())["mark"]
    assert token not in done.log_tail


def test_it_waits_for_nobody_here_and_nobody_waits_for_it(far):
    from tests.runs import FAKE, at_step_two, let_go

    far.start("far")
    far.at_step_two("far")
    here = Training(far.training.folder, script=FAKE, grace_s=2.0, follower=far.training.follower)
    here.start(ENGINEER, config("near"))
    at_step_two(here, "near")
    far.start("far-2", "quick")
    assert ended(here, "far-2", 30).state is RunState.COMPLETED
    let_go(here, "near")
    assert ended(here, "near").state is RunState.COMPLETED and not here.status("far").state.ended


def test_stop_ends_the_job_there(far):
    far.start()
    far.at_step_two()
    far.training.stop(ENGINEER, "one")
    stopped = ended(far.training, seconds=20)
    assert stopped.state is RunState.STOPPED and "Stopped at step 2 of 3. No adapter" in stopped.message
    assert not stopped.adapter and (far.cluster.jobs("train")[0] / "rc").exists() and stopped.can_resume


def test_stop_and_save_keeps_the_adapter_and_the_run_goes_on_later(far):
    far.start()
    far.at_step_two()
    far.training.stop(ENGINEER, "one", save=True)
    saved = ended(far.training, seconds=30)
    assert saved.state is RunState.STOPPED and saved.adapter and "adapter is kept" in saved.message
    assert max(one.step for one in saved.checkpoints) == 2
    (far.folder_there() / "stop.json").unlink()
    far.training.resume(ENGINEER, "one")
    within(20, lambda: far.training.status("one").resumed_from == 2)
    done = ended(far.training, seconds=30)
    assert done.state is RunState.COMPLETED and len(far.cluster.jobs("train")) == 2
    assert [point.step for point in done.losses] == [1, 2, 3]
    assert done.log_tail.count("rows from") == 2


def test_the_job_is_found_again_after_everything_here_was_killed(far):
    far.start()
    far.at_step_two()
    far.kill_follower()
    lost = far.training.status("one")
    assert lost.state is RunState.LOST and lost.followable and lost.can_resume
    assert "Resume looks for its job" in lost.message
    again = Training(far.training.folder, grace_s=2.0, follower=far.training.follower)
    assert again.find_again() == ["one"] and again.find_again() == []
    far.at_step_two()
    far.let_go()
    done = ended(again, seconds=30)
    assert done.state is RunState.COMPLETED and done.adapter and len(far.cluster.jobs("train")) == 1
    assert [point.step for point in done.losses] == [1, 2, 3] and done.log_tail.count("rows from") == 1


def test_a_job_that_ended_while_nobody_looked_is_fetched(far):
    far.start()
    far.at_step_two()
    far.kill_follower()
    far.let_go()
    within(20, lambda: (far.cluster.jobs("train")[0] / "rc").exists())
    far.training.resume(ENGINEER, "one")
    assert ended(far.training, seconds=30).adapter


def test_a_cluster_that_is_away_for_a_while_is_waited_for(far):
    far.start()
    far.at_step_two()
    (far.root / "cluster" / "silent").touch()
    within(10, lambda: "does not answer. Trying on" in far.training.status("one").message)
    assert not far.training.status("one").state.ended and far.training.status("one").step == 2
    (far.root / "cluster" / "silent").unlink()
    within(10, lambda: far.training.status("one").message == "Training.")
    far.let_go()
    assert ended(far.training, seconds=30).state is RunState.COMPLETED


def test_a_cluster_that_stays_away_loses_nothing_and_its_job_is_found_later(far):
    (far.root / "impatient").touch()
    far.start()
    far.at_step_two()
    (far.root / "cluster" / "silent").touch()
    gone = ended(far.training, seconds=20)
    assert gone.state is RunState.LOST and "does not answer" in gone.message and "Resume finds it" in gone.message
    assert gone.step == 2 and len(gone.losses) == 2 and gone.can_resume
    (far.root / "cluster" / "silent").unlink()
    far.training.resume(ENGINEER, "one")
    far.let_go()
    assert ended(far.training, seconds=30).adapter and len(far.cluster.jobs("train")) == 1


def test_to_stop_a_run_whose_cluster_is_away_says_that_the_job_may_go_on(far):
    far.start()
    far.at_step_two()
    (far.root / "cluster" / "silent").touch()
    far.training.stop(ENGINEER, "one")
    told = ended(far.training, seconds=20)
    assert told.state is RunState.LOST and "was not told to stop" in told.message and told.can_resume


def test_a_cluster_that_was_never_there_starts_nothing(far):
    (far.root / "cluster" / "silent").touch()
    far.start()
    told = ended(far.training)
    assert told.state is RunState.FAILED and "does not answer. Nothing was started" in told.message
    assert not told.can_resume and not far.cluster.jobs("train")


def test_a_cluster_that_takes_a_while_to_take_a_job_gets_it_once(far):
    (far.root / "cluster" / "busy").write_text("2")
    far.start("one", "quick")
    assert ended(far.training, seconds=30).adapter
    assert len(far.cluster.jobs("train")) == 1


def test_a_job_that_the_cluster_has_lost_goes_on_from_its_checkpoint(far):
    far.start()
    far.at_step_two()
    (far.root / "cluster" / "forgotten").touch()
    far.cluster.kill_all()
    told = ended(far.training, seconds=20)
    assert told.state is RunState.LOST and "no longer knows the job" in told.message
    assert "Resume goes on from step 1" in told.message and len(told.losses) == 2
    (far.root / "cluster" / "forgotten").unlink()
    far.training.resume(ENGINEER, "one")
    within(20, lambda: far.training.status("one").step == 2)
    far.let_go()
    done = ended(far.training, seconds=30)
    assert done.state is RunState.COMPLETED and done.resumed_from == 1


def test_a_job_that_breaks_says_so_with_the_clusters_word_and_its_log(far):
    far.start("one", "error")
    told = ended(far.training, seconds=20)
    assert told.state is RunState.FAILED and "The job failed on the cluster; its log tells more." in told.message
    assert "exited with 1" in told.message and "broken before the first word" in told.log_tail
    far.start("two")
    far.at_step_two("two")
    (far.folder_there("two") / "die").touch()
    killed = ended(far.training, "two", 20)
    assert killed.state is RunState.FAILED and "Resume goes on from step 1" in killed.message and killed.can_resume


def test_a_working_folder_that_cannot_be_written_is_named(far):
    (far.root / "work").write_text("a file")
    far.start()
    told = ended(far.training, seconds=20)
    assert told.state is RunState.FAILED and "cannot be written on the cluster" in told.message


def test_a_full_cluster_is_waited_for_and_can_be_left(far):
    (far.root / "cluster" / "full").touch()
    far.start()
    within(20, lambda: "no room for it yet" in far.training.waiting_for("one"))
    far.training.stop(ENGINEER, "one")
    assert ended(far.training, seconds=20).state is RunState.STOPPED


def test_an_adapter_that_comes_damaged_is_not_put_in_place_and_fetched_anew(far):
    far.start()
    far.at_step_two()
    side = far.training.folder.root / "side.py"
    text = Path(parcel.SIDE).read_text().replace("b64encode(piece)", "b64encode(piece[:-1] + b'x')")
    side.write_text(text)
    follower = (CHECKOUT / "tests" / "follow_local.py").read_text()
    crooked = far.root / "follow_crooked.py"
    crooked.write_text(
        follower.replace("str(Path(__file__).resolve().parents[1])", repr(str(CHECKOUT))).replace(
            "heard: list", f"import shutil\nshutil.copyfile({str(side)!r}, root / 'job_side.py')\n"
            "parcel.SIDE = root / 'job_side.py'\nheard: list"
        )
    )  # fmt: skip
    far.kill_follower()
    far.training.follower = crooked
    far.training.resume(ENGINEER, "one")
    far.let_go()
    told = ended(far.training, seconds=30)
    assert told.state is RunState.FAILED and "could not be fetched" in told.message and "damaged" in told.message
    assert not told.adapter and not (far.training.folder.runs / "one" / "adapter").exists()
    far.training.follower = CHECKOUT / "tests" / "follow_local.py"
    far.training.resume(ENGINEER, "one")
    done = ended(far.training, seconds=30)
    assert done.state is RunState.COMPLETED and done.adapter and len(far.cluster.jobs("train")) == 1


def test_rows_of_this_computer_are_sent_along(far, tmp_path):
    rows = tmp_path / "mine.jsonl"
    rows.write_text('{"Question": "q", "Complex_CoT": "t", "Response": "r"}\n')
    far.start("one", "quick", data=str(rows))
    done = ended(far.training, seconds=30)
    assert done.state is RunState.COMPLETED and "rows from sent/rows.jsonl True" in done.log_tail
    assert far.training.config("one").data == str(rows)


def test_what_cannot_be_sent_is_refused_before_anything_is_written(far, tmp_path, monkeypatch):
    rows = tmp_path / "mine.jsonl"
    rows.write_text("x" * 2000)
    monkeypatch.setattr(sending, "MOST_BYTES", 1000)
    with pytest.raises(MedReasonError, match="at most 0 MB are sent along"):
        far.start(data=str(rows))
    far.settings = replace(far.settings, gpus=1)
    with pytest.raises(MedReasonError, match="A base is split over two or more GPUs"):
        far.start(split_base=True)
    monkeypatch.setattr(sending, "find_spec", lambda name: None)
    with pytest.raises(MedReasonError, match="pip install -r requirements-ray.txt"):
        far.start()
    assert far.training.runs() == [] and not far.cluster.jobs("train")


def test_no_token_is_written_anywhere(far, monkeypatch):
    monkeypatch.setenv("RAY_FAR_TOKEN", "s3cret-t0ken")
    far.settings = replace(far.settings, token_env="RAY_FAR_TOKEN")
    far.start("one", "quick")
    ended(far.training, seconds=30)
    for path in far.training.folder.root.rglob("*"):
        if path.is_file():
            assert b"s3cret-t0ken" not in path.read_bytes(), path
    asked = [(one / "asked.json").read_text() for one in far.cluster.root.glob("job-*")]
    assert asked and not any("s3cret" in one for one in asked)
