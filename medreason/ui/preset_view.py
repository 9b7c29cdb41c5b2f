"""Which starting point settings come from, and what was changed since. Pure; all free text is escaped here."""

import html
from dataclasses import replace

from medreason.domain.setting import settings_of
from medreason.domain.training import TrainingConfig
from medreason.finetune.presets import DESCRIBED
from medreason.finetune.recipe import shared_words


def preset_of(config: TrainingConfig) -> str:
    """The starting point that a configuration differs from in the fewest settings."""
    return min(DESCRIBED, key=lambda name: len(_changes(DESCRIBED[name].config, config)))


def _changes(one: TrainingConfig, other: TrainingConfig) -> list[str]:
    """Labels of the settings in which two configurations differ, their names left aside."""
    return [
        setting.label
        for setting in settings_of(TrainingConfig)
        if setting.name != "run_name" and getattr(one, setting.name) != getattr(other, setting.name)
    ]


def preset_line(chosen: str | None, config: TrainingConfig, gpus: int = 0) -> str:
    """What the starting point is for, which settings differ from it by now, and what becomes of the `gpus` that
    are there, where there are several."""
    if chosen not in DESCRIBED:
        return ""
    preset = DESCRIBED[chosen]
    changed = _changes(preset.config, config)
    said = f" Changed: {', '.join(changed)}." if changed else ""
    several = _gpu_words(config, gpus)
    return "".join(
        f'<p class="mr-note">{html.escape(words)}</p>' for words in (preset.about + said, several) if words
    )


def _gpu_words(config: TrainingConfig, gpus: int) -> str:
    if gpus < 2:
        return ""
    if config.gpus > 1:
        return f"This machine has {gpus} GPUs. {shared_words(config)}"
    with_all = shared_words(replace(config, gpus=gpus))
    return f"This machine has {gpus} GPUs, and one of them trains. With all: {with_all}"
