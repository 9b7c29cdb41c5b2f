"""What the Train tab shows of runs: figures, words, curves and their comparison, made from values alone."""

import re
from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.run import Checkpoint, LossPoint, RunState, RunStatus
from medreason.domain.training import TrainingConfig
from medreason.ui import run_history, run_view
from medreason.ui.loss_chart import loss_chart
from medreason.ui.measure_charts import measure_charts
from medreason.ui.runs_compare import comparison
from medreason.ui.sparkline import sparkline

RUN = RunStatus(
    name="pilot",
    state=RunState.TRAINING,
    step=30,
    total_steps=120,
    elapsed_s=75.0,
    seconds_left=190.0,
    losses=(LossPoint(0, 4.5, True), LossPoint(1, 4.25), LossPoint(2, 3.5), LossPoint(2, 3.75, True)),
    message="Training.",
    started_at="2026-01-02T03:04:05.000+00:00",
)
OTHER = replace(RUN, name="second", state=RunState.COMPLETED, losses=(LossPoint(1, 4.0), LossPoint(9, 2.0)))
HOSTILE = replace(
    RUN,
    name="<img src=x>",
    title="</b><script>",
    message="<script>",
    started_at="<b>",
    state=RunState.FAILED,
    log_tail="<script>\n\n<img>",
    checkpoints=(Checkpoint(3, False, None, "<script>"),),
)


def test_a_live_run_tells_step_time_left_and_its_share() -> None:
    card = run_view.run_card(RUN)
    assert "step 30 of 120 · about 3 minutes left · 1 min 15 s so far" in card
    assert 'role="progressbar"' in card and 'aria-valuenow="25"' in card


def test_every_state_has_a_word() -> None:
    assert set(run_view.WORDS) == set(RunState)


def test_a_completed_run_names_the_next_step_and_has_no_bar() -> None:
    card = run_view.run_card(replace(RUN, state=RunState.COMPLETED, seconds_left=None))
    assert "Adapter ready. Compare it with the baseline." in card
    assert "progressbar" not in card and "left" not in card


def test_a_failed_run_says_what_happened_and_shows_its_last_log_lines() -> None:
    lines = "\n".join(f"line {number}" for number in range(1, 21))
    failed = replace(RUN, state=RunState.FAILED, message="The GPU ran out of memory.", log_tail=lines)
    card = run_view.run_card(failed)
    assert "mr-fault" in card and "The GPU ran out of memory." in card
    assert "line 13&#10;" in card and "line 20<" in card and "line 12&#10;" not in card
    assert "line 20" not in run_view.run_card(replace(failed, state=RunState.TRAINING))


def test_a_waiting_run_says_what_it_waits_for() -> None:
    waiting = replace(RUN, state=RunState.QUEUED, message="Waiting.")
    assert "Second in line, after pilot." in run_view.run_card(waiting, "Second in line, after pilot.")


def test_what_is_measured_is_named_beside_the_curve() -> None:
    points = tuple(
        LossPoint(
            step, 3.0 - step / 50, learning_rate=2e-4, grad_norm=0.5, tokens_per_s=1234.0, gpu_memory_gib=17.5
        )
        for step in range(1, 31)
    )
    card = run_view.run_card(replace(RUN, losses=(*points, LossPoint(30, 2.5, True)), epoch=1.25))
    for words in ("2.400, smoothed 2.490", "2.500, best 2.500 at step 30", "1.25", "1,234 tokens a second"):
        assert words in card
    for title in ("Learning rate: <b>0.0002", "Gradient norm: <b>0.5", "GPU memory at most: <b>17.5 GiB"):
        assert title in card


def test_the_line_of_a_live_run_names_the_one_that_trains_and_counts_the_waiting() -> None:
    waiting = replace(RUN, name="later", state=RunState.QUEUED, total_steps=0, step=0)
    line = run_view.live_line([waiting, RUN, replace(OTHER, state=RunState.COMPLETED)])
    assert "pilot" in line and "step 30 of 120" in line and "1 more waiting" in line
    assert run_view.live_line([OTHER]) == ""


def test_resume_says_from_where_or_why_not() -> None:
    stopped = replace(RUN, state=RunState.STOPPED, checkpoints=(Checkpoint(10, True), Checkpoint(20, False)))
    assert "step 10" in run_view.resume_words(stopped)
    assert "the data has changed" in run_view.resume_words(
        replace(stopped, resume_blocked="the data has changed.")
    )
    assert "no whole checkpoint" in run_view.resume_words(replace(stopped, checkpoints=()))
    assert run_view.resume_words(RUN) == run_view.resume_words(OTHER) == ""


def test_stop_says_what_is_lost() -> None:
    assert "all its steps are lost" in run_view.stop_words(RUN)
    kept = replace(RUN, checkpoints=(Checkpoint(10, True), Checkpoint(20, True), Checkpoint(25, False)))
    assert "after step 20 are lost" in run_view.stop_words(kept)
    assert "queue" in run_view.stop_words(replace(RUN, state=RunState.QUEUED))
    assert run_view.stop_words(OTHER) == ""


def test_no_text_of_a_run_becomes_markup() -> None:
    config = TrainingConfig(target_modules="q_proj", base_model="<img src=y>")
    shown = (
        run_view.run_card(HOSTILE, "<img>"),
        run_view.live_line([replace(HOSTILE, state=RunState.TRAINING)]),
        run_history.history([HOSTILE]),
        comparison([HOSTILE, RUN], [config, TrainingConfig()], False),
    )
    for one in shown:
        assert "<img" not in one and "<script" not in one
        assert "\n" not in one


def test_history_shows_first_and_last_loss_of_each_kind_and_both_names() -> None:
    table = run_history.history([replace(RUN, title="Nephrology pilot")])
    assert (
        "4.25 → 3.50" in table
        and "4.50 → 3.75" in table
        and "02 Jan 2026<br>03:04" in table
        and "30 of 120<br>1 min 15 s" in table
    )
    assert "Nephrology pilot" in table and ">pilot<" in table
    assert "Training loss from 4.25 to 3.50" in table


def test_times_are_words() -> None:
    assert [run_view.duration(s) for s in (0, 59.6, 61, 7500)] == ["0 s", "1 min 0 s", "1 min 1 s", "2 h 5 min"]
    assert [run_view.about(s) for s in (5, 55, 200, 7500, 7.6e6)] == [
        "less than a minute",
        "about 1 minute",
        "about 3 minutes",
        "about 2 h 5 min",
        "about 88 days",
    ]


def test_compared_runs_show_only_what_differs_and_count_the_rest() -> None:
    configs = [TrainingConfig(), TrainingConfig(learning_rate=0.001)]
    alone = comparison([RUN, OTHER], configs, True)
    assert "Learning rate</th><td>0.004</td><td>0.001</td>" in alone and "LoRA rank" not in alone
    assert "settings are the same in all and left out" in alone
    everything = comparison([RUN, OTHER], configs, False)
    assert "LoRA rank" in everything and "≠" in everything
    assert "All settings are the same." in comparison([RUN, OTHER], [TrainingConfig()] * 2, True)


def test_compared_runs_say_whether_their_held_out_losses_may_be_compared() -> None:
    same = [TrainingConfig(), TrainingConfig(learning_rate=0.001)]
    assert "may be compared" in comparison([RUN, OTHER], same, True)
    apart = comparison([RUN, OTHER], [TrainingConfig(), TrainingConfig(max_rows=8)], True)
    assert "cannot be compared directly" in apart and "differ in Rows to use" in apart
    assert "cannot be read" in comparison([RUN, OTHER], [TrainingConfig(), None], True)


def test_one_run_alone_is_not_compared() -> None:
    assert "Choose two or more runs" in comparison([RUN], [TrainingConfig()], True)


points = st.builds(
    LossPoint,
    step=st.integers(0, 2000),
    loss=st.floats(0, 1e4, allow_subnormal=False),
    held_out=st.booleans(),
    learning_rate=st.none() | st.floats(0, 1, allow_subnormal=False),
    grad_norm=st.none() | st.floats(0, 1e6, allow_subnormal=False),
)


def drawings(drawn: str) -> list[ElementTree.Element]:
    """Every SVG of some HTML, checked: it parses, it has a text alternative, all lies inside its frame."""
    found = [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", drawn)]
    for svg in found:
        width, height = (float(one) for one in svg.attrib["viewBox"].split()[2:])
        assert svg.attrib["role"] == "img" and svg.attrib["aria-label"]
        for line in svg.iter("polyline"):
            for x, y in re.findall(r"([-\d.]+),([-\d.]+)", line.attrib["points"]):
                assert 0 <= float(x) <= width and 0 <= float(y) <= height
        for dot in svg.iter("circle"):
            assert 0 <= float(dot.attrib["cx"]) <= width and 0 <= float(dot.attrib["cy"]) <= height
    return found


@given(st.lists(points, max_size=15), st.integers(0, 2000))
def test_any_curve_is_well_formed_and_stays_inside_its_frame(losses: list[LossPoint], total: int) -> None:
    assert len(drawings(loss_chart(losses, total))) == (1 if losses else 0)
    drawings(measure_charts(losses, total))
    drawings(sparkline(losses))
    runs = [replace(RUN, losses=tuple(losses)), OTHER]
    drawings(comparison(runs, [TrainingConfig()] * 2, True))


def test_the_curve_says_in_words_what_it_shows() -> None:
    drawn = loss_chart(RUN.losses, 120)
    assert "Training loss 4.25 at step 1, 3.50 at step 2." in drawn
    assert "held-out rows 4.50 at step 0, 3.75 at step 2." in drawn
