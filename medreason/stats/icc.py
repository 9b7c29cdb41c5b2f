"""Intraclass correlations, where every rater rated every answer."""

import numpy as np

FORMS = ("1,1", "2,1", "3,1", "1,k", "2,k", "3,k")
NOT_CROSSED = "not every rater rated every answer"


def crossed(values: np.ndarray) -> bool:
    """Whether two raters or more each rated all of two answers or more; `values` (n_units, n_raters)."""
    return values.shape[0] >= 2 and values.shape[1] >= 2 and not np.isnan(values).any()


def icc_features(values: np.ndarray) -> np.ndarray:
    """(n_units, 3 + n_raters): 1, Σx², (Σx)²/k and the ratings of each unit, to be summed. No NaN."""
    x = values - values.mean()
    ones = np.ones((len(x), 1))
    return np.concatenate(
        [ones, (x**2).sum(axis=1, keepdims=True), x.sum(axis=1, keepdims=True) ** 2 / x.shape[1], x], axis=1
    )


def icc_of(sums: np.ndarray) -> np.ndarray:
    """(b, 6) in the order of `FORMS` from (b, 3 + n_raters) sums of `icc_features`; NaN where the ratings do not
    vary enough.

    From the mean squares of the two-way table (Shrout & Fleiss 1979, Psychol Bull 86:420): (1) other raters
    for each answer, (2) raters drawn at random, (3) these raters; one rating, or the mean of k.
    """
    n, squares, between, columns = sums[:, 0], sums[:, 1], sums[:, 2], sums[:, 3:]
    k = columns.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        correction = columns.sum(axis=1) ** 2 / (n * k)
        among_columns = (columns**2).sum(axis=1) / n - correction
        msr = (between - correction) / (n - 1)
        msw = (squares - between) / (n * (k - 1))
        msc = among_columns / (k - 1)
        mse = (squares - between - among_columns) / ((n - 1) * (k - 1))
        forms = [
            (msr - msw, msr + (k - 1) * msw),
            (msr - mse, msr + (k - 1) * mse + k * (msc - mse) / n),
            (msr - mse, msr + (k - 1) * mse),
            (msr - msw, msr),
            (msr - mse, msr + (msc - mse) / n),
            (msr - mse, msr),
        ]
        # The estimated total variance can be negative in a few ratings; a ratio with it would mean nothing.
        made = [np.where(total > 1e-12, between_answers / total, np.nan) for between_answers, total in forms]
    return np.column_stack(made)
