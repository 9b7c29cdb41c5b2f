"""Which arm stands on which side, and who may know it.

The draw here is plain: a fair coin for each pair from the system's own randomness. What later work adds
(the "Rate" issue): a seeded schedule that balances the sides within each rater and each case, replay of
both answers at one pace, and the rater's guess at the end.
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
