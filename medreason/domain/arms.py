"""The two models under comparison (arms) and the two places they can stand on a page (sides)."""

from enum import StrEnum


class Arm(StrEnum):
    BASELINE = "baseline"
    FINETUNED = "finetuned"

    @property
    def other(self) -> "Arm":
        return Arm.FINETUNED if self is Arm.BASELINE else Arm.BASELINE

    @property
    def label(self) -> str:
        return "Baseline" if self is Arm.BASELINE else "Fine-tuned"


class Side(StrEnum):
    LEFT = "left"
    RIGHT = "right"

    @property
    def label(self) -> str:
        return self.value.capitalize()


ARMS = (Arm.BASELINE, Arm.FINETUNED)
SIDES = (Side.LEFT, Side.RIGHT)
