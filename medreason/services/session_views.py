"""What a rater may see of a session: nothing here names an arm, a model, a path, a count of tokens or a time."""

from dataclasses import dataclass, field

from medreason.domain.answers import Answer, Finish
from medreason.domain.items import Instrument, Phase
from medreason.domain.judgement import Given, Judgement
from medreason.domain.rating import Sides
from medreason.domain.span import Span, text_sha256
from medreason.domain.study import StudyState

CUT_OFF = "This answer was cut off at its length limit."


@dataclass(frozen=True)
class Invitation:
    """A study in which the rater has a seat. `consent` and `ethics` are the texts to read; `needs_consent` until
    the text with this hash was accepted. Practice is in neither `done` nor `total`."""

    study: str
    title: str
    instrument: Instrument
    state: StudyState
    done: int
    total: int
    minutes_left: int
    needs_consent: bool
    consent: str = ""
    consent_sha256: str = ""
    ethics: str = ""


@dataclass(frozen=True)
class SideText:
    """One side as it may be shown now. `thinking` is None while it must stay hidden, and then nothing tells
    whether there is any; `no_trace` says that none was given. `cut_off` is a sentence, or empty."""

    answer: str
    answer_sha256: str
    thinking: str | None = None
    thinking_sha256: str = ""
    no_trace: bool = False
    cut_off: str = ""


@dataclass(frozen=True)
class ShowingView:
    """One case to rate. `phase` is the one to fill now; `locked` what was given before the thinking was shown;
    `previous` the newest revision of this phase. While `asks_own_answer`, both sides are empty: the rater's own
    answer comes first. `study` is empty for a live pair. `position` counts from 1; practice by itself.
    `earlier` are questions and answers before this turn of a live conversation; `skipped` how often this rater has
    skipped it."""

    showing_id: int
    study: str
    title: str
    instrument: Instrument
    position: int
    total: int
    minutes_left: int
    practice: bool
    case_text: str
    specialty: str
    asks_own_answer: bool
    own_answer: str
    phase: Phase
    locked: Judgement | None
    previous: Judgement | None
    revision_no: int
    left: SideText
    right: SideText
    draft: dict = field(default_factory=dict)
    earlier: tuple[tuple[str, SideText, SideText], ...] = ()
    skipped: int = 0


@dataclass(frozen=True)
class Feedback:
    """After a practice case: what a careful rater gives, marks and prefers, and why. `differs` are the items, as
    (side, item), on which the rater was more than one point away."""

    expected: tuple[Given, ...]
    marks: tuple[Span, ...]
    preference: int
    why: tuple[str, ...]
    differs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Receipt:
    """A stored judgement. `done`: nothing more is asked about this case."""

    revision_no: int
    phase: Phase
    submitted_at: str
    done: bool
    feedback: Feedback | None = None


@dataclass(frozen=True)
class LiveSaved:
    """A stored judgement of a live pair and, now that it is stored, which arm stood where."""

    receipt: Receipt
    sides: Sides
    blinded: bool


@dataclass(frozen=True)
class FinishedShowing:
    """A case that the rater has finished and may open again. `case` are its first words."""

    showing_id: int
    position: int
    case: str
    submitted_at: str


def side_text(answer: Answer, thinking_shown: bool) -> SideText:
    """A side's texts, without anything that could tell its arm."""
    thinking = answer.thinking if thinking_shown else None
    return SideText(
        answer=answer.text,
        answer_sha256=text_sha256(answer.text),
        thinking=thinking,
        thinking_sha256=text_sha256(thinking) if thinking is not None else "",
        no_trace=thinking_shown and not answer.thinking.strip(),
        cut_off=CUT_OFF if answer.finish is Finish.LENGTH else "",
    )


NOTHING_YET = SideText("", text_sha256(""))
"""A side before the rater's own answer is in."""
