"""A run's progress as files: what a reader sees while a writer is at work, or has died."""

import json
import math
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medreason.domain.run import RunState
from medreason.finetune.progress import (
    LOG_FILE,
    LOG_TAIL_BYTES,
    METRICS_FILE,
    STATE_FILE,
    Recorder,
    cut_after,
    read_log_tail,
    read_losses,
    read_state,
)


def test_reader_sees_what_the_recorder_said(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.step, recorder.total_steps, recorder.seconds_left = 3, 9, 12.5
    recorder.state(RunState.TRAINING, "Training.")
    recorder.loss(3, 2.5, learning_rate=1e-3)
    recorder.loss(3, 2.75, held_out=True)
    state = read_state(tmp_path)
    assert state is not None
    assert (state.state, state.step, state.total_steps, state.seconds_left) == (RunState.TRAINING, 3, 9, 12.5)
    shown = [(point.step, point.loss, point.held_out, point.learning_rate) for point in read_losses(tmp_path)]
    assert shown == [(3, 2.5, False, 1e-3), (3, 2.75, True, None)]


def test_an_ended_run_has_no_time_left(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.seconds_left = 30.0
    recorder.state(RunState.COMPLETED)
    assert read_state(tmp_path).seconds_left is None  # type: ignore[union-attr]


def test_half_a_line_is_left_out_and_the_next_one_counts(tmp_path: Path) -> None:
    Recorder(tmp_path).loss(1, 2.0)
    with open(tmp_path / METRICS_FILE, "a", encoding="utf-8") as file:
        file.write('{"step": 2, "lo')
    assert [(point.step, point.loss) for point in read_losses(tmp_path)] == [(1, 2.0)]


def test_a_loss_that_is_no_number_is_stored_as_json_and_not_drawn(tmp_path: Path) -> None:
    Recorder(tmp_path).loss(1, math.nan, learning_rate=math.inf)
    line = json.loads((tmp_path / METRICS_FILE).read_text(encoding="utf-8"))
    assert line["loss"] is None and "learning_rate" not in line
    assert read_losses(tmp_path) == ()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_damaged_files_never_raise(tmp_path: Path, content: bytes) -> None:
    for name in (STATE_FILE, METRICS_FILE, LOG_FILE):
        (tmp_path / name).write_bytes(content)
    read_state(tmp_path)
    assert all(math.isfinite(point.loss) for point in read_losses(tmp_path))
    assert all(one.isprintable() or one in "\n\t" for one in read_log_tail(tmp_path))


def test_log_tail_is_bounded_plain_and_shows_the_last_state_of_a_bar(tmp_path: Path) -> None:
    content = b"x" * 5_000_000 + b"\n 10%\r 50%\r100%\r\n\x1b[31mred\x1b[0m <b>\xff\n" + b"line\n" * 3
    (tmp_path / LOG_FILE).write_bytes(content)
    tail = read_log_tail(tmp_path)
    assert len(tail) <= LOG_TAIL_BYTES
    assert tail.splitlines()[-5:] == ["100%", "red <b>\ufffd", "line", "line", "line"]


def test_missing_files_are_an_empty_picture(tmp_path: Path) -> None:
    assert (read_state(tmp_path), read_losses(tmp_path), read_log_tail(tmp_path)) == (None, (), "")


def test_a_point_carries_what_was_measured_with_it(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, elapsed_before=100.0)
    recorder.loss(2, 1.5, epoch=0.5, grad_norm=0.7, tokens_per_s=1234.5, gpu_memory_gib=None, learning_rate=1e-3)
    (point,) = read_losses(tmp_path)
    assert (point.epoch, point.grad_norm, point.tokens_per_s, point.gpu_memory_gib) == (0.5, 0.7, 1234.5, None)
    assert point.elapsed_s is not None and 100 <= point.elapsed_s < 110


def test_elapsed_time_goes_on_over_starts(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, elapsed_before=3600.0)
    recorder.resumed_from, recorder.epoch = 20, 1.5
    recorder.state(RunState.TRAINING)
    state = read_state(tmp_path)
    assert state is not None and 3600 <= state.elapsed_s < 3610
    assert (state.resumed_from, state.epoch) == (20, 1.5)


def test_points_after_a_step_are_taken_back_with_what_was_damaged(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    for step in (0, 1, 2, 3):
        recorder.loss(step, 4.0 - step, held_out=step in (0, 2))
    recorder.loss(2, math.nan)
    with open(tmp_path / METRICS_FILE, "a", encoding="utf-8") as file:
        file.write('{"step": 1, "lo')
    cut_after(tmp_path, 2)
    assert [point.step for point in read_losses(tmp_path)] == [0, 1, 2]
    assert len((tmp_path / METRICS_FILE).read_text(encoding="utf-8").splitlines()) == 4
    recorder.loss(3, 0.5)
    assert read_losses(tmp_path)[-1].loss == 0.5
