"""Whether a judgement can be stored: everything given that is asked for, and every mark on the words it quotes."""

import json

from medreason.domain.arms import Side
from medreason.domain.items import Instrument
from medreason.domain.judgement import Judgement
from medreason.domain.span import Span, Target
from medreason.errors import MedReasonError
from medreason.services.session_views import SideText

LARGEST_DRAFT = 200_000


def require_complete(judgement: Judgement, instrument: Instrument) -> None:
    """Refuse, naming everything, what the instrument still asks for."""
    if lacking := judgement.lacking(instrument):
        raise MedReasonError(f"Not saved yet, this is still missing: {'; '.join(lacking)}.")


def require_small(draft: dict) -> None:
    """Refuse a draft that cannot be stored or is out of all proportion."""
    try:
        size = len(json.dumps(draft, ensure_ascii=False, allow_nan=False).encode("utf-8"))
    except (TypeError, ValueError) as fault:
        raise MedReasonError("The draft was not kept: it holds what cannot be stored.") from fault
    if size > LARGEST_DRAFT:
        raise MedReasonError("The draft was not kept: it is larger than 200 kB. Shorten the comment.")


def require_spans_fit(judgement: Judgement, sides: dict[Side, SideText]) -> None:
    """Refuse a mark whose words are not those of the stored text at that place."""
    for span in judgement.spans:
        text = _marked_text(sides[span.side], span)
        if text is None or not span.fits(text):
            raise MedReasonError(
                f"Not saved: a mark on the {span.side} does not fit its text. Remove it and mark the words again."
            )


def _marked_text(side: SideText, span: Span) -> str | None:
    return side.thinking if span.target is Target.TRACE else side.answer
