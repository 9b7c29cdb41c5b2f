"""Numbers as people read them: signed, with a true minus, counted with their noun."""


def minus(number: float, decimals: int) -> str:
    """With a true minus; what rounds to nothing has none."""
    rounded = round(number, decimals)
    return f"{'−' if rounded < 0 else ''}{abs(rounded):,.{decimals}f}"


def signed(number: float, decimals: int = 1) -> str:
    """With its sign and a true minus; what rounds to nothing has none."""
    rounded = round(number, decimals)
    return f"{'+' if rounded > 0 else ''}{minus(rounded, decimals)}"


def counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
