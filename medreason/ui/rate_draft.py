"""A half-filled form on its way to the store, without what likely identifies a patient. Pure."""

from typing import Any

from medreason.errors import MedReasonError
from medreason.text.identifiers import Likely, in_words, likely_identifiers

TYPED = ("comment", "reason")
NO_FORM = "What was filled in could not be read. Reload the page; what was kept before comes back."


def storable(form: Any) -> tuple[dict[str, Any], str]:
    """The form without typed texts that seem to identify somebody, and a sentence where one was left out."""
    if not isinstance(form, dict):
        raise MedReasonError(NO_FORM)
    kept = dict(form)
    found: list[Likely] = []
    for name in TYPED:
        likely = likely_identifiers(form[name]) if isinstance(form.get(name), str) else ()
        if likely:
            kept[name] = ""
            found += likely
    marks = form.get("marks")
    if isinstance(marks, list):
        kept["marks"] = [_without_note(mark, found) for mark in marks]
    if not found:
        return kept, ""
    return kept, (
        f"What you typed seems to hold {in_words(tuple(found))}. It stays in this form but is kept nowhere yet: "
        "take out what identifies a patient."
    )


def _without_note(mark: Any, found: list[Likely]) -> Any:
    if not isinstance(mark, dict) or not isinstance(mark.get("note"), str):
        return mark
    likely = likely_identifiers(mark["note"])
    found += likely
    return {**mark, "note": ""} if likely else mark
