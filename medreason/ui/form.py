"""A form made from a settings dataclass, and the dataclass made from a form again.

Every setting is one labelled field; what is allowed is checked by the dataclass alone, so a form, a file and a
command line refuse the same things in the same words.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from medreason.domain.setting import Setting, settings_of


def build_form(kind: type, advanced_label: str = "Advanced") -> dict[str, Any]:
    """Fields by setting name, in the order of the dataclass: the basic ones side by side, the advanced ones by
    group behind a fold."""
    fields: dict[str, Any] = {}
    settings = list(settings_of(kind))
    advanced = [one for one in settings if one.advanced]
    with gr.Row(elem_classes="mr-fields"):
        for one in settings:
            if not one.advanced:
                fields[one.name] = field(one)
    with gr.Accordion(advanced_label, open=False):
        for group in dict.fromkeys(one.group for one in advanced):
            gr.Markdown(f"## {group}", elem_classes="mr-group")
            with gr.Row(elem_classes="mr-fields"):
                for one in advanced:
                    if one.group == group:
                        fields[one.name] = field(one)
    return {one.name: fields[one.name] for one in settings}


def read_form(kind: type, names: Sequence[str], values: Sequence[Any]) -> Any:
    """The dataclass with the form's values; raises `Invalid` with every fault."""
    settings = {one.name: one for one in settings_of(kind)}
    return kind(**{name: _value(settings[name], value) for name, value in zip(names, values, strict=True)})


def form_values(form: Mapping[str, Any], config: Any) -> list[Any]:
    """What each field of the form shows for `config`."""
    return [getattr(config, name) for name in form]


def field(setting: Setting) -> Any:
    """One labelled field that shows the setting's default."""
    shown: dict[str, Any] = {"label": setting.label, "info": setting.help, "min_width": 260}
    if setting.choices:
        return gr.Dropdown(list(setting.choices), value=setting.default, **shown)
    if setting.kind is bool:
        return gr.Checkbox(setting.default, **shown)
    if setting.kind is int:
        return gr.Number(setting.default, precision=0, **shown)
    if setting.kind is float:
        return gr.Number(setting.default, step=_step(setting.default), **shown)
    return gr.Textbox(setting.default, lines=1, max_lines=1, **shown)


def _step(default: float) -> float:
    """What the field's arrows add: half its leading digit's place, so that small values stay in reach."""
    return 10.0 ** math.floor(math.log10(abs(default))) / 2 if default else 0.01


def _value(setting: Setting, value: Any) -> Any:
    """The value as its setting's kind where that loses nothing; else as it is, for the check to refuse."""
    if setting.kind is str and isinstance(value, str):
        return value.strip()
    if setting.kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if setting.kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value
