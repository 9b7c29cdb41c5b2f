"""The table of training settings in the README and the files of the presets, made from their one definition.

`python -m medreason.finetune.settings_table` renews them in the checkout around this package.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from medreason.domain.setting import Setting, settings_of
from medreason.domain.training import TrainingConfig
from medreason.finetune.config_file import config_text
from medreason.finetune.presets import CPU_DEMO, DESCRIBED, PRESETS

BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"
CHECKOUT = Path(__file__).resolve().parents[2]


def settings_table() -> str:
    """Every setting with its default, its limits and its help, then the values by preset, as Markdown."""
    return "\n".join([*_definitions(), "", *_presets()])


def with_table(text: str) -> str:
    """`text` with the table between its two markers, which must stand once each."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the text has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{settings_table()}\n{END}{after}"


def preset_files() -> dict[str, str]:
    """The text of each preset's file by its name."""
    return {
        preset.file: config_text(preset.config, f"Preset “{name}”. {preset.about}")
        for name, preset in DESCRIBED.items()
    }


def _definitions() -> Iterator[str]:
    yield "| Setting | Default | Allowed | What it does |"
    yield "|---|---|---|---|"
    for one in settings_of(TrainingConfig):
        cells = (f"`{one.name}`", _value(one.default), _allowed(one), one.help)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _presets() -> Iterator[str]:
    """What the presets set otherwise than the defaults: what differs among them in a column each, what they share
    in one line below."""
    default = TrainingConfig()
    names = [name for name, config in PRESETS.items() if config != default]
    shared = []
    yield f"| Preset | {' | '.join(names)} |"
    yield "|---" * (len(names) + 1) + "|"
    yield f"| file | {' | '.join(f'`{DESCRIBED[name].file}`' for name in names)} |"
    for one in settings_of(TrainingConfig):
        values = [getattr(PRESETS[name], one.name) for name in names]
        if len(set(values)) > 1:
            yield f"| `{one.name}` | {' | '.join(map(_value, values))} |"
        elif values[0] != getattr(default, one.name):
            shared.append(f"`{one.name}` {_value(values[0])}")
    yield ""
    yield f"All of these: {', '.join(shared)}. What is not named keeps its default, as in the preset {CPU_DEMO}."


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value}" if value != "" else "empty"


def _allowed(setting: Setting) -> str:
    if setting.choices:
        return ", ".join(setting.choices)
    if setting.kind is bool:
        return "on, off"
    if setting.kind in (int, float) and setting.minimum is not None and setting.maximum is not None:
        return f"{_limit(setting.minimum)} to {_limit(setting.maximum)}"
    return "text"


def _limit(limit: float) -> str:
    return f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"


def main() -> int:
    """Renew the README and the presets' files."""
    readme = CHECKOUT / "README.md"
    readme.write_text(with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")
    for name, text in preset_files().items():
        (CHECKOUT / "training_scripts" / "configs" / name).write_text(text, encoding="utf-8")
    print("The README's table of settings and the presets' files are as the code says.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
