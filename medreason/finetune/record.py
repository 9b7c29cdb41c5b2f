"""What decides a run's course, as one record: its configuration, its base, its rows. A run may only go on from a
checkpoint of the same; what differs is named in the words of the form.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from medreason.domain.setting import settings_of
from medreason.domain.training import TrainingConfig

# These may change where a run goes on: they only decide what is written down, kept and called how.
FREE = {
    "run_name",
    "log_every",
    "save_every",
    "keep_checkpoints",
    "best_by_held_out",
    "loader_workers",
    "tensorboard",
}
# These act through the rows and through the base, which are compared themselves: a file may have been moved.
OF_ROWS = {
    "data",
    "data_config",
    "data_revision",
    "columns",
    "skip_faulty_rows",
    "min_thinking_chars",
    "drop_duplicates",
    "max_rows",
    "eval_fraction",
    "max_length",
    "text_format",
    "packing",
}
OF_BASE = {"base_model", "revision", "quantization"}


@dataclass(frozen=True)
class Made:
    """What a run is made of. `rows_sha256` is over the tokens and labels, held-out rows included, so it changes
    with data, tokenizer, template and text format alike; `precision` is what is computed in."""

    config: dict[str, Any]
    base: str
    base_sha256: str
    precision: str
    rows: str
    rows_sha256: str
    steps: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def made_from(found: Mapping[str, Any]) -> Made:
    """A record as it was read; raises KeyError or TypeError where it is none."""
    return Made(
        config=dict(found["config"]),
        base=str(found["base"]),
        base_sha256=str(found["base_sha256"]),
        precision=str(found["precision"]),
        rows=str(found["rows"]),
        rows_sha256=str(found["rows_sha256"]),
        steps=int(found["steps"]),
    )


def differences(then: Made, now: Made) -> tuple[str, ...]:
    """What keeps a run from going on as it was, each in a few words; empty where nothing does."""
    named = _settings(then, now, set(then.config) | set(now.config), FREE | OF_ROWS | OF_BASE)
    if then.base_sha256 != now.base_sha256:
        named += [f"the base model was {then.base} and is {now.base}, with other weights"]
    elif then.precision != now.precision:
        named += [f"the base was computed in {then.precision} and would be in {now.precision}"]
    if then.rows_sha256 != now.rows_sha256:
        why = _settings(then, now, OF_ROWS, set())
        named += why or [f"the training rows ({now.rows}) are others than they were ({then.rows})"]
    if not named and then.steps != now.steps:
        named += [f"the run had {then.steps} steps and would have {now.steps}"]
    return tuple(named)


def _settings(then: Made, now: Made, names: set[str], but: set[str]) -> list[str]:
    """Settings that are not as they were; one that is unknown to either side had its default there."""
    return [
        f"“{one.label}” was {_shown(was)} and is {_shown(given)}"
        for one in settings_of(TrainingConfig)
        if one.name in names - but
        and (was := then.config.get(one.name, one.default)) != (given := now.config.get(one.name, one.default))
    ]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)[:80] if value != "" else "empty"
