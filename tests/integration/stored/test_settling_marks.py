"""Marks that the lead settles beside the raters' own, and what raters say of themselves, up to the export."""

from pathlib import Path

import pytest

from medreason.domain.arms import Side
from medreason.domain.rater import RaterFacts
from medreason.domain.span import Span, SpanType, Target
from medreason.domain.user import Role
from medreason.errors import MedReasonError, NotAllowed
from medreason.services.typed import LikelyIdentifiers
from tests.studies import NAME, StudyDesk, judgement, rate, with_study


@pytest.fixture
def desk(tmp_path: Path):
    """Anna and Ben have each marked the same answer twice."""
    made = with_study(tmp_path / "a.db", count=1)
    for name in ("Anna", "Ben"):
        while (view := made.sessions.next(made.local, name, NAME)) is not None:
            rate(made, view, name, spans=() if view.practice else marks(view, name))
    yield made
    made.close()


def marks(view, name):
    """The words "Answer" and "1 to" of the answer that the baseline gave, wherever it stands."""
    side = Side.LEFT if "in brief" in view.left.answer else Side.RIGHT
    shown = view.left if side is Side.LEFT else view.right
    return tuple(
        Span(side, Target.ANSWER, start, end, shown.answer[start:end], shown.answer_sha256, kind, 2)
        for start, end, kind in ((0, 6, SpanType.FABRICATED_FACT), (7, 11, SpanType.WRONG_NUMBER))
    )


def settled(desk: StudyDesk) -> dict[str, object]:
    return {str(row["span_id"]): row["adjudicated"] for row in desk.collections.records(desk.admin, NAME).spans}


def test_marks_are_listed_by_place_and_answers_stay_x_and_y(desk):
    found = desk.settling.marks(desk.admin, NAME)
    assert [one.quote for one in found] == ["Answer", "Answer", "1 to", "1 to"]
    assert {one.rater for one in found} == {"R01", "R02"} and {one.answer for one in found} <= {"X", "Y"}
    assert {one.verdict for one in found} == {""} and set(settled(desk).values()) == {""}
    assert {str(row["span_id"]) for row in desk.collections.records(desk.admin, NAME).spans} == {
        one.id for one in found
    }


def test_what_is_settled_goes_into_the_export_and_the_marks_stay(desk):
    before = desk.store.judgements.of(range(1, 99))
    a, b, c, d = (one.id for one in desk.settling.marks(desk.admin, NAME))
    desk.settling.settle_mark(desk.admin, NAME, a, "yes", "looked up together")
    desk.settling.settle_mark(desk.admin, NAME, b, "merged", "the same words", a)
    desk.settling.settle_mark(desk.admin, NAME, c, "no", "the number is right")
    assert settled(desk) == {a: "yes", b: a, c: "no", d: ""}
    desk.settling.settle_mark(desk.admin, NAME, c, "yes", "it is wrong after all")
    assert settled(desk)[c] == "yes"
    assert desk.store.judgements.of(range(1, 99)) == before
    assert [one.action for one in desk.store.audit.entries()].count("mark settled") == 4
    assert desk.store.audit.verify().holds
    by_id = {one.id: one for one in desk.settling.marks(desk.admin, NAME)}
    assert (by_id[b].verdict, by_id[b].merged_into) == ("merged", a)


def test_a_mark_goes_only_into_a_standing_one_of_the_same_text(desk):
    a, b, c, _ = (one.id for one in desk.settling.marks(desk.admin, NAME))
    desk.settling.settle_mark(desk.admin, NAME, b, "merged", "the same", a)
    for mark, into in ((c, ""), (c, c), (c, "j99.1"), (c, b), (a, c)):
        with pytest.raises(MedReasonError):
            desk.settling.settle_mark(desk.admin, NAME, mark, "merged", "why", into)
    for mark, verdict, why in (("j99.1", "yes", "why"), (a, "perhaps", "why"), (a, "yes", " ")):
        with pytest.raises(MedReasonError):
            desk.settling.settle_mark(desk.admin, NAME, mark, verdict, why)
    with pytest.raises(LikelyIdentifiers):
        desk.settling.settle_mark(desk.admin, NAME, a, "yes", "Mrs Miller, MRN 1234567")
    with pytest.raises(NotAllowed):
        desk.settling.marks(desk.people.add("Rita", Role.RATER), NAME)
    assert settled(desk) == {a: "", b: a, c: "", settled_last(desk): ""}


def settled_last(desk: StudyDesk) -> str:
    return desk.settling.marks(desk.admin, NAME)[-1].id


def test_the_marks_of_a_changed_rating_are_settled_anew(desk):
    (first, *_) = desk.settling.marks(desk.admin, NAME)
    desk.settling.settle_mark(desk.admin, NAME, first.id, "yes", "right")
    name = "Anna" if first.rater == "R01" else "Ben"
    (done,) = desk.sessions.finished(desk.local, name, NAME)
    view = desk.sessions.open(desk.local, name, done.showing_id)
    again = judgement(view.instrument, spans=marks(view, name)[:1], reason="one too many")
    desk.sessions.submit(desk.local, name, done.showing_id, again)
    now = desk.settling.marks(desk.admin, NAME)
    assert len(now) == 3 and first.id not in {one.id for one in now} and {one.verdict for one in now} == {""}


def test_what_raters_say_of_themselves_is_exported_and_the_newest_counts(desk):
    assert not desk.sessions.about(desk.local, "Anna").told
    desk.sessions.tell_about(desk.local, "Anna", RaterFacts(years=3))
    facts = RaterFacts("Pharmacist", "Nephrology", 4)
    for _ in range(2):
        desk.sessions.tell_about(desk.local, "Anna", facts)
    assert desk.sessions.about(desk.local, "Anna") == facts
    told = {
        (row["rater_id"], row["rater_role"], row["rater_specialty"], row["years_practice"])
        for row in desk.collections.records(desk.admin, NAME).ratings
    }
    assert told == {("R01", "Pharmacist", "Nephrology", 4), ("R02", "", "", None)}
    assert [one.action for one in desk.store.audit.entries()].count("profession told") == 2


@pytest.mark.parametrize("wrong", [{"years": -1}, {"years": 81}, {"profession": "Wizard"}, {"specialty": "Luck"}])
def test_only_what_can_be_chosen_is_kept(wrong):
    with pytest.raises(MedReasonError):
        RaterFacts(**wrong)
