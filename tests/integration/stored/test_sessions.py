"""Rating sessions through the real service: order, phases, drafts, skips, revisions, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medreason.domain.arms import Arm, Side
from medreason.domain.items import Instrument, Phase
from medreason.domain.sampling import Sampling
from medreason.domain.span import Span, SpanType, Target
from medreason.domain.user import Role
from medreason.errors import Invalid, MedReasonError, NotAllowed
from medreason.services.typed import LikelyIdentifiers
from tests.store import MODEL
from tests.studies import CONSENT, NAME, PRACTICE, StudyDesk, accept, judgement, plan, rate, with_study

BOTH = list(Instrument)
MODEL_WORDS = (MODEL.base_model, MODEL.base_sha256, MODEL.adapter_sha256, MODEL.engine, MODEL.precision)


@pytest.fixture
def path(place):
    return place


def past_practice(desk: StudyDesk, name: str = "Anna"):
    """The first case that counts."""
    while (view := desk.sessions.next(desk.local, name, NAME)) and view.practice:
        rate(desk, view, name)
    return view


@pytest.mark.parametrize("instrument", BOTH)
def test_a_session_goes_from_practice_through_every_case_to_its_end(path, instrument):
    desk = with_study(path, count=4, instrument=instrument, repeat_share=0.25)
    seen = []
    while view := desk.sessions.next(desk.local, "Anna", NAME):
        seen.append((view.practice, view.position, view.total))
        rate(desk, view, "Anna")
    assert seen == [(True, 1, 2), (True, 2, 2), *((False, n, 5) for n in range(1, 6))]
    invited = desk.sessions.invitations(desk.local, "Anna")[0]
    assert (invited.done, invited.total, invited.minutes_left, invited.needs_consent) == (5, 5, 0, False)
    assert [one.position for one in desk.sessions.finished(desk.local, "Anna", NAME)] == [1, 2, 3, 4, 5]
    desk.close()


def test_nothing_is_shown_before_the_consent_text_is_accepted(path):
    desk = StudyDesk(path)
    desk.open_study(plan())
    with pytest.raises(NotAllowed, match="accept"):
        desk.sessions.next(desk.local, "Anna", NAME)
    invited = desk.sessions.invitations(desk.local, "Anna")[0]
    assert invited.needs_consent and invited.consent == CONSENT
    with pytest.raises(MedReasonError, match="has changed"):
        desk.sessions.accept(desk.local, "Anna", NAME, "0" * 64)
    accept(desk, "Anna")
    assert desk.sessions.next(desk.local, "Anna", NAME) is not None
    desk.close()


def test_thinking_leaves_the_service_only_after_the_answers_are_locked(path):
    desk = with_study(path, instrument=Instrument.FULL)
    view = past_practice(desk)
    assert view.phase is Phase.ANSWER_ONLY and view.locked is None
    for side in (view.left, view.right):
        assert (side.thinking, side.thinking_sha256, side.no_trace) == (None, "", False)
    with pytest.raises(MedReasonError, match="first"):
        desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement(Instrument.FULL))
    given = judgement(Instrument.FULL, Phase.ANSWER_ONLY)
    receipt = desk.sessions.submit(desk.local, "Anna", view.showing_id, given)
    assert (receipt.revision_no, receipt.done) == (1, False)
    after = desk.sessions.next(desk.local, "Anna", NAME)
    assert after.showing_id == view.showing_id and after.phase is Phase.WITH_TRACE
    assert after.locked == given and after.left.thinking and after.left.answer == view.left.answer
    with pytest.raises(MedReasonError, match="locked"):
        changed = judgement(Instrument.FULL, Phase.ANSWER_ONLY, left=1)
        desk.sessions.submit(desk.local, "Anna", view.showing_id, changed)
    desk.close()


@pytest.mark.parametrize("instrument", BOTH)
def test_what_is_missing_is_named_and_nothing_is_stored(path, instrument):
    desk = with_study(path, instrument=instrument)
    view = past_practice(desk)
    half = judgement(instrument, view.phase)
    half = judgement(instrument, view.phase, given=half.given[:-4])
    with pytest.raises(MedReasonError, match="still missing: Right"):
        desk.sessions.submit(desk.local, "Anna", view.showing_id, half)
    assert desk.store.judgements.of([view.showing_id]) == ()
    desk.close()


def test_a_draft_is_found_again_by_the_same_rater_only_and_goes_with_the_rating(path):
    desk = with_study(path)
    view = past_practice(desk)
    desk.sessions.save_draft(desk.local, "Anna", view.showing_id, {"comment": "half a thought 🩺"})
    desk.close()
    desk = StudyDesk(path)
    again = desk.sessions.next(desk.local, "anna ", NAME)
    assert (again.showing_id, again.draft) == (view.showing_id, {"comment": "half a thought 🩺"})
    with pytest.raises(NotAllowed, match="not one of yours"):
        desk.sessions.open(desk.local, "Ben", view.showing_id)
    with pytest.raises(NotAllowed, match="not one of yours"):
        desk.sessions.save_draft(desk.local, "Ben", view.showing_id, {})
    with pytest.raises(MedReasonError, match="200 kB"):
        desk.sessions.save_draft(desk.local, "Anna", view.showing_id, {"c": "x" * 200_000})
    with pytest.raises(MedReasonError, match="cannot be stored"):
        desk.sessions.save_draft(desk.local, "Anna", view.showing_id, {"c": float("nan")})
    rate(desk, again, "Anna")
    assert desk.sessions.open(desk.local, "Anna", view.showing_id).draft == {}
    desk.close()


def test_a_skipped_case_comes_last_once_and_then_no_more(path):
    desk = with_study(path, count=2)
    first = past_practice(desk)
    desk.sessions.skip(desk.local, "Anna", first.showing_id, "outside my field")
    second = desk.sessions.next(desk.local, "Anna", NAME)
    assert second.showing_id != first.showing_id
    rate(desk, second, "Anna")
    assert desk.sessions.next(desk.local, "Anna", NAME).showing_id == first.showing_id
    desk.sessions.skip(desk.local, "Anna", first.showing_id, "still")
    assert desk.sessions.next(desk.local, "Anna", NAME) is None
    assert desk.sessions.invitations(desk.local, "Anna")[0].done == 2
    with pytest.raises(MedReasonError, match="finished"):
        desk.sessions.skip(desk.local, "Anna", second.showing_id, "too late")
    desk.close()


def test_a_double_submit_a_retry_and_a_second_tab_make_one_row(path):
    desk = with_study(path)
    view = past_practice(desk)
    one = judgement(idempotency_key="a")
    receipts = [
        desk.sessions.submit(desk.local, "Anna", view.showing_id, given)
        for given in (one, one, judgement(idempotency_key="b"))
    ]
    assert [receipt.revision_no for receipt in receipts] == [1, 1, 1]
    assert len(desk.store.judgements.of([view.showing_id])) == 1
    with pytest.raises(MedReasonError, match="saved before with other values"):
        desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement(left=1, idempotency_key="a"))
    desk.close()


def test_a_revision_needs_a_reason_and_keeps_the_first(path):
    desk = with_study(path)
    view = past_practice(desk)
    first, second = judgement(idempotency_key="a"), judgement(left=1, reason="misread the dose")
    desk.sessions.submit(desk.local, "Anna", view.showing_id, first)
    with pytest.raises(MedReasonError, match="why you change"):
        desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement(left=1))
    assert desk.sessions.submit(desk.local, "Anna", view.showing_id, second).revision_no == 2
    kept = desk.store.judgements.of([view.showing_id])
    assert [(one.revision_no, one.superseded, one.judgement) for one in kept] == [
        (1, True, first),
        (2, False, second),
    ]
    opened = desk.sessions.open(desk.local, "Anna", view.showing_id)
    assert (opened.previous, opened.revision_no) == (second, 2)
    # A late retry of the first act is answered with its own receipt and changes nothing.
    assert desk.sessions.submit(desk.local, "Anna", view.showing_id, first).revision_no == 1
    deeds = [(one.actor, one.action, one.reason) for one in desk.store.audit.entries()]
    assert deeds[-1] == ("R01", "revision 2", "misread the dose")
    desk.close()


def test_marks_hold_over_emoji_and_line_breaks_and_a_slipped_one_is_refused(path):
    desk = with_study(path)
    view = past_practice(desk)
    side, text = next((s, t) for s, t in ((Side.LEFT, view.left), (Side.RIGHT, view.right)) if "🩺" in t.thinking)
    start = text.thinking.index("is it?")
    end = text.thinking.index("this.")
    span = Span(
        *(side, Target.TRACE, start, end, text.thinking[start:end], text.thinking_sha256),
        *(SpanType.WRONG_MECHANISM, 3),
    )
    assert "🩺" in span.quote and "\n\n" in span.quote
    given = judgement(spans=(span,))
    desk.sessions.submit(desk.local, "Anna", view.showing_id, given)
    assert desk.sessions.open(desk.local, "Anna", view.showing_id).previous.spans == (span,)
    slipped = Span(
        *(side, Target.TRACE, start + 1, end + 1, span.quote, text.thinking_sha256), SpanType.WRONG_MECHANISM, 3
    )
    with pytest.raises(MedReasonError, match="does not fit"):
        desk.sessions.submit(
            desk.local, "Anna", view.showing_id, judgement(spans=(slipped,), reason="another mark")
        )
    desk.close()


def test_a_practice_case_gives_feedback_and_is_not_counted(path):
    desk = with_study(path)
    view = desk.sessions.next(desk.local, "Anna", NAME)
    assert view.practice and view.case_text == PRACTICE[0].case.text
    told = desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement(left=1, right=5)).feedback
    assert told.preference == -3 and told.why and told.marks
    assert {one.item for one in told.expected} == {"D", "F", "H"}
    assert ("left", "D") in told.differs and ("right", "F") in told.differs
    assert desk.sessions.invitations(desk.local, "Anna")[0].done == 0
    desk.close()


def test_feedback_on_full_looks_at_both_phases(path):
    desk = with_study(path, instrument=Instrument.FULL)
    view = desk.sessions.next(desk.local, "Anna", NAME)
    first = judgement(Instrument.FULL, Phase.ANSWER_ONLY, left=5, right=5)
    assert desk.sessions.submit(desk.local, "Anna", view.showing_id, first).feedback is None
    told = desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement(Instrument.FULL)).feedback
    assert {"F", "H", "harm_extent", "omission", "final_answer_correct", "D"} <= {i.item for i in told.expected}
    assert ("right", "F") in told.differs and ("left", "harm_extent") in told.differs
    # The answer of the first saving was lost, and it is sent again as it was.
    assert desk.sessions.submit(desk.local, "Anna", view.showing_id, first).revision_no == 1
    desk.close()


def test_the_own_answer_comes_before_anything_is_shown(path):
    desk = with_study(path, own_answer=True)
    view = past_practice(desk)
    assert view.asks_own_answer and (view.left.answer, view.right.answer) == ("", "")
    with pytest.raises(MedReasonError, match="your own answer first"):
        desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement())
    desk.sessions.own_answer(desk.local, "Anna", view.showing_id, "Pericarditis", 3)
    desk.sessions.own_answer(desk.local, "Anna", view.showing_id, "something else", 5)
    after = desk.sessions.next(desk.local, "Anna", NAME)
    assert not after.asks_own_answer and after.own_answer == "Pericarditis" and after.left.answer
    desk.close()


def test_a_likely_identifier_is_warned_of_before_it_is_stored_and_the_override_is_recorded(path):
    desk = with_study(path)
    view = past_practice(desk)
    given = judgement(comment="Patient John Doe, MRN 1234567, was here")
    with pytest.raises(LikelyIdentifiers, match="a name and a record number") as told:
        desk.sessions.submit(desk.local, "Anna", view.showing_id, given)
    assert set(told.value.found) == {"comment"}
    with pytest.raises(LikelyIdentifiers):
        desk.sessions.skip(desk.local, "Anna", view.showing_id, "call 555-123-4567")
    assert desk.store.judgements.of([view.showing_id]) == ()
    desk.sessions.submit(desk.local, "Anna", view.showing_id, given, identifiers_ok=True)
    actions = [one.action for one in desk.store.audit.entries()]
    assert "warning overridden: a name, a record number" in actions
    assert not any("Doe" in str(one) for one in desk.store.audit.entries())
    desk.close()


def test_a_case_seen_in_compare_is_not_offered_and_refused_in_words(path):
    desk = with_study(path, raters=("Anna", "carla"), count=3)
    carla = desk.people.add("carla2", Role.RATER)
    desk.studies.add_rater(desk.local, NAME, "carla2")
    invited = desk.sessions.invitations(carla, "")[0]
    desk.sessions.accept(carla, "", NAME, invited.consent_sha256)
    asked = next(case for case in desk.store.studies.get(NAME).plan.cases if case.case_id == "c2")
    hers = [one.id for one in desk.store.showings.of_rater(1, desk.people.rater(carla.id, "carla2").id)]
    desk.pairs.begin(carla.id, None, None, asked.text, "", Sampling(), Arm.BASELINE, blinded=True)
    offered = []
    while view := desk.sessions.next(carla, "", NAME):
        offered.append(view.showing_id)
        assert view.case_text != asked.text
        desk.sessions.submit(carla, "", view.showing_id, judgement())
    (left_out,) = set(hers) - set(offered)
    with pytest.raises(NotAllowed, match="seen this case in Compare"):
        desk.sessions.open(carla, "", left_out)
    progress = next(one for one in desk.studies.get(desk.local, NAME).raters if one.name == "carla2")
    assert (progress.total, progress.seen_elsewhere) == (2, 1)
    desk.close()


@pytest.fixture(scope="module")
def long_study(tmp_path_factory):
    """A study with a case for every example."""
    desk = with_study(tmp_path_factory.mktemp("typed") / "medreason.db", count=40, raters=("Anna",))
    yield desk
    desk.close()


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_what_is_typed_is_stored_exactly_or_refused(long_study, typed):
    desk = long_study
    view = past_practice(desk)
    try:
        given_now = judgement(comment=typed, reason=f"again {typed}")
    except Invalid:
        assert "\x00" in typed
        return
    desk.sessions.submit(desk.local, "Anna", view.showing_id, given_now, identifiers_ok=True)
    assert desk.sessions.open(desk.local, "Anna", view.showing_id).previous.comment == typed
    desk.sessions.save_draft(desk.local, "Anna", view.showing_id, {"comment": typed})
    assert desk.sessions.open(desk.local, "Anna", view.showing_id).draft == {"comment": typed}


def test_raters_are_themselves(path):
    desk = with_study(path)
    ben = desk.people.add("Dora", Role.RATER)
    with pytest.raises(NotAllowed, match="own name"):
        desk.sessions.invitations(ben, "Anna")
    with pytest.raises(NotAllowed, match="login of their own"):
        desk.sessions.invitations(desk.local, "Dora")
    with pytest.raises(NotAllowed, match="no seat"):
        desk.sessions.next(ben, "", NAME)
    engineer = desk.people.add("eng", Role.ENGINEER)
    for attempt in (
        lambda: desk.sessions.invitations(engineer, "Anna"),
        lambda: desk.sessions.next(engineer, "Anna", NAME),
        lambda: desk.sessions.open(engineer, "Anna", 1),
        lambda: desk.sessions.submit(engineer, "Anna", 1, judgement()),
        lambda: desk.sessions.save_draft(engineer, "Anna", 1, {}),
        lambda: desk.sessions.skip(engineer, "Anna", 1, "no"),
        lambda: desk.studies.list(engineer),
        lambda: desk.studies.get(ben, NAME),
        lambda: desk.studies.unblind(ben, NAME, "curious"),
        lambda: desk.settling.redact(engineer, 1, "no"),
    ):
        with pytest.raises(NotAllowed):
            attempt()
    desk.close()


def test_a_closed_study_takes_no_more_and_keeps_what_it_has(path):
    desk = with_study(path)
    view = past_practice(desk)
    rate(desk, view, "Anna")
    desk.studies.close(desk.local, NAME, "planned end")
    for attempt in (
        lambda: desk.sessions.next(desk.local, "Anna", NAME),
        lambda: desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement(left=1, reason="late")),
        lambda: desk.sessions.save_draft(desk.local, "Anna", view.showing_id, {}),
    ):
        with pytest.raises(MedReasonError, match="closed"):
            attempt()
    assert len(desk.store.judgements.of([view.showing_id])) == 1
    desk.close()


@pytest.mark.parametrize("instrument", BOTH)
def test_nothing_that_leaves_the_session_names_an_arm_a_model_or_a_time(path, instrument):
    desk = with_study(path, instrument=instrument, count=3)
    told = [repr(desk.sessions.invitations(desk.local, "Anna"))]
    while view := desk.sessions.next(desk.local, "Anna", NAME):
        told.append(repr(view))
        rate(desk, view, "Anna")
        told.append(repr(desk.sessions.open(desk.local, "Anna", view.showing_id)))
    told.append(repr(desk.sessions.finished(desk.local, "Anna", NAME)))
    for word in ("baseline", "finetuned", "canary", MODEL.base_model, MODEL.adapter_sha256, "tokens", "total_s"):
        assert not any(word in one.lower() for one in told), word
    desk.close()


def test_a_clock_that_steps_back_changes_no_order(path, monkeypatch):
    desk = with_study(path, count=3)
    times = iter(f"2026-01-{day:02d}T00:00:00.000Z" for day in range(28, 0, -1))
    for module in ("judgements", "audit"):
        monkeypatch.setattr(f"medreason.storage.{module}.utc_now", lambda: next(times))
    done = []
    while view := desk.sessions.next(desk.local, "Anna", NAME):
        rate(desk, view, "Anna")
        done += [] if view.practice else [view.showing_id]
    finished = desk.sessions.finished(desk.local, "Anna", NAME)
    assert [one.showing_id for one in finished] == done
    assert sorted(one.submitted_at for one in finished) != [one.submitted_at for one in finished]
    desk.sessions.submit(desk.local, "Anna", done[0], judgement(left=1, reason="second look"))
    assert [one.showing_id for one in desk.sessions.finished(desk.local, "Anna", NAME)] == [*done[1:], done[0]]
    assert desk.sessions.open(desk.local, "Anna", done[0]).previous.value(Side.LEFT, "D") == 1
    assert desk.store.audit.verify().holds
    desk.close()


def test_the_moment_a_case_is_opened_is_kept_and_the_first_one_stands(path):
    desk = with_study(path)
    view = desk.sessions.next(desk.local, "Anna", "pilot")
    first = desk.store.showings.opened([view.showing_id])
    assert set(first) == {(view.showing_id, view.phase)}
    desk.sessions.open(desk.local, "Anna", view.showing_id)
    assert desk.store.showings.opened([view.showing_id]) == first
    desk.close()
