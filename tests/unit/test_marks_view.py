"""Marks between page and program: texts go out whole, marks come back checked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.arms import Side
from medreason.domain.judgement import MOST_SPANS
from medreason.domain.span import Basis, Span, SpanType, Target, text_sha256
from medreason.errors import MedReasonError
from medreason.ui import marks_view
from tests.showings import Tags

TEXT = "First 🩺 pain,\n\nthen 👩‍⚕️ fever."
TEXTS = {(Side.LEFT, Target.ANSWER): (TEXT, text_sha256(TEXT))}
HOSTILE = (
    '<img src=x onerror="alert(1)">',
    "a\n\n<script>x</script>\n\n| a | b |\n|--|--|",
    "</div><style>*{display:none}</style>",
    "$$x$$ `code` &lt; \" ' \x85 \u2028 \r\n",
)


def row(**changed):
    basis = {"side": "left", "target": "answer", "start": 6, "end": 7, "quote": "🩺", "sha256": text_sha256(TEXT)}
    return {**basis, "type": "fabricated_fact", "severity": 3, "basis": "own knowledge", "note": "", **changed}


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=80))
def test_a_passage_is_one_element_in_one_line_and_gives_its_text_back(text):
    _whole(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_passage_is_only_data(text):
    _whole(text)


def _whole(text):
    drawn = marks_view.passage(Side.LEFT, Target.TRACE, text, text_sha256(text))
    tags = Tags(drawn)
    assert [tag for tag, _ in tags.elements] == ["div"] and tags.text == ""
    assert "\n" not in drawn and "\r" not in drawn and drawn.isascii()
    assert tags.data("data-passage")[0]["text"] == text


def test_marks_come_back_as_they_went_out():
    given_marks = marks_view.read([row(), row(start=0, end=14, quote=TEXT[:14], note="Oslo 2019")], TEXTS)
    assert marks_view.read(marks_view.shown(given_marks), TEXTS) == given_marks
    assert given_marks[0] == Span(
        Side.LEFT, Target.ANSWER, 6, 7, "🩺", text_sha256(TEXT), SpanType.FABRICATED_FACT, 3, Basis.OWN
    )
    assert all(one.fits(TEXT) for one in given_marks)


def test_an_omission_needs_no_words():
    (omission,) = marks_view.read([row(type="omission", start=0, end=0, quote="", note="Dose")], TEXTS)
    assert omission.type is SpanType.OMISSION and omission.source_note == "Dose"


@pytest.mark.parametrize(
    "changed",
    [
        {"start": 5},
        {"end": 8},
        {"end": 10**6},
        {"start": -1},
        {"start": 7, "end": 6},
        {"start": True},
        {"start": "6"},
        {"start": 6.0},
        {"quote": "🩻"},
        {"quote": None},
        {"sha256": "0" * 64},
        {"side": "right"},
        {"side": "middle"},
        {"target": "trace"},
        {"target": None},
        {"type": "nonsense"},
        {"severity": 5},
        {"severity": "3"},
        {"basis": "hearsay"},
        {"note": "x" * 1001},
        {"note": "\ud800"},
        {"type": "omission"},
    ],
)
def test_a_mark_that_does_not_lie_on_the_text_shown_is_refused_in_words(changed):
    with pytest.raises(MedReasonError) as refusal:
        marks_view.read([row(**changed)], TEXTS)
    assert str(refusal.value)[-1] == "."


@pytest.mark.parametrize("rows", [None, "[]", {}, [1], [[]], [None]])
def test_what_is_no_list_of_marks_is_refused(rows):
    with pytest.raises(MedReasonError):
        marks_view.read(rows, TEXTS)


def test_more_marks_than_a_rating_takes_are_refused_with_the_number():
    assert len(marks_view.read([row()] * MOST_SPANS, TEXTS)) == MOST_SPANS
    with pytest.raises(MedReasonError, match=str(MOST_SPANS)):
        marks_view.read([row()] * (MOST_SPANS + 1), TEXTS)


def test_the_panel_offers_every_kind_severity_and_basis_in_words():
    tags = Tags(marks_view.desk())
    offered = {
        name: [a["value"] for a in tags.all("input", name=f"q-mk-{name}")]
        for name in ("type", "severity", "basis")
    }
    assert set(offered["type"]) == set(map(str, SpanType)) - {"omission"}
    assert offered["severity"] == ["1", "2", "3", "4"] and set(offered["basis"]) == set(map(str, Basis))
    assert not tags.all("input", checked="") and "\n" not in marks_view.desk()
