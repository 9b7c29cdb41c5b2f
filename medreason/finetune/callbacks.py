"""What a run does beside its steps: writes down what is measured, looks for numbers that are none, keeps the
rhythm of measuring and saving, and ends when asked to.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import TrainerCallback

from medreason.domain.run import RunState
from medreason.errors import MedReasonError
from medreason.finetune import board as boards
from medreason.finetune.progress import Recorder
from medreason.finetune.randomness import RandomState
from medreason.finetune.ranks import ALONE, Ranks
from medreason.finetune.recipe import Rhythm
from medreason.finetune.stopping import Stopped, Stopping

SAY_EVERY_S = 1.0


class CutShort(Exception):
    """A measurement was given up, since the run is to save and end."""


class Reporter(TrainerCallback):
    """Tells the recorder what the trainer does, and the trainer what to do next. `measures` says that rows are
    held out. `busy_s` are seconds of this start spent on steps, without measuring and saving. Of several processes
    each has one, and a request to end that the first has heard holds for all after the same batch."""

    def __init__(
        self,
        recorder: Recorder,
        rhythm: Rhythm,
        stopping: Stopping,
        measures: bool,
        board: Any | None = None,
        ranks: Ranks = ALONE,
    ):
        self.recorder, self.rhythm, self.stopping, self.ranks = recorder, rhythm, stopping, ranks
        self.measures, self.board = measures, board
        self.measured: tuple[int, float] | None = None  # the last step whose held-out loss is known, and that loss
        self._began = self._said_at = time.monotonic()
        self._aside_s = 0.0
        self._measuring_s = self._saving_s = 0.0  # how long one of them took last
        self._step_ends: list[float] = []
        self._checked = 0
        self._sum, self._count = 0.0, 0
        self._tokens, self._busy_then = 0, 0.0
        self._batch = 0
        self._tokens_at_step = 0
        self._random: RandomState | None = None

    @property
    def busy_s(self) -> float:
        return time.monotonic() - self._began - self._aside_s

    @contextmanager
    def aside(self, state: RunState, message: str) -> Iterator[None]:
        """Measuring or saving: shown as such, and not counted as time of the steps."""
        self._batch = 0
        self.recorder.state(state, message)
        before = time.monotonic()
        try:
            yield
        finally:
            took = time.monotonic() - before
            self._aside_s += took
            if state is RunState.EVALUATING:
                self._measuring_s = took
            else:
                self._saving_s = took

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began, self._aside_s, self._busy_then = time.monotonic(), 0.0, 0.0
        self._checked = state.global_step
        self._tokens = self._tokens_at_step = state.num_input_tokens_seen

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._end_if_asked_at_once()
        if self.asked():
            # The step that was begun is given up: all is put back to where the one before ended, so that a run
            # that goes on from here makes the same step as one that was never stopped.
            if self._random is not None:
                self._random.restore()
            state.num_input_tokens_seen = self._tokens_at_step
            control.should_training_stop = True
            control.should_save = state.global_step > 0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._end_if_asked_at_once()
        step, total = state.global_step, state.max_steps
        self._step_ends.append(self.busy_s)
        self._tokens_at_step = state.num_input_tokens_seen
        if args.gradient_accumulation_steps > 1:
            self._random = RandomState.now()
        ends = self.asked() and step < total
        due = self.rhythm.saves(step, total)
        control.should_log = self.rhythm.checks(step, total) or ends
        control.should_evaluate = due and self.measures and not ends
        control.should_save = due or ends
        control.should_training_stop = ends or step >= total
        self.recorder.step, self.recorder.epoch = step, state.epoch
        self.recorder.seconds_left = self._seconds_left(step, total)
        self.recorder.state(RunState.TRAINING, "Training.")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict | None = None, **_: Any) -> None:
        state.log_history.clear()  # `metrics.jsonl` is the history; each checkpoint would carry this one along
        if not logs or "loss" not in logs:
            return
        step, loss = state.global_step, float(logs["loss"])
        norm = float(logs.get("grad_norm", 0.0)) if "grad_norm" in logs else None
        self._sum += loss * (step - self._checked)
        self._count += step - self._checked
        self._checked = step
        wrong = not math.isfinite(loss) or norm is not None and not math.isfinite(norm)
        if wrong or self.rhythm.logs(step, state.max_steps) or control.should_training_stop:
            self._write_down(state, norm, logs.get("learning_rate"))
        if wrong:
            what = "gradient" if math.isfinite(loss) else "loss"
            raise MedReasonError(
                f"The {what} was no number at step {step}, so the run was ended. Lower the learning rate, then "
                "start again."
            )
        if step == 1 and norm == 0.0:
            raise MedReasonError(
                "The adapter received no gradient at the first step, so it would learn nothing and the run was "
                "ended. Check “Adapted layers” and the rows."
            )

    def on_prediction_step(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        self._end_if_asked_at_once()
        if self.asked():
            raise CutShort
        self._batch += 1
        if time.monotonic() - self._said_at > SAY_EVERY_S:
            self._said_at = time.monotonic()
            of = f" of {len(more['eval_dataloader'])}" if more.get("eval_dataloader") is not None else ""
            words = f"Measuring the loss on the held-out rows: batch {self._batch}{of}."
            self.recorder.state(RunState.EVALUATING, words)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict | None = None, **_: Any) -> None:
        step, loss = state.global_step, float((metrics or {}).get("eval_loss", math.nan))
        self._point(step, loss, held_out=True, epoch=state.epoch)
        print(f"held-out rows after step {step}: loss {loss:.4f}", flush=True)
        if not math.isfinite(loss):
            raise MedReasonError(
                f"The loss on the held-out rows was no number after step {step}, so the run was ended. Lower the "
                "learning rate, then start again."
            )
        self.measured = (step, loss)

    def _write_down(self, state: Any, norm: float | None, rate: float | None) -> None:
        """One point: the mean loss since the point before, and how fast it went."""
        step, loss = state.global_step, self._sum / max(self._count, 1)
        tokens, busy_s = state.num_input_tokens_seen - self._tokens, self.busy_s - self._busy_then
        self._sum, self._count = 0.0, 0
        self._tokens, self._busy_then = state.num_input_tokens_seen, self.busy_s
        speed = tokens / busy_s if busy_s > 0 else None
        gpu = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None
        self._point(
            step,
            loss,
            epoch=state.epoch,
            learning_rate=rate,
            grad_norm=norm,
            tokens_per_s=speed,
            gpu_memory_gib=gpu,
        )
        print(
            f"step {step} of {state.max_steps}: loss {loss:.4f}, learning rate {rate or 0.0:.2e}, "
            f"{speed or 0.0:.0f} tokens/s, {self.recorder.elapsed_s:.0f} s",
            flush=True,
        )

    def _point(self, step: int, loss: float, held_out: bool = False, **more: float | None) -> None:
        self.recorder.loss(step, loss, held_out, **more)
        if self.board is not None:
            boards.draw(self.board, step, loss, held_out, more)

    def asked(self) -> bool:
        """Whether the run was asked to end; all processes ask at the same moments and hear the same."""
        return self.ranks.agreed(self.stopping.asked)

    def _end_if_asked_at_once(self) -> None:
        """The signal itself raises; but where a library swallowed that, the run still ends here."""
        if self.stopping.at_once():
            raise Stopped

    def _seconds_left(self, step: int, total: int) -> float | None:
        """By the steps of this start, the slow first one left out, with what is still to be measured and saved."""
        timed = len(self._step_ends) - 1
        if timed < 1:
            return None
        a_step = (self._step_ends[-1] - self._step_ends[0]) / timed
        aside_s = self._saving_s + (self._measuring_s if self.measures else 0.0)
        return a_step * (total - step) + aside_s * self.rhythm.savings(step - 1, total)
