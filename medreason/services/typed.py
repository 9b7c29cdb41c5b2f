"""What people type is looked at before it is stored: likely patient identifiers are warned of once."""

from medreason.domain.judgement import Judgement
from medreason.errors import MedReasonError
from medreason.text.identifiers import Likely, in_words, likely_identifiers


class LikelyIdentifiers(MedReasonError):
    """A typed text seems to identify somebody, and nothing was stored. `found` says where, by the name of the
    field. The same call with `identifiers_ok=True` stores it and records that the warning was overridden."""

    def __init__(self, found: dict[str, tuple[Likely, ...]]):
        self.found = found
        where = "; ".join(f"the {field} seems to hold {in_words(some)}" for field, some in found.items())
        super().__init__(
            f"Not saved yet: {where}. Take out what identifies a patient, or save it as it is if it does not."
        )


def looked_at(identifiers_ok: bool, **fields: str) -> str:
    """Raise `LikelyIdentifiers` where a field seems to identify somebody, unless that was overridden. Gives the
    deed to record, empty where there is none."""
    found = {name.replace("_", " "): some for name, text in fields.items() if (some := likely_identifiers(text))}
    if found and not identifiers_ok:
        raise LikelyIdentifiers(found)
    kinds = sorted({one.kind for some in found.values() for one in some})
    return f"warning overridden: {', '.join(kinds)}" if found else ""


def look_at(judgement: Judgement, identifiers_ok: bool) -> str:
    """`looked_at` for everything that is typed into a judgement."""
    sources = "\n".join(span.source_note for span in judgement.spans)
    return looked_at(identifiers_ok, comment=judgement.comment, reason=judgement.reason, source_of_a_mark=sources)
