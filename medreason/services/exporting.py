"""The pack from the command line: what `app.py export` does, as this computer's own admin."""

import json
import os
from pathlib import Path

from medreason.domain.user import User
from medreason.errors import MedReasonError
from medreason.services.reading import counted
from medreason.services.results import Results

LONGEST_WAIT_S = 3600


def export(results: Results, user: User, collection: str, out: Path, texts: bool) -> str:
    """Write the pack of a collection to `out`, whole or not at all; says what it rests on. Raises
    `MedReasonError` where there is no such collection, no rating, or no place to write."""
    data = results.data(user, collection)
    if not data.ratings:
        raise MedReasonError(f"Nothing is rated in “{collection}” yet, so there is nothing to export.")
    content = results.pack(user, collection, texts, LONGEST_WAIT_S)
    if content is None:
        raise MedReasonError("The pack was not ready within an hour. Try again while the computer is less busy.")
    _write(out, content)
    raters = len({row.rater_id for row in data.ratings})
    return f"{counted(data.rated_cases, 'case')}, {counted(raters, 'rater')}, {len(content) / 1e6:.1f} MB."


def refuse_together(out: Path, key: Path) -> None:
    """Raises `MedReasonError` where the key would take the place of the pack."""
    if key.resolve() == out.resolve():
        raise MedReasonError(f"The key and the pack cannot both be {out}. Give the key a file of its own.")


def export_key(results: Results, user: User, collection: str, out: Path) -> str:
    """Write which of X and Y is which arm to a file that this user alone can read; says what it holds. Recorded
    before it is written. Raises `MedReasonError` for a study that is still blinded."""
    key = results.key(user, collection)
    _write(out, f"{json.dumps({'study_id': collection, **key})}\n".encode(), mode=0o600)
    return (
        f"{', '.join(f'{letter} is {arm}' for letter, arm in key.items())}. The record says that it was written."
    )


def _write(out: Path, content: bytes, mode: int = 0o644) -> None:
    building = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        with open(os.open(building, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
        os.replace(building, out)
    except OSError as fault:
        building.unlink(missing_ok=True)
        raise MedReasonError(
            f"The file {out} cannot be written ({fault.strerror or fault}). Choose another place."
        ) from fault
