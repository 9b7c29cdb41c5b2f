"""One cell of a pack's tables: from a value to text and back, without loss.

A spreadsheet runs a cell that begins with `=`, `+`, `-` or `@` (also behind a tab or line break) as a
formula. In CSV such a text gets one `'` in front, and so does a text that begins with `'` itself; taking
that one away gives every text back. Numbers are left alone. An empty cell is "not available".
"""

import math

from medreason.domain.pack_columns import Column

GUARDED = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
YES, NO = ("true", "1", "yes"), ("false", "0", "no")
MISSING = ("", "NA", "NaN", "nan")
LARGEST_WHOLE = 2**63 - 1

Value = object


def guard(text: str) -> str:
    return f"'{text}" if text.startswith(GUARDED) else text


def unguard(cell: str) -> str:
    """The text again. A `'` before anything else was never put there by `guard`, and stays."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(GUARDED) else cell


def cell(value: Value) -> str:
    """A value as one cell of a CSV file; floats in the shortest form that gives them back exactly."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return guard(value) if isinstance(value, str) else str(value)


def value_of(column: Column, text: str) -> Value:
    """A cell of a CSV file as its column says; None where it is empty. Raises `ValueError` with words such
    as "is 'x': give a whole number"."""
    if column.kind == "text" or column.kind == "time":
        plain = unguard(text)
        if column.choices and plain and plain not in column.choices:
            raise ValueError(f"is {shown(plain)}: choose one of {', '.join(column.choices)}")
        return plain or None
    plain = unguard(text.strip())
    if plain in MISSING:
        return None
    if column.kind == "yes_no":
        if plain.lower() not in (*YES, *NO):
            raise ValueError(f"is {shown(plain)}: give true or false")
        return plain.lower() in YES
    return _number(column, plain)


def typed(column: Column, value: Value) -> Value:
    """A value of a JSON object as its column says; None where it is null. Raises `ValueError` as `value_of`."""
    if value is None or value == "":
        return None
    kinds: dict[str, tuple[type, ...]] = {
        "whole": (int,), "number": (int, float), "yes_no": (bool,), "object": (dict,),
    }  # fmt: skip
    wanted = kinds.get(column.kind, (str,))
    if not isinstance(value, wanted) or (isinstance(value, bool) and column.kind != "yes_no"):
        names = {"whole": "a whole number", "number": "a number", "yes_no": "true or false", "object": "an object"}
        raise ValueError(f"is {shown(value)}: give {names.get(column.kind, 'text')}")
    if column.choices and value not in column.choices:
        raise ValueError(f"is {shown(value)}: choose one of {', '.join(column.choices)}")
    return value


def shown(value: Value) -> str:
    """What was found, short enough for a sentence."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…{text[-1]}"


def _number(column: Column, plain: str) -> int | float:
    whole = column.kind == "whole"
    remedy = f"is {shown(plain)}: give a {'whole ' if whole else ''}number"
    try:
        # Programs that hold missing numbers as floats write 4 as 4.0.
        number = int(plain) if whole and "." not in plain and "e" not in plain.lower() else float(plain)
    except ValueError:
        raise ValueError(remedy) from None
    if not math.isfinite(number) or (whole and (number != int(number) or abs(number) > LARGEST_WHOLE)):
        raise ValueError(remedy)
    return int(number) if whole else number
