"""Which starting point settings come from, and what was changed since. Pure; all free text is escaped here."""

import html

from medreason.domain.setting import settings_of
from medreason.domain.training import TrainingConfig
from medreason.finetune.presets import DESCRIBED


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


def preset_line(chosen: str | None, config: TrainingConfig) -> str:
    """What the starting point is for, and which settings differ from it by now."""
    if chosen not in DESCRIBED:
        return ""
    preset = DESCRIBED[chosen]
    changed = _changes(preset.config, config)
    said = f" Changed: {', '.join(changed)}." if changed else ""
    return f'<p class="mr-note">{html.escape(preset.about + said)}</p>'
