"""A rating of one pair by one person: a score an axis and side, a preference, a comment.

Values are in terms of left and right, as the rater saw them; which arm stood where belongs to the
`Presentation`, so that a rating can be taken without anybody knowing the arms.
"""

from dataclasses import dataclass

from medreason.domain.arms import SIDES, Arm, Side
from medreason.domain.checks import Checks
from medreason.domain.instrument import AXES, HIGHEST, LOWEST, PREFERENCES, SCALES, Axis

LONGEST_COMMENT = 20_000


@dataclass(frozen=True)
class Score:
    """One side on one axis: a point of the scale, or None for "cannot judge"."""

    side: Side
    axis: Axis
    value: int | None

    def __post_init__(self) -> None:
        checks = Checks()
        checks.choice("side", self.side, list(SIDES))
        checks.choice("axis", self.axis, list(AXES))
        if self.value is not None:
            checks.number(SCALES[self.axis].name, self.value, LOWEST, HIGHEST, whole=True)
        checks.done()


@dataclass(frozen=True)
class Rating:
    """A complete rating: every axis on both sides, and a preference from -3 (left much better) to +3.

    `preference` None means "cannot judge". `idempotency_key` names one act of submitting, so that a
    retry is not a second rating.
    """

    scores: tuple[Score, ...]
    preference: int | None
    comment: str = ""
    idempotency_key: str = ""

    def __post_init__(self) -> None:
        checks = Checks()
        given = [(score.side, score.axis) for score in self.scores]
        for side in SIDES:
            for axis in AXES:
                checks.require(
                    given.count((side, axis)) == 1,
                    f"{SCALES[axis].name}, {side}",
                    given.count((side, axis)) or None,
                    "give one score, or “cannot judge”",
                )
        if self.preference is not None:
            checks.choice("preference", self.preference, list(PREFERENCES))
        checks.text("comment", self.comment, LONGEST_COMMENT, empty_ok=True)
        checks.text("idempotency key", self.idempotency_key, 200, empty_ok=True)
        checks.done()

    def value(self, side: Side, axis: Axis) -> int | None:
        return next(s.value for s in self.scores if s.side is side and s.axis is axis)


@dataclass(frozen=True)
class Sides:
    """Which arm stands left. The draw itself is in `services/blinding`."""

    left: Arm

    @property
    def right(self) -> Arm:
        return self.left.other

    def arm(self, side: Side) -> Arm:
        return self.left if side is Side.LEFT else self.right

    def side(self, arm: Arm) -> Side:
        return Side.LEFT if arm is self.left else Side.RIGHT

    def toward(self, arm: Arm, preference: int) -> int:
        """The left/right preference turned so that it is positive where `arm` is better."""
        return preference if self.right is arm else -preference
