"""What a decoder does: it holds the rows being answered and gives each its next token, step by step.

Two ways behind one interface: the own layer functions, and transformers as it is. A decoder knows token ids only:
not what they say, whom they are for, or when a row has said enough. It is used from one thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from medreason.domain.sampling import Sampling
from medreason.engine.sampler import UNUSABLE
from medreason.models.adapters import AdapterInfo

__all__ = ["PIECE", "UNUSABLE", "Broken", "Decoder", "Row"]

# Tokens of a prompt that are read between two steps, by kind of device.
PIECE = {"cpu": 64, "cuda": 1024}


@dataclass(frozen=True, eq=False)
class Row:
    """One answer being decoded, and the handle to it. `adapted` says whether the adapter acts on it; `said` how
    many of its tokens stand at the prompt's end already, where it is continued."""

    prompt: Sequence[int]
    adapted: bool
    sampling: Sampling
    said: int = 0


class Broken(RuntimeError):
    """These rows cannot go on; the others can. The cause says why."""

    def __init__(self, rows: Sequence[Row]):
        super().__init__(f"{len(rows)} rows cannot go on")
        self.rows = tuple(rows)


class Decoder(Protocol):
    """`most_rows` may be decoded at once; `rows` are those that are. `joins` says whether rows that came apart
    share a step, so that more of them cost little more; else they take turns. A call that raises leaves the rows
    there were as they were, so that it can be made again; `Broken` names those for which that does not hold."""

    most_rows: int
    name: str
    joins: bool

    @property
    def rows(self) -> tuple[Row, ...]: ...

    def wear(self, adapter: AdapterInfo | None) -> None:
        """Put this adapter on, or none; no row is being decoded meanwhile."""
        ...

    def prefill(self, rows: Sequence[Row]) -> None:
        """Take rows in. The steps that follow read their prompts, a piece each, and then give their tokens. A
        fault takes none in."""
        ...

    def step(self) -> list[tuple[Row, int]]:
        """The next tokens of the rows that have any; `UNUSABLE` where a row's logits hold no numbers. On a GPU
        they are read while the following step runs already, so a row is computed once more after its last."""
        ...

    def free(self, row: Row) -> None:
        """Give up the row's place; nothing of it comes any more."""
        ...

    def forced(self, texts: Sequence[Sequence[int]], adapted: Sequence[bool]) -> Tensor:
        """Logits [rows, places, vocabulary] in float32 of texts of one length, by the very operations that
        answer: the first half is read as a prompt, then a step a token. `places` are the last ones of the text,
        from the last of its first half. No row is being decoded meanwhile."""
        ...

    def rest(self) -> bool:
        """Called while nobody asks: one piece of preparation, if there is any. True where there may be more."""
        ...
