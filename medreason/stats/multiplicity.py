"""Adjusting p-values for how many were looked at."""

from collections.abc import Mapping, Sequence

import numpy as np

from medreason.stats.estimate import NA, Number

HOLM, BENJAMINI_HOCHBERG = "Holm", "Benjamini–Hochberg"


def adjusted(p: Mapping[str, Number], method: str) -> dict[str, Number]:
    """Adjusted p by name: Holm 1979 (Scand J Stat 6:65) or Benjamini & Hochberg 1995 (JRSS B 57:289).

    A p that is NA stays NA with its reason and is not counted: the family is what could be tested.
    """
    tested = {name: value for name, value in p.items() if not isinstance(value, NA)}
    if not tested:
        return dict(p)
    adjust = {HOLM: holm, BENJAMINI_HOCHBERG: benjamini_hochberg}[method]
    return {**p, **dict(zip(tested, adjust(list(tested.values())), strict=True))}


def holm(p: Sequence[float]) -> list[float]:
    """The i-th smallest of m times m − i + 1, never below the one before it. (In statsmodels this runs a
    garbage collection of the whole process each time.)"""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    made = np.empty(len(p))
    made[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in made]


def benjamini_hochberg(p: Sequence[float]) -> list[float]:
    from scipy.stats import false_discovery_control

    return [float(value) for value in false_discovery_control(p, method="bh")]
