"""How long an evaluation takes; each drill prints its figures. On a shared machine the time of its own
process is what counts where that is less than the time by the clock."""

import time

import numpy as np
import pytest

from medreason.domain.arms import ARMS, Side
from medreason.stats.evaluation import Evaluation, evaluate
from medreason.stats.records import ANSWER_ONLY, TICK, WITH_TRACE, PairRecord, RatingRecord, SpanRecord

YES_NO = {"final_answer_correct": 2, "harm_extent": 3, "omission": 2, "trace_consistent": 1}


Records = tuple[list[RatingRecord], list[PairRecord], list[SpanRecord]]


def study(n_cases: int, n_raters: int, full: bool) -> Records:
    """Three axes and a preference; where `full` also four yes-or-no items and marks, ten outcomes in all."""
    rng = np.random.default_rng(6)
    ratings, pairs, spans = [], [], []
    for c in range(n_cases):
        gain = rng.normal()
        for r in range(n_raters):
            case, rater, left = f"c{c}", f"R{r}", ARMS[int(rng.integers(2))]
            values = np.clip(np.round(3.3 + gain * np.array([[-0.4], [0.4]]) + rng.normal(size=(2, 3))), 1, 5)
            for arm, scores in zip(ARMS, values.astype(int).tolist(), strict=True):
                common = {
                    "presentation_id": f"{c}-{r}",
                    "side": Side.LEFT if arm is left else Side.RIGHT,
                    "generation_id": f"{c}{arm}",
                }
                for item, value in zip("DFH", scores, strict=True):
                    ratings.append(RatingRecord(rater, case, arm, item, value, **common))
                if not full:
                    continue
                for item, top in YES_NO.items():
                    value, scale = int(rng.integers(top + 1)), {"scale_min": 0, "scale_max": top}
                    phase = WITH_TRACE if top == 1 else ANSWER_ONLY
                    ratings.append(RatingRecord(rater, case, arm, item, value, phase=phase, **scale, **common))
                ratings.append(RatingRecord(rater, case, arm, TICK, 1, scale_min=0, **common))
                if rng.random() < 0.3:
                    severity = int(rng.integers(1, 5))
                    spans.append(SpanRecord(rater, case, arm, "fabricated_fact", severity, f"{c}{arm}"))
            lead = int(values[1, 0] - values[0, 0])
            pairs.append(PairRecord(rater, case, max(-3, min(3, lead)), left))
    return ratings, pairs, spans


def timed(n_cases: int, n_raters: int, full: bool) -> tuple[float, Evaluation]:
    records = study(n_cases, n_raters, full)
    clock, own = time.perf_counter(), time.process_time()
    made = evaluate(*records)
    clock, own = time.perf_counter() - clock, time.process_time() - own
    what = "ten outcomes" if full else "three axes and a preference"
    print(f"\n{n_cases} cases × {n_raters} raters, {what}: {clock:.1f} s by the clock, {own:.1f} s of computing")
    return min(clock, own), made


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """What an evaluation imports is imported once for a process, so it is not part of its time."""
    evaluate(*study(6, 10, full=True))


def test_sixty_cases_by_twelve_raters_in_three_seconds():
    seconds, made = timed(60, 12, full=True)
    judged = [row.outcome.id for row in made.rows if row.n_cases == 60 and row.outcome.id in OUTCOMES]
    assert len(judged) == len(OUTCOMES) == 10 and made.resampling.n_boot == 9_999
    assert seconds < 3


@pytest.mark.parametrize("n_cases, n_raters", [(1_000, 10), (10_000, 1)])
def test_ten_thousand_ratings_in_ten_seconds(n_cases: int, n_raters: int):
    seconds, made = timed(n_cases, n_raters, full=False)
    assert made.row("D").n_paired == 10_000
    assert seconds < 10


OUTCOMES = {
    *("D", "F", "H", "coherence", "preference", "answer_right"),
    *("any_hallucination", "major_hallucination", "harm", "omission"),
}
