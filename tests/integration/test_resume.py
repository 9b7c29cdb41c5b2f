"""A run that was interrupted and resumed ends with the very bits of one that was not: dropout, shuffled rows and
gathered batches included."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from medreason.errors import MedReasonError
from medreason.finetune.checkpoints import MARKER, OPTIMIZER, TRAINER, place_of, read_checkpoints
from medreason.finetune.progress import Recorder, read_losses, read_state
from medreason.finetune.resume import choose
from medreason.finetune.stopping import Stopped
from tests.fitting import QUIET, fitted, loaded, same, state_at, task

pytestmark = QUIET
STEPS = 9


@pytest.fixture(scope="module")
def uninterrupted(tiny_qwen3: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    assert fitted(tiny_qwen3, run).steps == STEPS
    return run


@pytest.fixture
def interrupted(uninterrupted: Path, tmp_path: Path) -> Path:
    """The same run as its checkpoints of steps 2 and 4 leave it, and nothing after."""
    for step in (2, 4):
        shutil.copytree(place_of(uninterrupted, step), place_of(tmp_path / "run", step))
    return tmp_path / "run"


def after(step: int) -> Callable[[Recorder], bool]:
    """Asked once that step is made; it is seen after the first batch of the next one."""
    return lambda recorder: recorder.step == step


def losses(run: Path) -> list[tuple[int, bool, float]]:
    return [(point.step, point.held_out, point.loss) for point in read_losses(run)]


# The third step ends a pass; the sixth ends one too, and is of one batch, so that it is made to its end.
@pytest.mark.parametrize(("asked", "step"), [(1, 1), (3, 3), (5, 6)])
def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(
    uninterrupted: Path, tiny_qwen3: Path, tmp_path: Path, asked: int, step: int
) -> None:
    stopped = fitted(tiny_qwen3, tmp_path, stop_when=after(asked))
    assert (stopped.stopped, stopped.steps, stopped.adapter_step) == (True, step, step)
    resumption = choose(tmp_path)
    assert resumption.step == step
    resumed = fitted(tiny_qwen3, tmp_path, resumption)
    assert (resumed.steps, resumed.resumed_from, resumed.stopped) == (STEPS, step, False)
    assert same(state_at(tmp_path, STEPS), state_at(uninterrupted, STEPS))
    # Who asks it to stop does not wait for the held-out rows, so they are not measured at that step.
    assert losses(tmp_path) == [one for one in losses(uninterrupted) if one[:2] != (step, True)]
    assert resumed.held_out_before == losses(uninterrupted)[0][2]


def test_a_run_that_died_in_mid_pass_goes_on_from_its_checkpoint(
    uninterrupted: Path, tiny_qwen3: Path, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        fitted(tiny_qwen3, tmp_path, stop_when=after(5), save=False)
    assert [one.step for one in read_checkpoints(tmp_path)] == [2, 4]
    assert max(step for step, _, _ in losses(tmp_path)) == 5
    # Who prepares the batches changes nothing either.
    resumed = fitted(tiny_qwen3, tmp_path, choose(tmp_path), loader_workers=1)
    assert resumed.resumed_from == 4
    assert same(state_at(tmp_path, STEPS), state_at(uninterrupted, STEPS))
    assert losses(tmp_path) == losses(uninterrupted)


def test_asked_while_the_held_out_rows_are_measured_it_saves_at_once(tiny_qwen3: Path, tmp_path: Path) -> None:
    stopped = fitted(tiny_qwen3, tmp_path, stop_when=after(2))
    assert (stopped.stopped, stopped.steps) == (True, 2)
    (kept,) = read_checkpoints(tmp_path)
    assert (kept.step, kept.whole, kept.held_out_loss) == (2, True, None)


def test_asked_before_the_first_step_it_keeps_nothing(tiny_qwen3: Path, tmp_path: Path) -> None:
    stopped = fitted(tiny_qwen3, tmp_path, stop_when=after(0))
    assert (stopped.stopped, stopped.steps) == (True, 0)
    assert read_checkpoints(tmp_path) == ()


def test_where_only_the_adapter_was_still_to_be_written_no_step_is_made(
    uninterrupted: Path, tiny_qwen3: Path, tmp_path: Path
) -> None:
    shutil.copytree(uninterrupted, tmp_path / "run")
    before = losses(uninterrupted)
    resumed = fitted(tiny_qwen3, tmp_path / "run", choose(tmp_path / "run"))
    assert (resumed.steps, resumed.stopped) == (STEPS, False)
    weights = dict(resumed.model.named_parameters())
    saved = state_at(uninterrupted, STEPS)["weights"]
    assert saved and all(same(weights[name].detach(), saved[name]) for name in saved)
    assert losses(tmp_path / "run") == before


def test_points_of_lost_steps_are_taken_back_and_measured_anew(
    uninterrupted: Path, interrupted: Path, tiny_qwen3: Path
) -> None:
    shutil.copyfile(uninterrupted / "metrics.jsonl", interrupted / "metrics.jsonl")
    resumed = fitted(tiny_qwen3, interrupted, choose(interrupted))
    assert resumed.resumed_from == 4 and losses(interrupted) == losses(uninterrupted)
    state = read_state(interrupted)
    assert state is not None and state.resumed_from == 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lora_rank": 8}, "“LoRA rank” was 4 and is 8"),
        ({"learning_rate": 0.02, "seed": 7}, "“Learning rate” was 0.01 and is 0.02; “Seed” was 42 and is 7"),
        ({"rows": 11}, r"the training rows \(rows\) are others than they were"),
        ({"max_length": 40}, "“Longest row in tokens” was 64 and is 40"),
        ({"packing": True}, "“Pack short rows together” was off and is on"),
    ],
)
def test_other_settings_or_rows_are_refused_by_name(
    interrupted: Path, tiny_qwen3: Path, settings: dict, words: str
) -> None:
    with pytest.raises(MedReasonError, match=f"cannot go on from step 4, as not all is as it was: {words}"):
        task(loaded(tiny_qwen3), interrupted, choose(interrupted), **settings)


def test_another_base_is_refused_by_name(interrupted: Path, embedded_model: Path, tmp_path: Path) -> None:
    from tests.tiny import make_tiny_qwen3

    other = make_tiny_qwen3(tmp_path / "other-model", embedded_model, seed=8)
    with pytest.raises(MedReasonError, match="the base model was tiny and is tiny, with other weights"):
        task(loaded(other), interrupted, choose(interrupted))


def test_what_does_not_touch_the_numbers_may_change(interrupted: Path, tiny_qwen3: Path) -> None:
    free = {"run_name": "other", "log_every": 5, "save_every": 5, "keep_checkpoints": 1, "loader_workers": 1}
    assert task(loaded(tiny_qwen3), interrupted, choose(interrupted), **free, best_by_held_out=True).resumption


def test_a_broken_newest_is_passed_over_and_named(interrupted: Path) -> None:
    (place_of(interrupted, 4) / OPTIMIZER).unlink()
    resumption = choose(interrupted)
    assert resumption.step == 2
    assert resumption.words() == (
        "Going on from the checkpoint of step 2, the newest that is whole. Passed over: step 4, because "
        "optimizer.pt is missing."
    )


def test_a_trainer_state_of_another_step_is_refused_though_the_marker_agrees(
    interrupted: Path, tiny_qwen3: Path
) -> None:
    """As from somebody who copied a checkpoint and made it look whole."""
    from medreason.models.hashes import file_sha256

    place = place_of(interrupted, 4)
    shutil.copyfile(place_of(interrupted, 2) / TRAINER, place / TRAINER)
    marker = json.loads((place / MARKER).read_text(encoding="utf-8"))
    kept = {"size": (place / TRAINER).stat().st_size, "sha256": file_sha256(place / TRAINER)}
    marker["files"][TRAINER] = kept
    (place / MARKER).write_text(json.dumps(marker), encoding="utf-8")
    with pytest.raises(MedReasonError, match="its trainer_state.json is that of step 2 of 9"):
        task(loaded(tiny_qwen3), interrupted, choose(interrupted))
