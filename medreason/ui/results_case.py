"""One cell's cases, and one case's two texts with everything marked in them. Pure: values in, markup out."""

from collections.abc import Sequence

from medreason.domain.instrument import SCALES
from medreason.domain.pack import SpanRow
from medreason.services.case_view import AnswerView, CaseView, Given, Piece
from medreason.services.reading import minus, signed
from medreason.stats.by_case import CaseValue
from medreason.ui.results_markup import escaped, fold

NO_CASES = '<p class="mr-note">No case is in this cell.</p>'
NOT_JUDGED = "–"
SEVERITY = {1: "cosmetic", 2: "needs correction", 3: "could change management", 4: "could cause serious harm"}


def case_list(cases: Sequence[CaseValue], label: str, specialties: dict[str, str]) -> str:
    """The cases behind a cell, the largest difference first."""
    if not cases:
        return NO_CASES
    rows = "".join(
        f'<tr><th scope="row">{_chosen(one.case)}</th><td>{escaped(specialties.get(one.case, ""))}</td>'
        f"<td>{_value(one.baseline)}</td><td>{_value(one.finetuned)}</td><td>{signed(one.difference, 2)}</td>"
        f"<td>{_range(one)}</td><td>{one.n_raters}</td></tr>"
        for one in cases
    )
    names = ("Case", "Specialty", "Baseline", "Fine-tuned", "Δ", "Δ, lowest to highest rater", "raters")
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    return (
        f'<div class="results-scroll" tabindex="0" role="region" aria-label="{escaped(label)}">'
        f'<table class="mr-table results-small results-words" aria-label="{escaped(label)}">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def case_texts(view: CaseView) -> str:
    """Question, both answers side by side with marks, and what each rater gave."""
    pairs = "".join(f'<div class="results-pair">{_answer(one)}{_answer(other)}</div>' for one, other in view.pairs)
    reference = ""
    if view.reference_answer:
        reference = f'<p class="mr-note"><b>Reference answer</b> {escaped(view.reference_answer)}</p>'
    specialty = f" · {escaped(view.specialty)}" if view.specialty else ""
    return (
        f'<div class="results-case"><p><span class="mr-chip">{escaped(view.case_id)}{specialty}</span></p>'
        f'<p class="results-text">{escaped(view.text)}</p>{reference}{pairs}{_given(view.given)}</div>'
    )


def _answer(view: AnswerView) -> str:
    thinking = ""
    if any(piece.text for piece in view.thinking):
        inside = f'<div class="results-thinking">{_pieces(view.thinking)}</div>'
        thinking = fold("Thinking", inside, opened=True)
    marks = "".join(f"<li>{_mark_words(mark)}</li>" for mark in view.marks)
    note = f'<p class="mr-note">{escaped(view.note)}</p>' if view.note else ""
    return (
        f'<section><div class="mr-arm {view.arm}"><b>{view.arm.label}</b>'
        f'<span class="mr-note">{escaped(view.tokens)}</span></div>{thinking}'
        f'<div class="results-text">{_pieces(view.answer) or "No answer."}</div>{note}'
        + (f'<ul class="mr-note results-marks">{marks}</ul>' if marks else "")
        + "</section>"
    )


def _pieces(pieces: Sequence[Piece]) -> str:
    return "".join(
        f'<mark class="results-mark results-severity-{max(mark.severity for mark in piece.marks)}" '
        f'title="{"; ".join(map(_mark_words, piece.marks))}">{escaped(piece.text)}</mark>'
        if piece.marks
        else escaped(piece.text)
        for piece in pieces
    )


def _mark_words(mark: SpanRow) -> str:
    quote = f"“{' '.join(mark.quote.split())}” " if mark.quote else ""
    kind = mark.type.replace("_", " ")
    basis = f", {mark.basis}" if mark.basis else ""
    severity = SEVERITY.get(mark.severity, "")
    return escaped(f"{mark.rater_id}: {quote}{kind}, {mark.severity} of 4 ({severity}){basis}")


def _given(given: Sequence[Given]) -> str:
    if not given:
        return ""
    names = [scale.name for scale in SCALES.values()]
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Rater", *names, "Preference", "Comment"))
    rows = "".join(
        f'<tr><th scope="row">{escaped(one.rater)}</th>'
        + "".join(f"<td>{_both(one.scores.get(str(axis)))}</td>" for axis in SCALES)
        + f"<td>{_preference(one.preference)}</td><td>{escaped(one.comment)}</td></tr>"
        for one in given
    )
    return (
        '<div class="results-scroll" tabindex="0" role="region" aria-label="What raters gave">'
        '<table class="mr-table results-small results-given" aria-label="What raters gave">'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        '<p class="mr-note">Scores stand as baseline → fine-tuned; a preference above 0 is for the fine-tuned '
        "answer.</p>"
    )


def _both(pair: tuple[int | None, int | None] | None) -> str:
    if pair is None:
        return NOT_JUDGED
    return " → ".join(NOT_JUDGED if value is None else str(value) for value in pair)


def _preference(value: int | None) -> str:
    return NOT_JUDGED if value is None else signed(value, 0)


def _value(value: float | None) -> str:
    return NOT_JUDGED if value is None else minus(value, 2)


def _range(one: CaseValue) -> str:
    return f"{minus(one.lowest, 1)} to {minus(one.highest, 1)}" if one.n_raters > 1 else NOT_JUDGED


def _chosen(case: str) -> str:
    name = escaped(case)
    return f'<button type="button" class="results-drill" data-case="{name}">{name}</button>'
