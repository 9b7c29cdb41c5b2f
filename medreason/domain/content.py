"""What a judgement says, as a hash: the same for two acts that say the same."""

from medreason.domain.judgement import Judgement
from medreason.domain.schedule import sealed
from medreason.domain.span import Span, text_sha256


def content_sha256(judgement: Judgement) -> str:
    """The hash of what was judged, without the act's key, its time and its reason; of what was typed
    the hash alone, so that it can still be reckoned when the text was taken out."""
    return sealed(
        {
            "phase": str(judgement.phase),
            "given": sorted([str(one.side), one.item, one.value] for one in judgement.given),
            "spans": sorted(_values(span) for span in judgement.spans),
            "preferred": sorted([one.on, one.value] for one in judgement.preferred),
            "both_unacceptable": judgement.both_unacceptable,
            "confidence": judgement.confidence,
            "familiarity": judgement.familiarity,
            "guess": str(judgement.guess) if judgement.guess else None,
            "comment_sha256": text_sha256(judgement.comment),
        }
    )[1]


def _values(span: Span) -> list[object]:
    place = [str(span.side), str(span.target), span.start, span.end, span.text_sha256]
    note = text_sha256(span.source_note) if span.source_note else ""
    return [*place, str(span.type), span.severity, str(span.basis), note]
