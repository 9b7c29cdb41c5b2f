"""What one run has to read: how many rows of which length, and what a micro-batch of them looks like in memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

from medreason.domain.training import TrainingConfig
from medreason.finetune.calibration import (
    LONGEST_TOKENS,
    MEAN_TOKENS,
    P95_TOKENS,
    PACKED_FULL,
    TAUGHT_SHARE,
)
from medreason.finetune.packing import packed_count
from medreason.finetune.recipe import step_count

FEW_ENOUGH_TO_PACK = 50_000


@dataclass(frozen=True)
class Workload:
    """`train` and `held_out` count rows; `mean` and `longest` are their lengths in tokens, none cut yet; `lengths`
    holds every row's where they are known, else it is empty."""

    train: int
    held_out: int
    mean: float = MEAN_TOKENS
    p95: float = P95_TOKENS
    longest: int = LONGEST_TOKENS
    lengths: tuple[int, ...] = ()

    @classmethod
    def counted(cls, train: int, held_out: int, lengths: Sequence[int]) -> "Workload":
        """A workload whose rows have been measured. `lengths` may be of more rows than are trained on."""
        ordered = sorted(lengths)
        p95 = ordered[min(len(ordered) - 1, math.ceil(0.95 * len(ordered)) - 1)]
        return cls(train, held_out, sum(ordered) / len(ordered), p95, ordered[-1], tuple(lengths))

    def cut(self, config: TrainingConfig) -> float:
        """Share of the rows that are longer than the configuration allows."""
        if self.lengths:
            return sum(length > config.max_length for length in self.lengths) / len(self.lengths)
        if config.max_length >= self.longest:
            return 0.0
        spread = max(1.0, (self.p95 - self.mean) / NormalDist().inv_cdf(0.95))
        return 1 - NormalDist(self.mean, spread).cdf(config.max_length)

    def row_tokens(self, config: TrainingConfig) -> float:
        """Mean tokens of a row after the cut."""
        if self.lengths:
            return sum(min(length, config.max_length) for length in self.lengths) / len(self.lengths)
        return min(self.mean, config.max_length)

    def rows(self, config: TrainingConfig) -> int:
        """Rows of a pass as the trainer counts them: packed ones where rows are packed."""
        if not config.packing or not self.train:
            return self.train
        if self.lengths and len(self.lengths) <= FEW_ENOUGH_TO_PACK:
            packed = _packed(self.lengths, config.max_length)
            return math.ceil(packed * self.train / len(self.lengths))
        return math.ceil(self.train * self.row_tokens(config) / (config.max_length * PACKED_FULL))

    def steps(self, config: TrainingConfig) -> int:
        return step_count(config, self.rows(config))

    def largest_batch(self, config: TrainingConfig) -> tuple[int, int]:
        """Rows and tokens a row of the largest micro-batch, padding included. Packed rows become one row."""
        if config.packing:
            return 1, config.batch_size * config.max_length
        return config.batch_size, min(self.longest, config.max_length)

    def mean_batch(self, config: TrainingConfig) -> float:
        """Tokens that a usual micro-batch computes, padding included."""
        if config.packing:
            return config.batch_size * config.max_length
        tokens = self.row_tokens(config)
        spread = min(self.p95, config.max_length) - tokens
        # The longest of a few rows lies between the mean and the 95th percentile.
        longest = tokens + spread * (1 - 1 / config.batch_size)
        return config.batch_size * longest

    def taught(self, config: TrainingConfig) -> float:
        """Share of the tokens that the loss is on."""
        return 1.0 if config.text_format == "article" else TAUGHT_SHARE


@lru_cache(maxsize=8)
def _packed(lengths: tuple[int, ...], longest: int) -> int:
    """One estimate asks several times, and the form asks for one at each change: packing is done once."""
    return packed_count(lengths, longest)
