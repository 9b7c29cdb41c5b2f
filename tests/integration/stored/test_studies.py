"""Studies for their lead: plans, states, raters who come and go, settling, closing; what Compare may not ask."""

import json
import threading
from dataclasses import replace

import pytest
from sqlalchemy import select

from medreason.data.sketch import question_record
from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS, Side
from medreason.domain.case import Case, CaseKind
from medreason.domain.items import Instrument
from medreason.domain.planted import Planted, WrongWords
from medreason.domain.span import SpanType, Target
from medreason.domain.study import ShowingKind, StudyPlan, StudyState
from medreason.domain.user import Role
from medreason.errors import Invalid, MedReasonError, NotAllowed, NotFound
from medreason.services.added_cases import new_cases
from medreason.services.collected import pack_of
from medreason.services.scheduling import letters
from medreason.services.typed import LikelyIdentifiers
from medreason.storage.generations import NewGeneration
from medreason.storage.study_tables import studies
from tests.studies import NAME, StudyDesk, accept, cases, judgement, plan, rate, with_study


@pytest.fixture
def path(place):
    return place


def test_a_plan_names_all_its_faults_together():
    with pytest.raises(Invalid) as told:
        StudyPlan(
            "../x", cases=(*cases(1), *cases(1), Case("p", "?", kind=CaseKind.PRACTICE)), overlap=0,
            repeat_share=0.9, raters=("Anna", " anna "), primary="Z", seed=-1, answers_per_case=0,
            planted=(Planted("nobody", "wrong words", "wrong"),),
        )  # fmt: skip
    fields = [fault.field for fault in told.value.faults]
    assert {"name", "cases", "raters a case", "share of repeats", "raters", "primary axis", "seed"} <= {*fields}
    assert {"answers per case", "planted errors"} <= {*fields} and fields.count("cases") == 2
    for name in ("live", "LIVE"):
        with pytest.raises(Invalid, match="kept for"):
            StudyPlan(name)


def test_a_planted_error_has_its_place_in_the_text():
    one = Planted("c1", "It is 🩺 gout. It is viral.", "It is viral")
    (place,) = one.places
    assert place[1:] == (14, 25) and one.answer[place.start : place.end] == one.quote
    with pytest.raises(Invalid, match="exactly once"):
        Planted("c1", "It is. It is.", "It is")


def test_several_planted_errors_have_a_place_each_and_share_no_character():
    text = "Give 5 g of iron for 9 years."
    one = Planted(
        "c1", text, "9 years", "It is Monday.", more=(WrongWords("5 g"), WrongWords("Monday", Target.TRACE))
    )
    assert [(place.error.quote, place.start, place.end) for place in one.places] == [
        ("9 years", 21, 28), ("5 g", 5, 8), ("Monday", 6, 12),
    ]  # fmt: skip
    with pytest.raises(Invalid, match="overlap"):
        Planted("c1", text, "5 g of", more=(WrongWords("g of iron"),))
    with pytest.raises(Invalid, match="exactly once"):
        Planted("c1", text, "5 g", more=(WrongWords("6 g"),))


def test_planted_errors_come_back_from_the_store_and_one_alone_is_kept_as_it_was(path):
    desk = StudyDesk(path)
    control = Case("pl", "Planted?", kind=CaseKind.PLANTED_ERROR)
    wanted = replace(plan(count=1), cases=(*plan(count=1).cases, control))
    one = Planted("pl", "Give 5 g for 9 years.", "5 g", severity=4)
    desk.studies.create(desk.local, replace(wanted, planted=(one,)))
    kept = desk.store.studies.get(NAME)
    assert kept.plan.planted == (one,)
    with desk.database.read() as connection:
        (text,) = connection.scalars(select(studies.c.plan))
    assert "more" not in json.loads(text)["planted"][0]
    two = replace(one, more=(WrongWords("9 years", type=SpanType.UNSAFE_GUIDANCE, severity=2),))
    desk.studies.change(desk.local, NAME, replace(wanted, planted=(two,)))
    assert desk.store.studies.get(NAME).plan.planted == (two,)
    assert desk.store.studies.get(NAME).plan_sha256 != kept.plan_sha256
    desk.close()


def test_a_draft_can_be_changed_and_a_begun_study_cannot(path):
    desk = StudyDesk(path)
    desk.studies.create(desk.local, plan(count=2))
    changed = desk.studies.change(desk.local, NAME, plan(count=5, raters=("Anna", "Carl"), title="A pilot"))
    assert len(changed.plan.cases) == 5 and changed.title == "A pilot"
    assert [(one.name, one.left) for one in changed.raters] == [("Anna", False), ("Ben", True), ("Carl", False)]
    with pytest.raises(MedReasonError, match="already a study"):
        desk.studies.create(desk.local, plan(name="PILOT"))
    desk.give_answers()
    with pytest.raises(MedReasonError, match="has begun"):
        desk.studies.change(desk.local, NAME, plan(count=1))
    desk.studies.open(desk.local, NAME)
    with pytest.raises(MedReasonError, match="is open"):
        desk.studies.open(desk.local, NAME)
    assert desk.store.studies.get(NAME).plan == replace(plan(count=5, raters=("Anna", "Carl"), title="A pilot"))
    desk.close()


def test_what_a_draft_still_lacks_is_said_in_words(path):
    desk = StudyDesk(path)
    view = desk.studies.create(desk.local, StudyPlan("empty", planned_cases=8))
    assert len(view.lacking) == 3 and "consent" in " ".join(view.lacking)
    for attempt in (desk.studies.generate, desk.studies.open):
        with pytest.raises(MedReasonError, match="still lacks: cases to rate"):
            attempt(desk.local, "empty")
    with pytest.raises(NotFound):
        desk.studies.get(desk.local, "nothing")
    desk.close()


def test_the_schedule_is_sealed_when_the_study_opens_and_amended_by_hash(path):
    desk = with_study(path, count=6, raters=("Anna", "Ben", "Carl", "Dora", "Eve"), overlap=2, seed=7)
    sealed = desk.studies.get(desk.local, NAME).schedule_sha256
    study = desk.store.studies.get(NAME)
    before = desk.store.showings.of_study(study.id)
    desk.studies.add_rater(desk.local, NAME, "Finn")
    desk.studies.remove_rater(desk.local, NAME, "Eve", "moved away")
    schedules = desk.store.showings.schedules(study.id)
    assert [one.number for one in schedules] == [0, 1, 2] and schedules[0].sha256 == sealed
    bodies = [one.values() for one in schedules]
    assert [body["previous"] for body in bodies] == ["", schedules[0].sha256, schedules[1].sha256]
    assert (bodies[1]["joins"], bodies[2]["leaves"]) == ("R06", "R05")
    after = {one.id: one for one in desk.store.showings.of_study(study.id)}
    assert all(after[one.id] == one for one in before) and len(after) > len(before)
    accept(desk, "Finn")
    assert desk.sessions.next(desk.local, "Finn", NAME) is not None
    with pytest.raises(NotAllowed, match="no seat"):
        desk.sessions.next(desk.local, "Eve", NAME)
    with pytest.raises(MedReasonError, match="already"):
        desk.studies.add_rater(desk.local, NAME, "finn")
    actions = [event.action for event in desk.studies.get(desk.local, NAME).events]
    assert actions.count("schedule amended") == 2 and "rater R05 left" in actions
    assert study.secret not in repr(desk.studies.get(desk.local, NAME)) + repr(bodies)
    desk.close()


def test_controls_and_repeats_are_shown_and_a_failed_pair_is_left_out(path):
    desk = StudyDesk(path)
    controls = (
        Case("aa", "Same twice?", kind=CaseKind.SAME_ARM),
        Case("pl", "Planted?", kind=CaseKind.PLANTED_ERROR),
        Case("fp", "Why does insulin raise glucose?", kind=CaseKind.FALSE_PREMISE),
    )
    wanted = plan(count=4, repeat_share=0.25)
    wanted = replace(
        wanted, cases=(*wanted.cases, *controls), planted=(Planted("pl", "Give 500 mg of nothing.", "500 mg"),)
    )
    desk.studies.create(desk.local, wanted)
    desk.give_answers()
    study = desk.store.studies.get(NAME)
    failed = desk.store.generations.of(study.id)[0]
    broken = NewGeneration("c1", Answer(finish=Finish.FAILED, fault="out of memory"), failed.arm)
    desk.store.generations.add(study.id, [broken])
    assert any("failed" in one for one in desk.studies.get(desk.local, NAME).warnings)
    desk.studies.open(desk.local, NAME)
    accept(desk, "Anna")
    shown = {}
    while view := desk.sessions.next(desk.local, "Anna", NAME):
        kind = desk.store.showings.find(view.showing_id).kind
        shown.setdefault(kind, []).append(view)
        rate(desk, view, "Anna")
    assert {kind: len(views) for kind, views in shown.items()} == {
        ShowingKind.PRACTICE: 2, ShowingKind.STUDY: 3, ShowingKind.REPEAT: 1, ShowingKind.GOLD_AA: 1,
        ShowingKind.GOLD_PLANTED: 1, ShowingKind.GOLD_FAKE: 1,
    }  # fmt: skip
    assert not any(view.case_text == "Case 1: what is it?" for view in shown[ShowingKind.STUDY])
    (planted,) = shown[ShowingKind.GOLD_PLANTED]
    assert "Give 500 mg of nothing." in (planted.left.answer, planted.right.answer)
    (same,) = shown[ShowingKind.GOLD_AA]
    assert {same.left.answer[:8], same.right.answer[:8]} == {"Answer 1", "Answer 2"}
    assert desk.store.showings.schedules(study.id)[0].values()["left_out"] == [["c1", 1]]
    desk.close()


def test_closing_and_unblinding_need_a_reason_and_are_recorded(path):
    desk = with_study(path)
    for attempt in (desk.studies.close, desk.studies.unblind):
        with pytest.raises(Invalid, match="reason"):
            attempt(desk.local, NAME, " ")
    lead = desk.people.add("Lee", Role.LEAD)
    desk.studies.add_rater(lead, NAME, "Lee")
    invited = desk.sessions.invitations(lead, "Lee")[0]
    desk.sessions.accept(lead, "Lee", NAME, invited.consent_sha256)
    assert not desk.studies.get(lead, NAME).unblinded
    assert desk.studies.unblind(lead, NAME, "a rater reported harm").unblinded
    with pytest.raises(NotAllowed, match="looked up"):
        desk.sessions.next(lead, "Lee", NAME)
    assert desk.sessions.next(desk.local, "Anna", NAME) is not None
    closed = desk.studies.close(desk.local, NAME, "all rated")
    assert closed.state is StudyState.CLOSED and closed.unblinded
    said = [(event.action, event.reason) for event in closed.events]
    assert ("unblinded early", "a rater reported harm") in said and ("closed and unblinded", "all rated") in said
    for attempt in (
        lambda: desk.studies.add_rater(desk.local, NAME, "Zoe"),
        lambda: desk.studies.close(desk.local, NAME, "again"),
    ):
        with pytest.raises(MedReasonError, match="is closed"):
            attempt()
    desk.close()


def test_disputed_answers_are_told_by_x_and_y_and_settled_beside_the_originals(path):
    desk = with_study(path, count=2)
    for name, left in (("Anna", 5), ("Ben", 1)):
        while view := desk.sessions.next(desk.local, name, NAME):
            tuned = Side.LEFT if "at length" in view.left.answer else Side.RIGHT
            values = {"left": left if tuned is Side.LEFT else 3, "right": left if tuned is Side.RIGHT else 3}
            rate(desk, view, name, **values)
    disputed = desk.settling.disputed(desk.local, NAME)
    names = letters(desk.store.studies.get(NAME))
    assert {one.answer for one in disputed} == {names[ARMS[1]]} and {one.spread for one in disputed} == {4}
    assert {value for one in disputed for _, value in one.values} == {1, 5}
    assert "finetuned" not in repr(disputed) and "baseline" not in repr(disputed)
    first = disputed[0]
    desk.settling.adjudicate(desk.local, NAME, first.case_id, first.answer, first.item, 4, "both agree now")
    again = desk.settling.disputed(desk.local, NAME)[0]
    assert (again.values, again.adjudicated) == (first.values, 4)
    (kept,) = pack_of(desk.collections.records(desk.local, NAME)).adjudications
    assert (kept.case_id, kept.arm, kept.item, kept.value) == (first.case_id, first.answer, first.item, 4)
    assert kept.reason == "both agree now"
    with pytest.raises(Invalid, match="answer.*item"):
        desk.settling.adjudicate(desk.local, NAME, first.case_id, "Z", "nonsense", 4, "x")
    desk.close()


def test_compare_may_not_ask_cases_of_a_study_that_is_not_closed(path):
    desk = StudyDesk(path)
    rater = desk.people.add("Rita", Role.RATER)
    engineer = desk.people.add("Ed", Role.ENGINEER)
    desk.studies.create(desk.local, plan(count=2))
    texts = {"c1", "c2", "Case 1: what is it?", "Case 2: what is it?"}
    assert desk.studies.closed_cases(rater) == texts
    assert desk.studies.closed_cases(desk.local) == frozenset()
    desk.give_answers()
    desk.studies.open(desk.local, NAME)
    assert desk.studies.closed_cases(desk.local) == texts  # Anna and Ben rate under this login
    assert desk.studies.closed_cases(engineer) == frozenset()
    desk.studies.close(desk.local, NAME, "done")
    assert desk.studies.closed_cases(rater) == desk.studies.closed_cases(desk.local) == frozenset()
    desk.close()


def test_more_raters_are_asked_for_only_while_they_can_still_rate(path):
    desk = with_study(path, count=2, raters=("Anna", "Ben"), overlap=2)
    desk.studies.remove_rater(desk.local, NAME, "Ben", "moved away")
    few = "Each case shall have 2 raters, and 1"
    assert f"{few} take part. Add some." in desk.studies.get(desk.local, NAME).warnings
    closed = desk.studies.close(desk.local, NAME, "the term is over")
    assert f"{few} took part; agreement rests on 1." in closed.warnings
    desk.close()


def test_a_preview_says_what_a_plan_asks_and_what_it_can_show(path):
    desk = StudyDesk(path)
    few = desk.studies.preview(desk.local, plan(count=5, instrument=Instrument.FULL))
    assert (few.showings, few.minutes, few.answers) == (2 + 5, 7 * 8, 10)
    assert any("no p-value" in word for word in few.words) and few.overlaps is None
    many = desk.studies.preview(desk.local, plan(count=60, raters=[f"r{n}" for n in range(12)], repeat_share=0.1))
    assert many.showings == 2 + 15 + 2
    assert any("60 cases find a difference" in word for word in many.words)
    desk.manifest = question_record([])
    assert desk.studies.preview(desk.local, plan(count=5)).overlaps == ()
    assert desk.store.studies.all() == ()
    desk.close()


def test_a_case_file_brings_planted_errors_and_names_what_is_wrong_with_them(path, tmp_path):
    desk, file = StudyDesk(path), tmp_path / "controls.csv"
    head = "case_id,text,kind,planted_answer,planted_quote,planted_severity\n"
    file.write_text(head + "p1,Why is it blue?,planted_error,Give 50 g of iron now.,50 g,4\ns1,Why?,study,,,\n")
    (planted,) = desk.studies.import_cases(desk.local, file, "fresh").plan.planted
    assert (planted.case_id, planted.places[0].start, planted.severity) == ("p1", 5, 4)
    more = head.strip() + ",planted_quote_2,planted_type_2,planted_quote_3\n"
    several = (
        more + "p1,Why is it blue?,planted_error,Give 50 g of iron for 9 years.,50 g,4,iron,wrong_mechanism,9 y\n"
    )
    file.write_text(several)
    (planted,) = desk.studies.import_cases(desk.local, file, "several").plan.planted
    assert [(one.error.quote, one.error.type, one.error.severity) for one in planted.places] == [
        ("50 g", "fabricated_fact", 4), ("iron", "wrong_mechanism", 3), ("9 y", "fabricated_fact", 3),
    ]  # fmt: skip
    file.write_text(several.replace("wrong_mechanism", "odd"))
    with pytest.raises(MedReasonError, match="row 2, column “planted_type_2” is 'odd'"):
        desk.studies.import_cases(desk.local, file, "several")
    for row, told in (
        ("p2,Is it?,planted_error,Give 50 g.,60 g,", "row 2.*exactly once"),
        ("p2,Is it?,study,Give 50 g.,50 g,", "row 2, column “kind”"),
        (",Is it?,planted_error,Give 50 g.,50 g,", "row 2, column “case_id”"),
        ("p2,Is it?,planted_error,Give 50 g.,50 g,high", "row 2, column “planted_severity”"),
    ):
        file.write_text(head + row + "\n")
        with pytest.raises(MedReasonError, match=told):
            desk.studies.import_cases(desk.local, file, "fresh")
    assert len(desk.studies.get(desk.local, "fresh").plan.cases) == 2
    desk.close()


def test_cases_of_a_file_make_and_extend_a_draft(path, tmp_path):
    desk = StudyDesk(path)
    file = tmp_path / "cases.csv"
    file.write_text("text,specialty\nWhy is it blue?,skin\nWhy is it red?,skin\n")
    view = desk.studies.import_cases(desk.local, file, "fresh")
    assert [case.case_id for case in view.plan.cases] == ["case-0002", "case-0003"]
    assert desk.studies.import_cases(desk.local, file, "fresh").plan == view.plan
    file.write_text("text\nWhy is it green?\n")
    extended = desk.studies.import_cases(desk.local, file, "fresh")
    assert [case.case_id for case in extended.plan.cases] == ["case-0002", "case-0003", "case-0001"]
    file.write_text("text\nPatient John Doe (DOB 03/05/1961) is pale\n")
    with pytest.raises(LikelyIdentifiers, match="date of birth"):
        desk.studies.import_cases(desk.local, file, "fresh")
    assert len(desk.studies.import_cases(desk.local, file, "fresh", identifiers_ok=True).plan.cases) == 4
    events = [event.action for event in desk.studies.get(desk.local, "fresh").events]
    assert "warning overridden: a date of birth, a name" in events
    desk.close()


def test_an_id_that_stands_for_another_text_is_refused_with_its_column():
    with pytest.raises(MedReasonError, match="column “case_id” names c1"):
        new_cases(cases(2), [Case("c1", "Another text")], "x.csv")


def test_a_study_without_raters_or_answers_does_not_open(path):
    desk = StudyDesk(path)
    desk.studies.create(desk.local, plan(raters=()))
    with pytest.raises(MedReasonError, match="is draft"):
        desk.studies.open(desk.local, NAME)
    study = desk.store.studies.get(NAME)
    desk.store.studies.set_state(study, StudyState.GENERATING, "user:1", "begun")
    with pytest.raises(MedReasonError, match="no raters"):
        desk.studies.open(desk.local, NAME)
    desk.studies.add_rater(desk.local, NAME, "Anna")
    with pytest.raises(MedReasonError, match="4 pairs of answers are still to be generated"):
        desk.studies.open(desk.local, NAME)
    assert desk.store.showings.of_study(study.id) == ()
    desk.close()


def test_a_revision_is_not_counted_as_another_case(path):
    desk = with_study(path, count=2)
    while view := desk.sessions.next(desk.local, "Anna", NAME):
        rate(desk, view, "Anna")
        if not view.practice:
            desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement(left=1, reason="second look"))
    progress = {one.name: (one.done, one.total) for one in desk.studies.get(desk.local, NAME).raters}
    assert progress == {"Anna": (2, 2), "Ben": (0, 2)}
    desk.close()


def test_a_study_opened_four_times_at_once_has_one_schedule(path):
    desk = StudyDesk(path)
    desk.studies.create(desk.local, plan(count=6))
    desk.give_answers()
    opened, refused = [], []

    def go() -> None:
        try:
            opened.append(desk.studies.open(desk.local, NAME))
        except MedReasonError as fault:
            refused.append(str(fault))

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(opened), len(refused)) == (1, 3)
    assert len(desk.store.showings.schedules(1)) == 1
    assert len(desk.store.showings.of_study(1)) == 2 * (6 + 2)
    assert desk.store.audit.verify().holds
    desk.close()
