"""Which two answers were shown together: read from the ratings, which name the answer on each side."""

from typing import NamedTuple

from medreason.domain.arms import ARMS, Arm
from medreason.domain.pack import GenerationRow, PackData


class AnswerPair(NamedTuple):
    """One case's two answers, one of each arm."""

    case: str
    baseline: GenerationRow
    finetuned: GenerationRow


def answer_pairs(data: PackData) -> list[AnswerPair]:
    """Every rated pair of a baseline's and a fine-tuned answer once, in the order of cases and answers."""
    by_id = {row.generation_id: row for row in data.generations}
    shown: dict[tuple[str, str, str], dict[str, str]] = {}
    for row in data.ratings:
        if row.generation_id in by_id:
            shown.setdefault((row.rater_id, row.case_id, row.presentation_id), {})[row.arm] = row.generation_id
    pairs = {
        (case, answers[Arm.BASELINE], answers[Arm.FINETUNED])
        for (_, case, _), answers in shown.items()
        if all(arm in answers for arm in ARMS)
    }
    return [AnswerPair(case, by_id[one], by_id[other]) for case, one, other in sorted(pairs)]
