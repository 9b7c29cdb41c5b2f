"""A training configuration as a YAML file and as `key=value` words.

Every value arrives as text and is read by the kind of its setting, so a file, a form and a command line are
refused for the same reasons. Knows nothing of what the values mean.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from medreason.domain.setting import Setting, settings_of
from medreason.domain.training import TrainingConfig
from medreason.errors import Fault, Invalid, MedReasonError

YES = ("true", "yes", "on", "1")
NO = ("false", "no", "off", "0")
LARGEST_CONFIG_BYTES = 100_000


def read_config(path: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """The configuration of a YAML file, with `key=value` overrides applied. Raises one sentence with every
    fault found: unknown names, values of the wrong kind, values out of their limits."""
    texts = _pairs(path)
    faults: list[Fault] = []
    for word in overrides:
        name, equals, value = word.partition("=")
        if equals:
            texts[name.strip()] = value.strip()
        else:
            faults.append(Fault("--set", word, "write it as key=value"))
    return config_from_texts(texts, faults)


def config_from_texts(texts: Mapping[str, str], faults: Sequence[Fault] = ()) -> TrainingConfig:
    """A configuration from texts by setting name; what is not named keeps its default."""
    found = list(faults)
    settings = {one.name: one for one in settings_of(TrainingConfig)}
    values: dict[str, object] = {}
    for name, text in texts.items():
        if name not in settings:
            found.append(Fault("Setting", name, f"unknown; use one of {', '.join(settings)}"))
            continue
        try:
            values[name] = value_of(settings[name], text)
        except ValueError:
            values[name] = text  # left as text, so that the check below names field, value and limits
    try:
        config = TrainingConfig(**values)  # type: ignore[arg-type]
    except Invalid as invalid:
        found.extend(invalid.faults)
    if found:
        raise Invalid(found)
    return config


def value_of(setting: Setting, text: str) -> object:
    """`text` as the setting's kind; ValueError where it is none."""
    if setting.kind is bool:
        if text.lower() in YES + NO:
            return text.lower() in YES
        raise ValueError(text)
    if setting.kind is int:
        return int(text)
    if setting.kind is float:
        return float(text)
    return text


def config_text(config: TrainingConfig, comment: str = "") -> str:
    """Every setting as YAML, below a line of comment where one is given."""
    text = yaml.safe_dump(dataclasses.asdict(config), sort_keys=False, allow_unicode=True)
    return f"# {comment}\n{text}" if comment else text


def write_config(config: TrainingConfig, path: Path, comment: str = "") -> None:
    """Write every setting; `read_config` gives the same configuration back."""
    path.write_text(config_text(config, comment), encoding="utf-8")


def _pairs(path: Path) -> dict[str, str]:
    """The names and texts of a flat YAML mapping. BaseLoader makes no numbers, dates or booleans of its own."""
    try:
        if path.stat().st_size > LARGEST_CONFIG_BYTES:
            raise MedReasonError(f"The configuration {path} is too large to be one.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as fault:
        raise MedReasonError(
            f"The configuration {path} cannot be read ({fault.strerror}). Check its name and folder."
        ) from fault
    except UnicodeDecodeError as fault:
        raise MedReasonError(f"The configuration {path} is not UTF-8 text. Save it as UTF-8.") from fault
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise MedReasonError(
            f"The configuration {path} is not valid YAML{where}. Write one “name: value” a line."
        ) from fault
    if node is None:
        return {}
    if not isinstance(node, yaml.MappingNode):
        raise MedReasonError(f"The configuration {path} must hold one “name: value” a line.")
    pairs: dict[str, str] = {}
    faults: list[Fault] = []
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or not isinstance(value, yaml.ScalarNode):
            faults.append(Fault("Setting", str(getattr(key, "value", ""))[:60], "give one value, not a list"))
        elif key.value in pairs:
            faults.append(Fault("Setting", key.value, "named twice; keep one"))
        else:
            pairs[key.value] = value.value
    if faults:
        raise Invalid(faults)
    return pairs
