"""Agreement on passages, and values case by case, against numbers worked out by hand."""

import pytest

from medreason.domain.arms import ARMS, Arm
from medreason.services.evaluating import evaluated
from medreason.stats.bootstrap import Resampling
from medreason.stats.estimate import NA, Estimate, Interval
from medreason.stats.lengths import described
from medreason.stats.records import TICK, RatingRecord, SpanRecord
from medreason.stats.span_agreement import NO_OVERLAP, NOT_TWICE, NOTHING_MARKED, ONE_TYPE, span_agreement
from tests.packs import study_pack

QUICK = Resampling(n_boot=99)
MODES = ("confirmatory",)


def shown(rater: str, case: str = "a", ticked: int | None = None, item: str = TICK) -> RatingRecord:
    return RatingRecord(rater, case, Arm.BASELINE, item, ticked, scale_min=0)


def mark(rater: str, start: int, end: int, kind: str = "fabricated_fact", case: str = "a", **others) -> SpanRecord:
    return SpanRecord(rater, case, Arm.BASELINE, kind, 2, start=start, end=end, **others)


def agreed(ratings, spans):
    return span_agreement(ratings, spans, MODES, QUICK)


def test_f1_is_the_share_of_characters_in_common():
    both = [shown("R1"), shown("R2")]
    made = agreed(both, [mark("R1", 0, 10), mark("R2", 5, 15)])
    assert (made.f1.value, made.n_answers, made.n_overlaps, made.n_raters) == (0.5, 1, 1, 2)
    assert agreed(both, [mark("R1", 0, 10), mark("R2", 0, 10)]).f1.value == 1.0
    apart = agreed(both, [mark("R1", 0, 10), mark("R2", 0, 10, target="trace")])
    assert (apart.f1.value, apart.type_kappa) == (0.0, Estimate.missing(NO_OVERLAP))


def test_overlapping_marks_of_one_rater_count_once():
    made = agreed([shown("R1"), shown("R2")], [mark("R1", 0, 10), mark("R1", 5, 10), mark("R2", 0, 10)])
    assert made.f1.value == 1.0


def test_a_tick_says_that_nothing_is_there_and_silence_says_nothing():
    ticked = agreed([shown("R1"), shown("R2", ticked=1)], [mark("R1", 0, 10)])
    assert (ticked.f1.value, ticked.n_answers) == (0.0, 1)
    silent = agreed([shown("R1"), shown("R2", item="D", ticked=None)], [mark("R1", 0, 10)])
    assert silent.f1 == Estimate.missing(NOT_TWICE)
    nothing = agreed([shown("R1", ticked=1), shown("R2", ticked=1)], [])
    assert nothing.f1.value == NA(NOTHING_MARKED)


def test_what_could_not_be_verified_and_omissions_take_no_part():
    marks = [
        mark("R1", 0, 9),
        mark("R2", 0, 9),
        mark("R2", 20, 30, basis="cannot verify"),
        mark("R2", 0, 0, "omission"),
    ]
    assert agreed([shown("R1"), shown("R2")], marks).f1.value == 1.0


def test_kappa_of_types_by_hand():
    # Two cases: same types; one case: different. Table in both orders: aa 2, bb 2, ab 1, ba 1; kappa 1/3.
    ratings = [shown(rater, case) for rater in ("R1", "R2") for case in "abc"]
    kinds = {"a": ("x", "x"), "b": ("y", "y"), "c": ("x", "y")}
    marks = [mark(r, 0, 5, kinds[case][i], case) for case in kinds for i, r in enumerate(("R1", "R2"))]
    made = agreed(ratings, marks)
    assert made.type_kappa.value == pytest.approx((4 / 6 - 0.5) / 0.5) and made.n_overlaps == 3
    same = agreed(ratings, [mark(r, 0, 5, "x", case) for case in "abc" for r in ("R1", "R2")])
    assert same.type_kappa.value == NA(ONE_TYPE)


def test_ten_cases_give_an_interval():
    ratings = [shown(rater, f"c{c}") for c in range(12) for rater in ("R1", "R2")]
    marks = [mark("R1", 0, 10, case=f"c{c}") for c in range(12)]
    marks += [mark("R2", c % 4, 10, case=f"c{c}") for c in range(12)]
    made = agreed(ratings, marks)
    assert isinstance(made.f1.interval, Interval) and made.f1.interval.low < made.f1.value < made.f1.interval.high  # type: ignore[operator]


def test_cases_are_what_the_table_is_made_of():
    made = evaluated(study_pack(12, 3), QUICK)
    cases = {row.outcome.id: row.cases for row in made.rows}
    for row in made.rows:
        own = row.cases
        if not own or isinstance(row.wins, NA):
            continue
        assert len(own) == row.n_cases
        assert sum(one.difference for one in own) / len(own) == pytest.approx(row.difference.value, abs=1e-9)
        verdicts = [one.verdict for one in own]
        assert (verdicts.count("win"), verdicts.count("tie"), verdicts.count("loss")) == (
            row.wins,
            row.ties,
            row.losses,
        )
        assert all(one.lowest <= one.difference + 1e-9 and one.difference <= one.highest + 1e-9 for one in own)
    assert len(ARMS) == 2 and cases["D"][0].baseline is not None and cases["preference"][0].baseline is None


def test_lengths_are_described_pair_by_pair():
    made = described("thinking", [1, 3], [2, 8])
    assert (made.baseline_mean, made.finetuned_median, made.difference, made.n) == (2.0, 5.0, 3.0, 2)
    assert described("thinking", [], []).reason == "no complete pair yet"
    with pytest.raises(ValueError, match="1 baseline values beside 2"):
        described("thinking", [1], [1, 2])
