"""How answers are drawn; one object for both arms, so that the two can never be asked differently."""

from dataclasses import dataclass

from medreason.domain.checks import Checks


@dataclass(frozen=True)
class Sampling:
    """Sampling settings of one request.

    `temperature` 0 means greedy decoding. `top_k` 0 and `top_p` 1 switch those filters off.
    `max_new_tokens` counts thinking and answer together, per arm. `thinking` asks the chat template
    for a thinking trace. `seed` starts the random numbers of each arm from the same state.
    """

    temperature: float = 0.6
    top_p: float = 0.95
    top_k: int = 20
    seed: int = 42
    max_new_tokens: int = 2048
    thinking: bool = True

    def __post_init__(self) -> None:
        checks = Checks()
        checks.number("temperature", self.temperature, 0, 2)
        checks.number("top-p", self.top_p, 0.01, 1)
        checks.number("top-k", self.top_k, 0, 1000, whole=True)
        checks.number("seed", self.seed, 0, 2**31 - 1, whole=True)
        checks.number("longest answer in tokens", self.max_new_tokens, 1, 32768, whole=True)
        checks.done()

    @property
    def greedy(self) -> bool:
        return self.temperature == 0
