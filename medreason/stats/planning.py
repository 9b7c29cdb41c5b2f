"""How many cases a study needs, and what a number of cases can show at best."""

import math

from medreason.domain.checks import Checks

AXES_IN_FAMILY = 3


def cases_needed(
    probability: float, alpha: float = 0.05, power: float = 0.8, tied_share: float = 0.0, family: int = 1
) -> int:
    """Cases for a two-sided sign test to find P(fine-tuned better | not tied) = `probability`.

    n = (z_{α/2} + z_β)² / (4 (p − ½)²) untied cases (Noether 1987, JASA 82:645), raised by the share of ties;
    `family` divides alpha as Holm's first step does. The sign-flip test needs about as many or fewer.
    """
    checks = Checks()
    checks.number("probability", probability, 0.5, 1.0)
    checks.require(probability != 0.5, "probability", probability, "an effect of nothing needs no study")
    checks.number("alpha", alpha, 1e-6, 0.5)
    checks.number("power", power, 0.5, 0.999)
    checks.number("tied share", tied_share, 0.0, 0.95)
    checks.number("family", family, 1, 1_000, whole=True)
    checks.done()
    from scipy.special import ndtri

    quantiles = float(ndtri(1 - alpha / family / 2)) + float(ndtri(power))
    return math.ceil(quantiles**2 / (4 * (probability - 0.5) ** 2) / (1 - tied_share))


def detectable_probability(
    n_cases: int, alpha: float = 0.05, power: float = 0.8, tied_share: float = 0.0, family: int = 1
) -> float | None:
    """The smallest P(fine-tuned better | not tied) that `n_cases` find with this power; None if not even 1."""
    from scipy.special import ndtri

    quantiles = float(ndtri(1 - alpha / family / 2)) + float(ndtri(power))
    untied = n_cases * (1 - tied_share)
    if untied <= 0 or (probability := 0.5 + quantiles / (2 * math.sqrt(untied))) > 1:
        return None
    return probability


def smallest_p(n_cases: int) -> float:
    """The smallest two-sided p that a sign, sign-flip or Wilcoxon test can give: 2 / 2^n."""
    return min(1.0, 2.0 ** (1 - n_cases))


def can_pass_holm(n_cases: int, alpha: float = 0.05, family: int = AXES_IN_FAMILY) -> bool:
    """Whether any axis could be significant at Holm's first step: from seven cases for three axes."""
    return smallest_p(n_cases) <= alpha / family
