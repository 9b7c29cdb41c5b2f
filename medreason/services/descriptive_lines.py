"""What only describes the answers, as Markdown below a rule: how they are written, not whether they are right."""

from medreason.domain.arms import ARMS
from medreason.services.descriptive import Descriptive
from medreason.services.reading import counted, minus, signed
from medreason.stats.lengths import Described

HEAD = ("Measure, mean (median)", "Baseline", "Fine-tuned", "Δ", "pairs")


def as_markdown(found: Descriptive) -> str:
    """A rule, a heading and a table; empty where no pair is known."""
    if not found.n:
        return ""
    rows = [f"| {' | '.join(_cells(one))} |" for one in found.measures]
    cut = " and ".join(f"{found.truncated[arm]} of the {arm.label.lower()}’s" for arm in ARMS)
    return "\n".join(
        [
            "",
            "---",
            "",
            "## Descriptive, not correctness",
            "",
            f"| {' | '.join(HEAD)} |",
            f"|---|{'---:|' * (len(HEAD) - 1)}",
            *rows,
            "",
            f"Over {counted(found.n, 'rated pair')}; Δ is the mean difference of a pair. Ended at the token "
            f"budget: {cut} answers. A longer trace is not a deeper one, and a word of reasoning is not a reason.",
            "",
        ]
    )


def decimals(one: Described) -> int:
    """Tokens are counted whole."""
    return 0 if "tokens" in one.name and "second" not in one.name else 1


def _cells(one: Described) -> tuple[str, ...]:
    places = decimals(one)
    arms = (
        (one.baseline_mean, one.baseline_median),
        (one.finetuned_mean, one.finetuned_median),
    )
    both = (f"{minus(mean or 0.0, places)} ({minus(median or 0.0, places)})" for mean, median in arms)
    return (one.name, *both, signed(one.difference or 0.0, places), f"{one.n:,}")
