"""How answers are drawn; one object for both arms, so that the two can never be asked differently."""

from dataclasses import dataclass

from medreason.domain.setting import check_settings, setting


@dataclass(frozen=True)
class Sampling:
    """Sampling settings of one request. `max_new_tokens` counts thinking and answer together, per arm.
    `seed` starts the random numbers of each arm from the same state."""

    temperature: float = setting(
        0.6, "Temperature", "How freely words are chosen. 0 always takes the likeliest.", minimum=0, maximum=2
    )
    top_p: float = setting(
        0.95,
        "Top-p",
        "Words are drawn from the likeliest ones that together reach this share. 1 is off.",
        minimum=0.01,
        maximum=1,
    )
    top_k: int = setting(
        20, "Top-k", "Words are drawn from this many of the likeliest. 0 is off.", minimum=0, maximum=1000
    )
    min_p: float = setting(
        0.0,
        "Min-p",
        "Words rarer than this share of the likeliest one are left out. 0 is off.",
        minimum=0,
        maximum=1,
    )
    seed: int = setting(
        42,
        "Seed",
        "The same seed gives the same answers again; both models use it.",
        minimum=0,
        maximum=2**31 - 1,
    )
    max_new_tokens: int = setting(
        2048,
        "Longest answer in tokens",
        "Thinking and answer together, for each model. A word is about 1.3 tokens.",
        minimum=1,
        maximum=32768,
    )
    thinking: bool = setting(
        True, "Ask for thinking", "Asks the model to think aloud first, where its chat template can."
    )

    def __post_init__(self) -> None:
        check_settings(self).done()

    @property
    def greedy(self) -> bool:
        return self.temperature == 0
