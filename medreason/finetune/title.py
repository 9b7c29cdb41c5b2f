"""What people call a run. Its folder keeps the name it was started with."""

from pathlib import Path

from medreason.domain.checks import Checks
from medreason.whole_file import read_json, write_json

TITLE_FILE = "title.json"
LONGEST_TITLE = 80


def read_title(run: Path) -> str:
    """The title of the run in a folder; empty where nobody has named it."""
    title = (read_json(run / TITLE_FILE) or {}).get("title")
    return title[:LONGEST_TITLE] if isinstance(title, str) else ""


def write_title(run: Path, title: str) -> None:
    """Name the run; an empty title takes its name away. Raises `Invalid` for a title that is no short line, and
    `OSError` where it cannot be written."""
    title = " ".join(title.split()) if isinstance(title, str) else title
    if title == "":
        (run / TITLE_FILE).unlink(missing_ok=True)
        return
    checks = Checks()
    if checks.text("Title", title, longest=LONGEST_TITLE):
        checks.require(title.isprintable(), "Title", title, "use letters, digits and signs that can be seen")
    checks.done()
    write_json(run / TITLE_FILE, {"title": title})
