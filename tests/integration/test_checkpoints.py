"""What a run keeps while it trains, and what it ends for: on a tiny Qwen3, in this process."""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from medreason.errors import MedReasonError
from medreason.finetune.checkpoints import FILES, MARKER, WEIGHTS, place_of, read_checkpoints
from medreason.finetune.progress import METRICS_FILE, Recorder, read_losses
from medreason.finetune.resume import choose
from medreason.finetune.stopping import Stopping
from tests.fitting import QUIET, fitted, loaded, same, state_at, task

pytestmark = QUIET


def steps(run: Path) -> list[int]:
    return [one.step for one in read_checkpoints(run) if one.whole]


@pytest.fixture(scope="module")
def run(tiny_qwen3: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A finished run of five steps, with what came of it."""
    folder = tmp_path_factory.mktemp("runs") / "five"
    return folder, fitted(tiny_qwen3, folder, max_steps=5, save_every=1)


def test_the_result_is_the_best_checkpoint_where_that_is_asked_for(
    run: tuple[Path, Any], tiny_qwen3: Path, tmp_path: Path
) -> None:
    folder, last = run
    assert last.adapter_step == 5
    shutil.copytree(folder, tmp_path / "run")
    marker = place_of(tmp_path / "run", 2) / MARKER
    content = json.loads(marker.read_text(encoding="utf-8")) | {"held_out_loss": 0.5}
    marker.write_text(json.dumps(content), encoding="utf-8")
    best = fitted(tiny_qwen3, tmp_path / "run", choose(tmp_path / "run"), max_steps=5, best_by_held_out=True)
    measured = {point.step: point.loss for point in read_losses(folder) if point.held_out}
    assert (best.steps, best.adapter_step, best.held_out_after) == (5, 2, measured[2])
    weights = dict(best.model.named_parameters())
    assert all(same(weights[name].detach(), saved) for name, saved in state_at(folder, 2)["weights"].items())


def test_a_best_checkpoint_that_broke_is_refused_with_the_way_out(
    run: tuple[Path, Any], tiny_qwen3: Path, tmp_path: Path
) -> None:
    folder, _ = run
    shutil.copytree(folder, tmp_path / "run")
    for step in (1, 2, 3, 4, 5):
        place = place_of(tmp_path / "run", step)
        content = json.loads((place / MARKER).read_text(encoding="utf-8")) | {"held_out_loss": step + 0.5}
        (place / MARKER).write_text(json.dumps(content), encoding="utf-8")
    (place_of(tmp_path / "run", 1) / WEIGHTS).write_bytes(
        bytes((place_of(tmp_path / "run", 1) / WEIGHTS).stat().st_size)
    )
    with pytest.raises(
        MedReasonError, match="step 1, cannot be used: .* is not as it was written.*“Keep the best"
    ):
        fitted(tiny_qwen3, tmp_path / "run", choose(tmp_path / "run"), max_steps=5, best_by_held_out=True)


def test_the_oldest_checkpoints_go_while_it_trains(tiny_qwen3: Path, tmp_path: Path) -> None:
    fitted(tiny_qwen3, tmp_path, max_steps=5, save_every=1, keep_checkpoints=2)
    kept, measured = steps(tmp_path), [point for point in read_losses(tmp_path) if point.held_out and point.step]
    best = min(measured, key=lambda point: (point.loss, point.step)).step
    assert kept == sorted({best, 5} if best != 5 else {4, 5})


def test_an_adapter_is_replaced_whole_and_half_of_one_is_cleared_away(tmp_path: Path) -> None:
    """Killed while the adapter of a stopped run is replaced by that of the resumed one."""
    from medreason.finetune.result import BUILDING, OLD, clear_unfinished_adapter

    for name in (OLD, BUILDING):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(name, encoding="utf-8")
    clear_unfinished_adapter(tmp_path)
    assert (tmp_path / "adapter" / "manifest.json").read_text(encoding="utf-8") == OLD
    assert [one.name for one in tmp_path.iterdir()] == ["adapter"]


def test_a_checkpoint_holds_what_going_on_needs_and_nothing_else(run: tuple[Path, Any]) -> None:
    folder, _ = run
    for place in (folder / "checkpoints").iterdir():
        assert {file.name for file in place.iterdir()} == FILES | {MARKER}
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_points_tell_how_it_went(run: tuple[Path, Any]) -> None:
    folder, result = run
    points = [point for point in read_losses(folder) if not point.held_out]
    assert [point.step for point in points] == [1, 2, 3, 4, 5]
    for point in points:
        assert point.epoch and point.grad_norm and point.tokens_per_s and point.elapsed_s
        assert point.learning_rate is not None
    elapsed = [point.elapsed_s for point in points]
    assert elapsed == sorted(elapsed)  # type: ignore[type-var]
    assert result.tokens_seen > 0 and result.training_s > 0 and result.memory_gib > 0.1


def test_the_learning_rate_follows_its_curve_over_the_steps_that_are_made(
    tiny_qwen3: Path, tmp_path: Path
) -> None:
    fitted(tiny_qwen3, tmp_path, max_steps=4, warmup_share=0.5, scheduler="linear", learning_rate=0.01)
    rates = [point.learning_rate for point in read_losses(tmp_path) if not point.held_out]
    assert rates == pytest.approx([0.0, 0.005, 0.01, 0.005])


def test_a_disk_that_fills_up_in_a_save_leaves_the_checkpoint_before(
    tiny_qwen3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medreason.finetune.trainer import RunTrainer

    saved = RunTrainer._save_optimizer_and_scheduler

    def full(self: Any, folder: str) -> None:
        if self.state.global_step == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        saved(self, folder)

    monkeypatch.setattr(RunTrainer, "_save_optimizer_and_scheduler", full)
    with pytest.raises(OSError):
        fitted(tiny_qwen3, tmp_path, max_steps=4, save_every=1)
    assert steps(tmp_path) == [1]
    assert [one.name for one in (tmp_path / "checkpoints").iterdir()] == ["step-1"]


def broken_fit(model: Path, run: Path, at_step: int, number: float, **settings: Any) -> None:
    """A run whose gradient becomes `number` at a step, its loss staying as it is."""
    from medreason.finetune.fitting import fit

    base = loaded(model)
    made = task(base, run, **settings)
    recorder = Recorder(run)

    class Watch(Stopping):
        """Hooks the adapter once it is there."""

        hooked = False

        @property
        def training(self) -> bool:
            return self.hooked

        @training.setter
        def training(self, value: bool) -> None:
            if value:
                for weight in (one for one in base.model.parameters() if one.requires_grad):
                    weight.register_hook(lambda grad: grad * (number if recorder.step == at_step - 1 else 1))
            self.hooked = value

    fit(base.model, base.tokenizer, made, recorder, Watch())


def last_step(run: Path) -> int:
    lines = (run / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    return max(json.loads(line)["step"] for line in lines)


@pytest.mark.parametrize(("settings", "seen"), [({"log_every": 50}, 10), ({"log_every": 50, "save_every": 4}, 4)])
def test_a_gradient_that_is_no_number_ends_the_run_within_ten_steps(
    tiny_qwen3: Path, tmp_path: Path, settings: dict, seen: int
) -> None:
    """However seldom it is logged, and before such weights are kept."""
    with pytest.raises(MedReasonError, match=f"no number at step {seen}, .*Lower the learning rate"):
        broken_fit(tiny_qwen3, tmp_path, 3, float("nan"), **{"epochs": 9.0, "save_every": 20, **settings})
    assert last_step(tmp_path) == seen and steps(tmp_path) == []


def test_a_gradient_that_is_no_number_at_the_very_last_step_is_seen_too(tiny_qwen3: Path, tmp_path: Path) -> None:
    with pytest.raises(MedReasonError, match="The gradient was no number at step 3"):
        broken_fit(tiny_qwen3, tmp_path, 3, float("inf"), max_steps=3, save_every=2, log_every=50)
    assert steps(tmp_path) == [2]


def test_an_adapter_without_any_gradient_is_a_fault(tiny_qwen3: Path, tmp_path: Path) -> None:
    with pytest.raises(MedReasonError, match="received no gradient"):
        broken_fit(tiny_qwen3, tmp_path, 1, 0.0, max_steps=3)


def test_a_seldom_logged_loss_is_the_mean_of_all_steps_between(tiny_qwen3: Path, tmp_path: Path) -> None:
    fitted(tiny_qwen3, tmp_path / "each", max_steps=6, save_every=6)
    fitted(tiny_qwen3, tmp_path / "seldom", max_steps=6, save_every=3, log_every=5)
    each = {point.step: point.loss for point in read_losses(tmp_path / "each") if not point.held_out}
    seldom = [(point.step, point.loss) for point in read_losses(tmp_path / "seldom") if not point.held_out]
    assert [step for step, _ in seldom] == [1, 5, 6]
    assert seldom[1][1] == pytest.approx(sum(each[step] for step in (2, 3, 4, 5)) / 4, rel=1e-5)


def test_the_article_s_format_trains_on_every_token(tiny_qwen3: Path, tmp_path: Path) -> None:
    article = task(loaded(tiny_qwen3), tmp_path / "a", text_format="article").train
    assert article.taught_tokens == article.tokens
    result = fitted(tiny_qwen3, tmp_path / "b", text_format="article", max_steps=2)
    assert result.last_loss is not None


def test_tensorboard_files_hold_the_curves(tiny_qwen3: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fitted(tiny_qwen3, tmp_path, max_steps=3, tensorboard=True)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    points = [point for point in read_losses(tmp_path) if not point.held_out]
    drawn = [(one.step, one.value) for one in events.Scalars("train/loss")]
    assert drawn == [(point.step, pytest.approx(point.loss, rel=1e-5)) for point in points]
    assert {"held_out/loss", "train/learning_rate", "train/tokens_per_s"} <= set(events.Tags()["scalars"])


def test_without_tensorboard_the_setting_is_refused_in_words(
    tiny_qwen3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MedReasonError, match="need the package tensorboard"):
        fitted(tiny_qwen3, tmp_path, max_steps=3, tensorboard=True)


def test_a_4_bit_base_trains_on_the_cpu(tiny_qwen3: Path, tmp_path: Path) -> None:
    import torch

    result = fitted(tiny_qwen3, tmp_path, quantization="nf4", max_steps=3)
    learned = {name: one for name, one in result.model.named_parameters() if "lora_B" in name}
    assert learned and all(one.abs().max() > 0 for one in learned.values())
    assert {one.dtype for one in state_at(tmp_path, 3)["weights"].values()} == {torch.bfloat16}


def test_a_4_bit_base_keeps_its_gradient_though_it_is_measured_between_steps(tiny_qwen3: Path) -> None:
    """A CPU with 16-bit instructions would repack the weights then; and one that has done so before is refused."""
    from medreason.finetune.fitting import dressed
    from tests.fitting import CONFIG

    base = loaded(tiny_qwen3, "nf4").model
    layers = [layer for layer in base.modules() if hasattr(layer, "support_avx512bf16_for_cpu")]
    for layer in layers:
        layer.support_avx512bf16_for_cpu = True
    dressed(base, CONFIG)
    assert layers and not any(layer.support_avx512bf16_for_cpu for layer in layers)
    used = loaded(tiny_qwen3, "nf4").model
    layer = next(layer for layer in used.modules() if hasattr(layer, "support_avx512bf16_for_cpu"))
    layer.weight.quant_state.packing_format_for_cpu = True
    with pytest.raises(MedReasonError, match="used to generate before"):
        dressed(used, CONFIG)


def test_training_is_switched_on_in_all_modules_though_the_outermost_had_it_and_once_only() -> None:
    import torch

    from medreason.finetune.trainer import _switched_once

    inner = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Dropout()).eval()
    outer = torch.nn.Sequential(inner)  # as a fresh adapter around a base that was loaded to answer
    walked: list[bool] = []
    usual = inner.train
    inner.train = lambda mode=True: walked.append(mode) or usual(mode)
    _switched_once(outer)
    for mode in (True, True, False, False, True):
        outer.train(mode) if mode else outer.eval()
        assert all(one.training is mode for one in outer.modules())
    assert walked == [True, False, True]
