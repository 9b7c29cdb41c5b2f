"""Which arm stands on which side, and who may know it.

The draw is plain: a fair coin for each pair, from the system's own randomness. It does not balance the sides
within a rater or a case, and it does not hide how fast each side answers.
"""

import secrets

from medreason.domain.arms import ARMS
from medreason.domain.rating import Sides
from medreason.storage.pairs import Pair


def draw() -> Sides:
    """A fair coin; store what it gave before anything is shown."""
    return Sides(left=secrets.choice(ARMS))


def visible_sides(pair: Pair, rated: bool) -> Sides | None:
    """The sides, or None while the pair is blind and the reader has not rated it."""
    return None if pair.blinded and not rated else pair.sides
