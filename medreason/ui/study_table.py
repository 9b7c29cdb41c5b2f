"""Tables of the Studies page as markup. Pure."""

from collections.abc import Sequence


def table_of(heads: Sequence[str], rows: str) -> str:
    """Scrolls in itself where it is too wide."""
    top = "".join(f'<th scope="col">{head}</th>' for head in heads)
    return (
        f'<div class="rate-wide" tabindex="0" role="region" aria-label="{heads[0]}"><table class="mr-table">'
        f"<thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def line(markup: str) -> str:
    """In one line, so that the page's Markdown leaves it alone."""
    return markup.replace("\n", "&#10;")
