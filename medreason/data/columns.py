"""Which columns of foreign data are the question, the thinking and the answer: written down, read, proposed."""

import difflib
import re
from collections.abc import Iterable, Sequence

from medreason.domain.dataset import COLUMNS
from medreason.errors import MedReasonError

# What other data sets call the three columns, most usual first.
OTHER_NAMES = {
    "Question": ("question", "prompt", "instruction", "query", "problem", "input", "case", "vignette"),
    "Complex_CoT": (
        "complex_cot",
        "cot",
        "thinking",
        "reasoning",
        "chain_of_thought",
        "thought",
        "rationale",
        "trace",
    ),
    "Response": ("response", "answer", "output", "completion", "final_answer", "solution", "target", "reply"),
}
ALIKE_NAMES = 0.75


def columns_of(text: str) -> tuple[tuple[str, str], ...]:
    """The mapping that “Question=prompt, Complex_CoT=cot” writes down, in the order of COLUMNS."""
    known = {column.casefold(): column for column in COLUMNS}
    found: dict[str, str] = {}
    for part in filter(str.strip, text.split(",")):
        left, equals, right = (piece.strip() for piece in part.partition("="))
        column = known.get(left.casefold())
        if not equals or not right or column is None or column in found:
            raise MedReasonError(
                f"The columns “{text.strip()[:200]}” cannot be read. Write them as Question=…, Complex_CoT=…, "
                "Response=…, each at most once."
            )
        found[column] = right
    return tuple((column, found[column]) for column in COLUMNS if found.get(column, column) != column)


def propose_columns(names: Sequence[str]) -> str:
    """Which columns are most likely the question, the thinking and the answer, written as `columns_of` reads it;
    empty where they have their usual names or nothing fits."""
    taken: set[str] = set()
    pairs = []
    for column in COLUMNS:
        best = column if column in names else _most_alike(column, [name for name in names if name not in taken])
        taken.add(best)
        if best and best != column and best == best.strip() and "," not in best:
            pairs.append(f"{column}={best}")
    return ", ".join(pairs)


def _most_alike(column: str, names: Iterable[str]) -> str:
    plain = {name: re.sub(r"[^a-z]+", "_", name.casefold()).strip("_") for name in names if name not in COLUMNS}
    for other in OTHER_NAMES[column]:
        for name, written in plain.items():
            if written == other:
                return name
    scored = [
        (difflib.SequenceMatcher(None, written, other).ratio(), name)
        for name, written in plain.items()
        for other in OTHER_NAMES[column]
    ]
    return max((found for found in scored if found[0] >= ALIKE_NAMES), default=(0.0, ""))[1]
