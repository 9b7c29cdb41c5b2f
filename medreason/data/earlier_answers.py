"""Reads the answers that an evaluation wrote before it was interrupted, so that it can go on where it stopped.

A case counts only where every arm has answered and none failed; a line that was cut off is dropped. Answers of
another model, another sampling or another case text are refused, never mixed in.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medreason.data.answers_file import ahead_of
from medreason.data.table import size_of, unreadable
from medreason.domain.answers import Answer, Counts, Finish, Timings
from medreason.domain.arms import Arm
from medreason.domain.case import Case
from medreason.domain.provenance import ModelProvenance, Provenance
from medreason.domain.sampling import Sampling
from medreason.errors import MedReasonError

SAME = ("base_model", "base_revision", "base_sha256", "adapter_sha256", "precision", "template_sha256", "engine")


@dataclass(frozen=True)
class Earlier:
    """What counts of an earlier file: its lines as they are, by case, and the answers of the cases asked for now.
    Lines of other cases are kept too."""

    lines: dict[str, tuple[str, ...]]
    answers: dict[str, dict[Arm, Answer]]


def read_earlier(
    file: Path, cases: Sequence[Case], arms: Sequence[Arm], sampling: Sampling, model: ModelProvenance
) -> Earlier:
    """The finished cases of `file`, those included that wait beside it for their turn. Raises `MedReasonError`
    where they were asked otherwise than now."""
    known = {case.case_id: case for case in cases}
    found: dict[str, dict[Arm, tuple[str, Answer]]] = {}
    there = [*_lines(file), *(_lines(ahead_of(file)) if ahead_of(file).exists() else ())]
    for number, raw in enumerate(there, 1):
        row = _row(raw)
        if row is None:
            continue
        line = raw.decode("utf-8")
        try:
            proof = Provenance.from_dict(row["provenance"])
            case_id, question, answer = row["case_id"], row["question"], _answer(row)
        except (KeyError, TypeError, ValueError, MedReasonError) as fault:
            raise MedReasonError(
                f"Line {number} of {file.name} is no answer of an evaluation. Give the --out of the earlier run."
            ) from fault
        _require_same(file, number, proof, sampling, model)
        if case_id in known and question != known[case_id].text:
            raise MedReasonError(
                f"Line {number} of {file.name} answers another text of the case {case_id}. Give another --out."
            )
        found.setdefault(case_id, {})[proof.arm] = (line, answer)
    whole = {
        case_id: said
        for case_id, said in found.items()
        if all(arm in said and said[arm][1].finish in (Finish.STOP, Finish.LENGTH) for arm in arms)
    }
    return Earlier(
        {case_id: tuple(said[arm][0] for arm in arms) for case_id, said in whole.items()},
        {case_id: {arm: said[arm][1] for arm in arms} for case_id, said in whole.items() if case_id in known},
    )


def _lines(file: Path) -> list[bytes]:
    size_of(file)
    try:
        return file.read_bytes().split(b"\n")
    except OSError as fault:
        raise unreadable(file, fault) from fault


def _row(line: bytes) -> dict[str, Any] | None:
    """The object of a line; None for a blank one, and for one that the interruption cut off."""
    try:
        row = json.loads(line.decode("utf-8"))
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _answer(row: dict[str, Any]) -> Answer:
    return Answer(
        thinking=row["thinking"],
        text=row["answer"],
        finish=Finish(row["finish"]),
        fault=row["fault"],
        thought=row["thought"],
        closed=row["closed"],
        counts=Counts(**row["counts"]),
        timings=Timings(**row["timings"]),
    )


def _require_same(file: Path, number: int, proof: Provenance, sampling: Sampling, model: ModelProvenance) -> None:
    differs = [name.replace("_", " ") for name in SAME if getattr(proof.model, name) != getattr(model, name)]
    differs += ["sampling"] if proof.sampling != sampling else []
    if differs:
        raise MedReasonError(
            f"Line {number} of {file.name} was answered otherwise ({', '.join(differs)} differ), and one file "
            "never mixes two. Resume with the same model and options, or give another --out."
        )
