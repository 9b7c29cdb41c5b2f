"""One definition of a setting: a dataclass field that carries label, help, limits and group.

Form, command-line flags, YAML and the README table are all made from it.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from medreason.domain.checks import Checks


@dataclass(frozen=True)
class Setting:
    """What people see of one field. `choices` lists allowed values; `minimum` and `maximum` are included.
    `advanced` hides it behind a fold. `kind` is the Python type of the value."""

    name: str
    default: Any
    label: str
    help: str
    kind: type
    group: str = "Training"
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    advanced: bool = False


def setting(default: Any, label: str, help: str, **shown: Any) -> Any:
    """A dataclass field with what `Setting` needs in its metadata; used as `x: int = setting(8, …)`."""
    return dataclasses.field(default=default, metadata={"label": label, "help": help, **shown})


def settings_of(kind: type) -> Iterator[Setting]:
    """Every setting of a dataclass, in the order of its fields."""
    for field in dataclasses.fields(kind):
        yield Setting(name=field.name, default=field.default, kind=type(field.default), **field.metadata)


def check_settings(value: object) -> Checks:
    """Check every field of a settings dataclass against its own limits; the caller may add checks of
    fields against each other, then calls `done()`."""
    checks = Checks()
    for one in settings_of(type(value)):
        given = getattr(value, one.name)
        if one.choices:
            checks.choice(one.label, given, one.choices)
        elif one.kind is bool:
            checks.require(isinstance(given, bool), one.label, given, "choose on or off")
        elif one.kind in (int, float):
            low = one.minimum if one.minimum is not None else float("-inf")
            high = one.maximum if one.maximum is not None else float("inf")
            checks.number(one.label, given, low, high, whole=one.kind is int)
        else:
            checks.text(one.label, given, longest=4096, empty_ok=one.default == "")
    return checks
