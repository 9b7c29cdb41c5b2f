"""The evaluation table from files alone: no store, no server. What the command `table` does."""

import json
from dataclasses import dataclass
from pathlib import Path

from medreason.data.pack_files import read_generations, read_pairs, read_ratings, read_spans
from medreason.domain.pack import PackData, StudyFacts
from medreason.errors import MedReasonError
from medreason.services import in_words
from medreason.services.evaluating import evaluated, modes_of
from medreason.services.readable import Readable, readable
from medreason.stats.bootstrap import DEFAULT, Resampling
from medreason.stats.columns import table
from medreason.stats.evaluation import Evaluation


@dataclass(frozen=True)
class Tabulated:
    """The evaluation of some files, as people read it."""

    evaluation: Evaluation
    readable: Readable

    def as_json(self) -> str:
        return table_json(self.evaluation, self.readable.warnings)


def table_json(evaluation: Evaluation, warnings: tuple[str, ...]) -> str:
    """`{"rows": [one object per outcome], "warnings": [...]}`, null where there is no number."""
    content = {"rows": table(evaluation), "warnings": list(warnings)}
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def tabulate(
    ratings: Path,
    pairs: Path | None = None,
    spans: Path | None = None,
    generations: Path | None = None,
    resampling: Resampling = DEFAULT,
) -> Tabulated:
    """Evaluate files with the columns of a pack. Raises `MedReasonError` with row and column for a bad file."""
    rows = read_ratings(ratings)
    compared = read_pairs(pairs) if pairs else ()
    mode = modes_of(rows, compared)[0]
    data = PackData(
        study=StudyFacts(study_id=rows[0].study_id, title=ratings.name, mode=mode, state="closed", unblinded=True),
        ratings=rows,
        pairs=compared,
        spans=read_spans(spans) if spans else (),
        generations=read_generations(generations) if generations else (),
    )
    evaluation = evaluated(data, resampling)
    return Tabulated(evaluation, readable(evaluation, in_words.warnings(evaluation, data)))


def write(path: Path, text: str) -> None:
    """Put the result where it was asked for; raises `MedReasonError` where that cannot be."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as fault:
        raise MedReasonError(
            f"The file {path} cannot be written ({fault.strerror or fault}). Choose another place."
        ) from fault
