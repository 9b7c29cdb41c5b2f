"""The outcomes of the table, and how each is read from what a rater said of one showing."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from medreason.domain.arms import ARMS, Arm
from medreason.domain.instrument import HIGHEST, LOWEST, SCALES, Axis
from medreason.stats.records import (
    ANSWER_ONLY,
    MAJOR_SEVERITY,
    OMISSION,
    PHASES,
    TICK,
    WITH_TRACE,
    RatingRecord,
    SpanRecord,
)
from medreason.stats.showings import Showing

ORDINAL, BINARY, COUNT, PAIRWISE, CONTINUOUS = "ordinal", "binary", "count", "pairwise", "continuous"
PREFERENCE = "preference"
PER_ANSWER, PER_1000_TOKENS = "hallucinations_per_answer", "hallucinations_per_1000_tokens"
TIME = "time"


@dataclass(frozen=True)
class Outcome:
    """One row of the table. `direction`: 1 higher is better, −1 lower is better, 0 neither; `categories` all
    points that a rating can take, or none; `best` the point of the best bin."""

    id: str
    label: str
    kind: str
    direction: int = 1
    categories: tuple[int, ...] = ()
    best: int | None = None


Said = Mapping[Arm, float | None]
"""What a showing says of an outcome in each arm: a number, None for "cannot judge", absent if missing."""
Reader = Callable[[Showing], Said]

POINTS = tuple(range(LOWEST, HIGHEST + 1))
AXIS_OUTCOMES = tuple(Outcome(str(axis), SCALES[axis].name, ORDINAL, 1, POINTS, HIGHEST) for axis in SCALES)
PRIMARY_FAMILY = tuple(outcome.id for outcome in AXIS_OUTCOMES)
FIRST_PHASES = {Axis.DEPTH: (WITH_TRACE,), Axis.CORRECTNESS: PHASES, Axis.HALLUCINATION: PHASES}


def readers(spans: Iterable[SpanRecord], items: Iterable[str]) -> list[tuple[Outcome, Reader]]:
    """Every outcome that is rated arm by arm, with its reader, in the order of the table. `items` are the
    items that occur: a row is added for each sub-item among them, and what does not occur is not looked for."""
    marks, occurring = _by_place(spans), set(items)
    if marks:
        occurring.add(TICK)
    found: list[tuple[Outcome, str, Reader]] = [
        (outcome, outcome.id, scored(outcome.id, FIRST_PHASES[Axis(outcome.id)], _as_given))
        for outcome in AXIS_OUTCOMES
    ]
    found += [_from_item("answer_right", "Final answer right", "final_answer_correct", _highest)]
    for outcome, measure in (
        (_yes("any_hallucination", "Answers with any hallucination", -1), _any),
        (_yes("major_hallucination", "Answers with a major hallucination", -1), _major),
        (Outcome(PER_ANSWER, "Hallucinations per answer", COUNT, -1), _count),
    ):
        found.append((outcome, TICK, _marked(marks, measure)))
    found += [
        _from_item("harm", "Possible harm", "harm_extent", _above_lowest, -1),
        _from_item("omission", "Important omission", "omission", _above_lowest, -1),
        _from_item(
            "coherence", "Coherence: answer follows from thinking", "trace_consistent", _highest, 1, (WITH_TRACE,)
        ),
    ]
    for axis in (Axis.CORRECTNESS, Axis.HALLUCINATION):
        label = f"{SCALES[axis].name}: shift on seeing the thinking"
        found.append((Outcome(f"{axis}_phase_shift", label, CONTINUOUS), str(axis), _shift(str(axis))))
    for item in sorted(occurring):
        if item.startswith("sub_"):
            found.append(_from_item(item, item.removeprefix("sub_").replace("_", " "), item, _highest))
    read = [(outcome, reader if item in occurring else _nothing) for outcome, item, reader in found]
    return [*read, (Outcome(TIME, "Active time (seconds)", CONTINUOUS, 0), _seconds)]


def _from_item(
    name: str,
    label: str,
    item: str,
    recode: Callable[[RatingRecord], float],
    direction: int = 1,
    phases: Sequence[str] = PHASES,
) -> tuple[Outcome, str, Reader]:
    return _yes(name, label, direction), item, scored(item, phases, recode)


def _nothing(showing: Showing) -> Said:
    return {}


def scored(item: str, phases: Sequence[str], recode: Callable[[RatingRecord], float]) -> Reader:
    """Reads one item from the first of `phases` in which both arms have it, so that the two arms of a pair
    are always compared in one phase."""

    def read(showing: Showing) -> Said:
        said: dict[Arm, float | None] = {}
        for phase in phases:
            said = {arm: _mean(records, recode) for arm in ARMS if (records := showing.of(item, phase, arm))}
            if len(said) == len(ARMS):
                break
        return said

    return read


def preference_outcome(axis: str) -> Outcome:
    """Overall preference, or that on one axis; −3 to 3, positive where the fine-tuned arm is better."""
    points = tuple(range(-3, 4))
    if axis in PRIMARY_FAMILY:
        return Outcome(
            f"{PREFERENCE}_{axis}", f"Preference: {SCALES[Axis(axis)].name.lower()}", PAIRWISE, 1, points
        )
    return Outcome(PREFERENCE, "Overall preference", PAIRWISE, 1, points)


def _yes(name: str, label: str, direction: int = 1) -> Outcome:
    return Outcome(name, label, BINARY, direction, (0, 1))


def _as_given(record: RatingRecord) -> float:
    return float(record.value or 0)


def _highest(record: RatingRecord) -> float:
    """Yes only at the top: "partly" is not right."""
    return float(record.value == record.scale_max)


def _above_lowest(record: RatingRecord) -> float:
    """Anything but "none"."""
    return float((record.value or 0) > record.scale_min)


def _mean(records: Sequence[RatingRecord], recode: Callable[[RatingRecord], float]) -> float | None:
    values = [recode(one) for one in records if one.value is not None]
    return sum(values) / len(values) if values else None


Marks = Mapping[tuple[str, str, str], Sequence[SpanRecord]]


def _by_place(spans: Iterable[SpanRecord]) -> Marks:
    placed = defaultdict(list)
    for span in spans:
        placed[(span.rater_id, span.case_id, str(span.arm))].append(span)
    return placed


def _any(spans: Sequence[SpanRecord]) -> float:
    return float(bool(spans))


def _major(spans: Sequence[SpanRecord]) -> float:
    return float(any(span.severity >= MAJOR_SEVERITY for span in spans))


def _count(spans: Sequence[SpanRecord]) -> float:
    return float(len(spans))


def _marked(marks: Marks, measure: Callable[[Sequence[SpanRecord]], float]) -> Reader:
    """Reads marks. An answer without a mark and without the tick "none found" is missing, not free of
    invention; a mark that only says "cannot verify" shows that the rater looked, and counts as none."""

    def read(showing: Showing) -> Said:
        said: dict[Arm, float | None] = {}
        for arm in ARMS:
            own = showing.answers[arm]
            spans = [
                span
                for span in marks.get((showing.rater, showing.case, str(arm)), ())
                if span.type != OMISSION
                and span.case_kind in ("", showing.case_kind)
                and (span.presentation_id in ("", showing.presentation) or not showing.presentation)
                and (not span.generation_id or not own or span.generation_id in own)
            ]
            ticked = any(one.value == 1 for phase in PHASES for one in showing.of(TICK, phase, arm))
            if spans or ticked:
                said[arm] = measure([span for span in spans if span.is_hallucination])
        return said

    return read


def _shift(item: str) -> Reader:
    before, after = (scored(item, (phase,), _as_given) for phase in (ANSWER_ONLY, WITH_TRACE))

    def read(showing: Showing) -> Said:
        first, then = before(showing), after(showing)
        said: dict[Arm, float | None] = {}
        for arm in ARMS:
            if arm in first and arm in then:
                one, other = first[arm], then[arm]
                said[arm] = None if one is None or other is None else other - one
        return said

    return read


def _seconds(showing: Showing) -> Said:
    """Active time over the phases; a phase's time is written on each of its items and counts once."""
    longest: dict[tuple[Arm, str], int] = {}
    for (_, phase, arm), records in showing.scores.items():
        for one in records:
            if one.active_ms is not None:
                longest[(arm, phase)] = max(longest.get((arm, phase), 0), one.active_ms)
    said: dict[Arm, float | None] = {}
    for (arm, _), milliseconds in longest.items():
        said[arm] = (said.get(arm) or 0.0) + milliseconds / 1000
    return said
