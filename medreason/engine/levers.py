"""What makes the local engine quick, each part switchable, so that each can be measured and left out."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Levers:
    """All on is how the engine serves. Whatever fails on a machine is left out there, with a line in the log."""

    own_layers: bool = True  # the own layer function in place of transformers' modules
    packed: bool = True  # CPU: weights laid out for products of few rows
    graphs: bool = True  # CUDA: a step is captured once and replayed
    compiled: bool = True  # CUDA: one layer compiled and reused for all
    late: bool = True  # CUDA: tokens are read while the next step runs


ALL = Levers()
