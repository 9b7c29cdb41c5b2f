"""From the rows of a pack to the evaluation: the one way, for the page, the pack and files made elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medreason.domain.arms import Arm, Side
from medreason.domain.pack import PackData, PairRow, RatingRow
from medreason.stats.bootstrap import DEFAULT, Resampling
from medreason.stats.evaluation import CONFIRMATORY, Evaluation, evaluate
from medreason.stats.records import (
    STUDY,
    GenerationRecord,
    PairRecord,
    PlantedError,
    RatingRecord,
    SpanRecord,
)

EXPLORATORY = ("exploratory",)


@dataclass(frozen=True)
class Records:
    """What `stats` computes from, and the analysis set: confirmatory ratings where there are any."""

    ratings: tuple[RatingRecord, ...]
    pairs: tuple[PairRecord, ...]
    spans: tuple[SpanRecord, ...]
    generations: tuple[GenerationRecord, ...]
    planted: tuple[PlantedError, ...]
    modes: tuple[str, ...]


def records(data: PackData) -> Records:
    """Raises `Invalid` where a row holds what no rating can be."""
    ratings = tuple(map(_rating, data.ratings))
    modes = modes_of(data.ratings, data.pairs)
    return Records(
        ratings=ratings,
        pairs=tuple(_pairs(data.pairs, data.ratings, modes[0])),
        spans=tuple(
            SpanRecord(
                rater_id=row.rater_id,
                case_id=row.case_id,
                arm=_arm(row.arm),
                type=row.type,
                severity=row.severity,
                generation_id=row.generation_id,
                target=row.target,
                start=row.start,
                end=row.end,
                basis=row.basis,
                presentation_id=row.presentation_id,
                case_kind=row.case_kind,
            )
            for row in data.spans
        ),
        generations=tuple(
            GenerationRecord(row.generation_id, row.thinking_tokens or 0, row.answer_tokens)
            for row in data.generations
            if row.answer_tokens is not None
        ),
        planted=tuple(
            PlantedError(row.case_id, _arm(row.arm), row.target, row.start, row.end) for row in data.planted
        ),
        modes=modes,
    )


def evaluated(data: PackData, resampling: Resampling = DEFAULT) -> Evaluation:
    """Every number of the evaluation table; seconds for thousands of ratings."""
    given = records(data)
    return evaluate(
        given.ratings, given.pairs, given.spans, given.generations, given.planted, given.modes, resampling
    )


def modes_of(ratings: Iterable[RatingRow], pairs: Iterable[PairRow] = ()) -> tuple[str, ...]:
    """The analysis set: confirmatory where there is such a rating, else exploratory where there is one."""
    there = {row.mode for row in ratings} | {row.mode for row in pairs}
    return EXPLORATORY if "exploratory" in there and "confirmatory" not in there else CONFIRMATORY


def _arm(name: str, side: str = "") -> Arm:
    """Before unblinding X and Y stand for two arms, whichever they are: agreement does not depend on it. Controls
    that no arm has answered are told apart by their sides."""
    if name in ("X", "Y"):
        return Arm.BASELINE if name == "X" else Arm.FINETUNED
    return Arm(name) if name else Arm.FINETUNED if side == Side.RIGHT else Arm.BASELINE


def _rating(row: RatingRow) -> RatingRecord:
    return RatingRecord(
        rater_id=row.rater_id,
        case_id=row.case_id,
        arm=_arm(row.arm, row.side),
        item=row.item,
        value=row.value,
        study_id=row.study_id,
        presentation_id=row.presentation_id,
        mode=row.mode,
        case_kind=row.case_kind,
        repeat_of=row.repeat_of,
        side=Side(row.side) if row.side else None,
        generation_id=row.generation_id,
        phase=row.phase,
        scale_min=row.scale_min,
        scale_max=row.scale_max,
        confidence=row.confidence,
        active_ms=row.active_ms,
        revision_no=row.revision_no,
        superseded=row.superseded,
        blinded=row.blinded,
        case_position=row.case_position,
    )


def _pairs(pairs: Sequence[PairRow], ratings: Sequence[RatingRow], mode: str) -> Iterable[PairRecord]:
    """Comparisons that say nothing of their mode and kind of case have those of the ratings beside them."""
    beside = {(row.rater_id, row.case_id): (row.mode, row.case_kind) for row in ratings if row.case_kind != STUDY}
    beside |= {(row.rater_id, row.case_id): (row.mode, row.case_kind) for row in ratings if row.case_kind == STUDY}
    for row in pairs:
        own_mode, own_kind = beside.get((row.rater_id, row.case_id), (mode, STUDY))
        yield PairRecord(
            rater_id=row.rater_id,
            case_id=row.case_id,
            pref_ft=row.pref_ft,
            left_arm=_arm(row.left_arm),
            axis=row.axis,
            pair_id=row.presentation_id or row.pair_id,
            raw_left_right=row.raw_left_right,
            both_unacceptable=row.both_unacceptable,
            mode=row.mode or own_mode,
            case_kind=row.case_kind or own_kind,
            confidence=row.confidence,
            arm_guess=row.arm_guess,
            len_tokens_left=row.len_tokens_left,
            len_tokens_right=row.len_tokens_right,
            headers_left=row.headers_left,
            headers_right=row.headers_right,
            lists_left=row.lists_left,
            lists_right=row.lists_right,
            bold_left=row.bold_left,
            bold_right=row.bold_right,
            superseded=row.superseded,
        )
