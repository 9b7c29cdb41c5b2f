"""What is put in the place of the library's is tried on a few numbers before it is used."""

from collections.abc import Sequence

from torch import Tensor


def near(found: Sequence[Tensor], expected: Sequence[Tensor], apart: float) -> bool:
    """Whether each is less than `apart` from what was expected, as a share of the largest number in that."""
    pairs = zip(found, expected, strict=True)
    return all(float((one - other).abs().max() / other.abs().max()) < apart for one, other in pairs)
