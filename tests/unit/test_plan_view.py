"""What the Train tab shows before a run is started, made from values alone."""

from dataclasses import replace

from medreason.domain.estimate import Estimate, Finding, Machine, Part, Severity
from medreason.services.training_plan import PlannedRows
from medreason.ui import plan_view

GIB = 1024**3
ESTIMATE = Estimate(
    gpu_memory=(Part("Weights", 16 * GIB, "8.2 billion × 2 bytes"), Part("Adapter", 2 * GIB, "4 × 0.5 GiB")),
    disk=(Part("Checkpoints", GIB, "3 × 0.3 GiB"),),
    time=(Part("Steps", 1320.0, "1,170 × 1.13 s"),),
    steps=1170,
    measured_by="run-07",
)
ROWS = PlannedRows(read=19_704, train=4_750, held_out=250, tokens=675.0, cut=0.012)
MACHINE = Machine("H100", 1, 80 * GIB, 72 * GIB, 128 * GIB, 16, 100 * GIB)


def test_an_estimate_is_marked_as_one_and_shows_every_formula() -> None:
    shown = plan_view.estimate_view(ESTIMATE, MACHINE, ROWS)
    assert ">estimate<" in shown and "1,170 steps" in shown
    for words in ("18.0 GiB of 72.0 GiB free", "about 22 minutes", "run run-07", "1.0 GiB of 100.0 GiB free"):
        assert words in shown
    for formula in ("8.2 billion × 2 bytes", "4 × 0.5 GiB", "3 × 0.3 GiB", "1,170 × 1.13 s"):
        assert formula in shown
    assert 'aria-valuenow="25"' in shown


def test_rows_are_counted_and_what_was_assumed_is_said() -> None:
    shown = plan_view.estimate_view(ESTIMATE, MACHINE, replace(ROWS, assumed="Lengths are assumed <b>."))
    assert "5,000 of 19,704 rows: 4,750 to learn from, 250 held out" in shown
    assert "1.2% of the rows lose their end. Lengths are assumed &lt;b&gt;." in shown


def test_what_does_not_fit_is_said_in_words_and_not_by_colour_alone() -> None:
    small = replace(MACHINE, gpu_memory=24 * GIB, gpu_memory_free=12 * GIB)
    assert "more than there is" in plan_view.estimate_view(ESTIMATE, small, ROWS)
    assert "tight" in plan_view.estimate_view(ESTIMATE, replace(MACHINE, gpu_memory_free=19 * GIB), ROWS)


def test_without_a_gpu_the_computers_memory_is_meant() -> None:
    shown = plan_view.estimate_view(ESTIMATE, Machine(memory=32 * GIB, disk_free=GIB), ROWS)
    assert "18.0 GiB of 32.0 GiB" in shown and "no GPU" in shown and "GPU memory" not in shown


def test_the_time_of_one_pass_stands_beside_that_of_the_run() -> None:
    shown = plan_view.estimate_view(replace(ESTIMATE, pass_seconds=900.0), MACHINE, ROWS)
    assert "One pass over the rows to learn from: about 15 minutes." in shown


def test_a_time_that_is_not_known_is_not_promised() -> None:
    shown = plan_view.estimate_view(replace(ESTIMATE, time=(), measured_by=""), MACHINE, ROWS)
    assert "shows after the first steps" in shown and "minute" not in shown


def test_errors_come_first_and_are_told_apart_from_warnings_by_words() -> None:
    findings = (
        Finding(Severity.WARNING, "overlap", "Two cases overlap <b>."),
        Finding(Severity.ERROR, "disk", "The disk is full."),
    )
    shown = plan_view.findings_view(findings)
    assert shown.index("Cannot start.") < shown.index("Warning.")
    assert "&lt;b&gt;" in shown
    assert plan_view.blocks(findings) and not plan_view.blocks(findings[:1])
    assert plan_view.findings_view(()) == ""


def test_bytes_are_words() -> None:
    assert [plan_view.size(n) for n in (0, 3e5, 5e8, 1.5 * GIB)] == ["none", "1 MiB", "477 MiB", "1.5 GiB"]
