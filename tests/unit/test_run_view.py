"""What the Train tab shows of a run: figures, words and the loss curve, made from values alone."""

import re
from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.training import LossPoint, RunState, RunStatus
from medreason.services.training_plan import Plan
from medreason.ui import run_view
from medreason.ui.loss_chart import loss_chart

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


def test_a_live_run_tells_step_time_left_and_its_share() -> None:
    card = run_view.run_card(RUN)
    assert "step 30 of 120 · about 3 minutes left · 1 min 15 s so far" in card
    assert 'role="progressbar"' in card and 'aria-valuenow="25"' in card


def test_a_completed_run_names_the_next_step_and_has_no_bar() -> None:
    card = run_view.run_card(replace(RUN, state=RunState.COMPLETED, seconds_left=None))
    assert "Adapter ready. Compare it with the baseline." in card
    assert "progressbar" not in card and "left" not in card


def test_a_failed_run_says_what_happened() -> None:
    card = run_view.run_card(replace(RUN, state=RunState.FAILED, message="The GPU ran out of memory."))
    assert "mr-fault" in card and "The GPU ran out of memory." in card


def test_no_text_of_a_run_becomes_markup() -> None:
    hostile = replace(RUN, name="<img src=x>", message="<script>", started_at="<b>", state=RunState.LOST)
    for shown in (run_view.run_card(hostile), run_view.history([hostile])):
        assert "<img" not in shown and "<script" not in shown
        assert "\n\n" not in shown


def test_a_plan_promises_a_time_only_where_it_was_measured() -> None:
    plan = Plan(rows=64, rows_in_file=165, held_out=3, steps=122)
    assert "64 of 165 rows: 61 to learn from, 3 held out" in run_view.plan_line(plan)
    assert "minute" not in run_view.plan_line(plan)
    measured = replace(plan, seconds=250.0, measured_by="demo")
    assert "about 4 minutes, going by run demo on this computer" in run_view.plan_line(measured)


def test_history_shows_first_and_last_loss_of_each_kind() -> None:
    table = run_view.history([RUN])
    assert "4.25 → 3.50" in table and "4.50 → 3.75" in table and "02 Jan 2026, 03:04" in table


def test_times_are_words() -> None:
    assert [run_view.duration(s) for s in (0, 59.6, 61, 7500)] == ["0 s", "1 min 0 s", "1 min 1 s", "2 h 5 min"]
    assert [run_view.about(s) for s in (5, 55, 200, 7500)] == [
        "less than a minute",
        "about 1 minute",
        "about 3 minutes",
        "about 2 h 5 min",
    ]


points = st.builds(
    LossPoint, step=st.integers(0, 2000), loss=st.floats(0, 1e4, allow_subnormal=False), held_out=st.booleans()
)


@given(st.lists(points, max_size=40), st.integers(0, 2000))
def test_any_curve_is_well_formed_and_stays_inside_its_frame(losses: list[LossPoint], total: int) -> None:
    drawn = loss_chart(losses, total)
    if not losses:
        assert drawn == ""
        return
    svg = ElementTree.fromstring(drawn)
    width, height = (float(one) for one in svg.attrib["viewBox"].split()[2:])
    assert svg.attrib["role"] == "img" and svg.attrib["aria-label"]
    for line in svg.iter("polyline"):
        for x, y in re.findall(r"([-\d.]+),([-\d.]+)", line.attrib["points"]):
            assert 0 <= float(x) <= width and 0 <= float(y) <= height
    for dot in svg.iter("circle"):
        assert 0 <= float(dot.attrib["cx"]) <= width and 0 <= float(dot.attrib["cy"]) <= height


def test_the_curve_says_in_words_what_it_shows() -> None:
    drawn = loss_chart(RUN.losses, 120)
    assert "Training loss 4.25 at step 1, 3.50 at step 2." in drawn
    assert "held-out rows 4.50 at step 0, 3.75 at step 2." in drawn
