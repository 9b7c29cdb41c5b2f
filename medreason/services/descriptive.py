"""What can be counted of the answers without judging them: lengths, form, speed, cut-offs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medreason.domain.arms import ARMS, Arm
from medreason.domain.pack import GenerationRow, PackData
from medreason.services.answer_pairs import AnswerPair, answer_pairs
from medreason.stats.lengths import Described, described
from medreason.text.markers import markers

Measure = Callable[[GenerationRow], float | None]


@dataclass(frozen=True)
class PromptLengths:
    """Tokens of thinking and answer of one pair, baseline first."""

    case: str
    thinking: tuple[int, int]
    answer: tuple[int, int]


@dataclass(frozen=True)
class Descriptive:
    """Measures over `n` rated pairs, the tokens of each pair, and how many answers of each arm ended at the
    token budget. `decimals` of a measure by its name."""

    measures: tuple[Described, ...]
    prompts: tuple[PromptLengths, ...]
    n: int
    truncated: dict[Arm, int]


def descriptive(data: PackData) -> Descriptive:
    pairs = answer_pairs(data)
    counted = [
        pair
        for pair in pairs
        if pair.baseline.answer_tokens is not None and pair.finetuned.answer_tokens is not None
    ]
    return Descriptive(
        measures=tuple(found for name, measure in MEASURES if (found := _described(name, measure, pairs)).n),
        prompts=tuple(
            PromptLengths(
                pair.case,
                (pair.baseline.thinking_tokens or 0, pair.finetuned.thinking_tokens or 0),
                (pair.baseline.answer_tokens or 0, pair.finetuned.answer_tokens or 0),
            )
            for pair in counted
        ),
        n=len(pairs),
        truncated={arm: sum(getattr(pair, str(arm)).finish_reason == "length" for pair in pairs) for arm in ARMS},
    )


def _described(name: str, measure: Measure, pairs: Sequence[AnswerPair]) -> Described:
    """Over the pairs of which both sides are known."""
    both = [(measure(pair.baseline), measure(pair.finetuned)) for pair in pairs]
    known = [(b, f) for b, f in both if b is not None and f is not None]
    return described(name, [b for b, _ in known], [f for _, f in known])


def _thinking(row: GenerationRow) -> float | None:
    return None if row.answer_tokens is None else row.thinking_tokens or 0


def _answer(row: GenerationRow) -> float | None:
    return row.answer_tokens


def _first_token(row: GenerationRow) -> float | None:
    return None if row.ttft_ms is None else row.ttft_ms / 1000


def _speed(row: GenerationRow) -> float | None:
    tokens = (row.thinking_tokens or 0) + (row.answer_tokens or 0)
    return 1000 * tokens / row.total_ms if row.total_ms and tokens else None


def _steps(row: GenerationRow) -> float | None:
    return markers(_whole(row)).steps if _whole(row) else None


def _linking(row: GenerationRow) -> float | None:
    return markers(_whole(row)).linking if _whole(row) else None


def _doubt(row: GenerationRow) -> float | None:
    return markers(_whole(row)).doubt if _whole(row) else None


def _whole(row: GenerationRow) -> str:
    return f"{row.thinking_text}\n\n{row.answer_text}".strip()


MEASURES: tuple[tuple[str, Measure], ...] = (
    ("Thinking, tokens", _thinking),
    ("Answer, tokens", _answer),
    ("Steps (numbered lines, else paragraphs)", _steps),
    ("Linking words in 100 words", _linking),
    ("Words of doubt in 100 words", _doubt),
    ("Seconds to the first token", _first_token),
    ("Tokens a second", _speed),
)
