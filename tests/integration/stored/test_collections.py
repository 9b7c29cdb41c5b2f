"""What a collection gives to exports and tables: complete, blinded until it is unblinded, live pairs apart."""

import json
from dataclasses import replace

import pytest

from medreason.domain.arms import ARMS, Arm, Side
from medreason.domain.case import Case, CaseKind
from medreason.domain.items import Instrument
from medreason.domain.judgement import Guess
from medreason.domain.planted import Planted
from medreason.domain.span import Span, SpanType, Target
from medreason.domain.user import Role
from medreason.errors import MedReasonError, NotAllowed
from medreason.services.collected import pack_of
from medreason.services.evaluating import evaluated
from medreason.services.scheduling import letters
from medreason.stats.bootstrap import Resampling
from medreason.stats.records import PairRecord, RatingRecord, SpanRecord
from tests.store import MODEL, rating
from tests.studies import NAME, StudyDesk, accept, cases, judgement, plan, rate, with_study

QUICK = Resampling(n_boot=99)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "medreason.db"


def rated(path, **given) -> StudyDesk:
    """Both raters give 4 to the fine-tuned side and 2 to the other, prefer it by 2 and mark the other."""
    desk = with_study(path, **given)
    for name in ("Anna", "Ben"):
        while view := desk.sessions.next(desk.local, name, NAME):
            tuned = Side.LEFT if "at length" in view.left.answer else Side.RIGHT
            other = view.right if tuned is Side.LEFT else view.left
            more = {"left": 4, "right": 2} if tuned is Side.LEFT else {"left": 2, "right": 4}
            if view.phase == "with_trace":
                mark = Span(
                    Side.RIGHT if tuned is Side.LEFT else Side.LEFT, Target.ANSWER, 0, 6, other.answer[:6],
                    other.answer_sha256, SpanType.FABRICATED_FACT, 3,
                )  # fmt: skip
                more |= {"spans": (mark,), "preference": -2 if tuned is Side.LEFT else 2}
                if view.instrument is Instrument.FULL:
                    more |= {"guess": Guess(tuned)}
            given_now = judgement(view.instrument, view.phase, **more)
            desk.sessions.submit(desk.local, name, view.showing_id, given_now)
    return desk


def test_after_closing_every_row_names_its_arm_and_the_statistics_can_read_it(path):
    desk = rated(path, count=4, repeat_share=0.25, instrument=Instrument.FULL)
    desk.studies.close(desk.local, NAME, "done")
    records = desk.collections.records(desk.local, NAME)
    assert not records.blinded and records.collection.ratings == 10 and records.collection.raters == 2
    depth = [row for row in records.ratings if row["item"] == "D"]
    assert {(row["arm"], row["value"]) for row in depth} == {("finetuned", 4), ("baseline", 2)}
    assert len(depth) == 2 * 2 * 5
    overall = [row for row in records.pairs if row["axis"] == "overall"]
    assert {row["pref_ft"] for row in overall} == {2} and {row["guess_correct"] for row in overall} == {True}
    assert {row["arm"] for row in records.spans} == {"baseline"}
    assert {row["phase"] for row in records.ratings} == {"answer_only", "with_trace"}
    assert sum(row["case_kind"] == "repeat" for row in overall) == 2
    assert all(row["repeat_of"] == row["case_id"] for row in overall if row["case_kind"] == "repeat")
    for row in records.ratings:
        wanted = {name: row[name] for name in RatingRecord.__dataclass_fields__ if name in row}
        RatingRecord(**wanted | {"arm": Arm(row["arm"]), "side": Side(row["side"])})
        assert row["started_at"] <= row["submitted_at"] and row["schedule_hash"]
    for row in records.pairs:
        wanted = {name: row[name] for name in PairRecord.__dataclass_fields__ if name in row}
        PairRecord(**wanted | {"left_arm": Arm(row["left_arm"])})
    for row in records.spans:
        SpanRecord(**{n: row[n] for n in SpanRecord.__dataclass_fields__ if n in row} | {"arm": Arm(row["arm"])})
    said = {row["generation_id"]: row for row in records.generations if row["origin"] == "model"}
    assert len(said) == 8 and {row["adapter_active"] for row in said.values()} == {True, False}
    for row in records.ratings:
        assert said[row["generation_id"]]["arm"] == row["arm"]
    assert {row["case_id"] for row in records.training} == {"practice-cystitis", "practice-mesenteric"}
    assert {row["mode"] for row in records.training} == {"training"}
    assert records.audit_head == desk.store.audit.verify().head
    json.dumps([records.study, records.cases, records.generations, records.ratings, records.events])
    desk.close()


def test_before_closing_arms_are_x_and_y_and_nothing_tells_which_is_which(path):
    desk = rated(path, count=4, instrument=Instrument.FULL)
    records = desk.collections.records(desk.local, NAME)
    assert records.blinded
    names = letters(desk.store.studies.get(NAME))
    depth = {(row["arm"], row["value"]) for row in records.ratings if row["item"] == "D"}
    assert depth == {(names[Arm.FINETUNED], 4), (names[Arm.BASELINE], 2)}
    overall = {row["pref_ft"] for row in records.pairs if row["axis"] == "overall"}
    assert overall == {2 if names[Arm.FINETUNED] == "Y" else -2}
    assert {row["guess_correct"] for row in records.pairs} == {None}
    told = json.dumps(
        [records.study, records.cases, records.generations, records.ratings, records.pairs, records.spans,
         records.events, records.training]
    )  # fmt: skip
    secret = desk.store.studies.get(NAME).secret
    for word in ("baseline", "finetuned", "canary", MODEL.base_model, MODEL.adapter_sha256, secret, "total_ms"):
        assert word not in told, word
    assert {row["len_tokens_left"] for row in records.pairs} == {None}
    with pytest.raises(NotAllowed, match="still blinded"):
        desk.collections.key(desk.local, NAME)
    engineer = desk.people.add("Ed", Role.ENGINEER)
    with pytest.raises(NotAllowed, match="still blinded"):
        desk.collections.records(engineer, NAME)
    assert [one.id for one in desk.collections.collections(engineer)] == ["live"]
    rater = desk.people.add("Rita", Role.RATER)
    with pytest.raises(NotAllowed):
        desk.collections.collections(rater)
    desk.studies.close(desk.local, NAME, "done")
    assert desk.collections.key(desk.local, NAME) == {names[arm]: str(arm) for arm in ARMS}
    assert desk.store.audit.entries()[-1].action == "key written"
    assert [one.id for one in desk.collections.collections(engineer)] == [NAME, "live"]
    desk.close()


def test_who_looks_at_the_arms_of_a_running_study_rates_in_it_no_more(path):
    desk = with_study(path)
    lead = desk.people.add("Lee", Role.LEAD)
    desk.studies.add_rater(lead, NAME, "Lee")
    invited = desk.sessions.invitations(lead, "Lee")[0]
    desk.sessions.accept(lead, "Lee", NAME, invited.consent_sha256)
    assert desk.collections.records(lead, NAME).blinded
    desk.studies.unblind(desk.admin, NAME, "a rater reported harm")
    assert desk.sessions.next(lead, "Lee", NAME) is not None
    assert not desk.collections.records(lead, NAME).blinded
    with pytest.raises(NotAllowed, match="looked up"):
        desk.sessions.next(lead, "Lee", NAME)
    last = desk.store.audit.entries()[-1]
    assert (last.actor, last.action) == (f"user:{lead.id}", "unblinded early")
    desk.close()


def test_the_letters_are_drawn_for_each_study(path):
    desk = StudyDesk(path)
    for number in range(24):
        desk.studies.create(desk.local, plan(f"s{number}", count=1))
    drawn = {letters(study)[Arm.BASELINE] for study in desk.store.studies.all()}
    assert drawn == {"X", "Y"}
    desk.close()


def test_a_planted_text_counts_for_the_arm_in_whose_place_it_stands(path):
    desk = StudyDesk(path)
    wanted = plan(count=1, raters=("Anna",))
    control = Case("pl", "Planted?", kind=CaseKind.PLANTED_ERROR)
    planted = Planted("pl", "Give 500 mg of nothing.", "500 mg")
    desk.open_study(replace(wanted, cases=(*cases(1), control), planted=(planted,)))
    accept(desk, "Anna")
    while view := desk.sessions.next(desk.local, "Anna", NAME):
        rate(desk, view, "Anna")
    desk.studies.close(desk.local, NAME, "done")
    records = desk.collections.records(desk.local, NAME)
    rows = [row for row in records.ratings if row["case_id"] == "pl" and row["item"] == "D"]
    assert {row["arm"] for row in rows} == {"baseline", "finetuned"}
    assert {row["case_kind"] for row in rows} == {"gold_planted"}
    (text,) = [row for row in records.generations if row["origin"] == "planted"]
    assert text["known_spans"][0]["quote"] == "500 mg" and text["arm"] in ("baseline", "finetuned")
    desk.close()


def test_live_pairs_are_judged_with_the_same_panel_and_stand_apart(path):
    desk = StudyDesk(path)
    older = desk.pair(user=desk.local, left=Arm.FINETUNED)
    newer = desk.pair("case-2", user=desk.local)
    desk.older_rating(desk.local, "Anna", older.id, rating(5, 1, -3, "old form"))
    view = desk.rating.open_live(desk.local, "Anna", newer.id)
    assert (view.study, view.instrument, view.revision_no) == ("", Instrument.ESSENTIAL, 0)
    assert not any(word in repr(view) for word in ("baseline", "finetuned", "canary", "tokens"))
    desk.rating.save_live_draft(desk.local, "Anna", newer.id, {"comment": "half"})
    assert desk.rating.open_live(desk.local, "anna", newer.id).draft == {"comment": "half"}
    assert desk.rating.open_live(desk.local, "Ben", newer.id).draft == {}
    saved = desk.rating.submit_live(desk.local, "Anna", newer.id, judgement(left=2, right=4, preference=2))
    assert (saved.receipt.revision_no, saved.sides.left, saved.blinded) == (1, Arm.BASELINE, True)
    assert [one.pair_id for one in desk.rating.waiting(desk.local, "Anna")] == []
    assert desk.rating.last_rater_name(desk.local) == "Anna"
    records = desk.collections.records(desk.local, "live")
    overall = {(row["case_id"], row["pref_ft"], row["mode"]) for row in records.pairs}
    assert overall == {("case-1", 3, "exploratory"), ("case-2", 2, "exploratory")}
    assert {row["study_id"] for row in records.ratings} == {"live"} and records.collection.ratings == 2
    depth = evaluated(pack_of(records), QUICK).row("D")
    assert (depth.n_cases, depth.n_ratings) == (2, 4)
    desk.close()


def test_an_older_rating_is_found_again_and_a_newer_one_supersedes_it(path):
    desk = StudyDesk(path)
    pair = desk.pair(user=desk.local)
    desk.older_rating(desk.local, "Anna", pair.id, rating(5, 1, -3, "old form"))
    view = desk.rating.open_live(desk.local, "Anna", pair.id)
    assert view.previous.value(Side.LEFT, "D") == 5 and view.previous.preference() == -3
    assert view.revision_no == 1
    saved = desk.rating.submit_live(desk.local, "Anna", pair.id, judgement(left=2))
    assert saved.receipt.revision_no == 2
    rows = [row for row in desk.collections.records(desk.local, "live").ratings if row["item"] == "D"]
    assert [(row["value"], row["superseded"], row["blinded"]) for row in rows if row["side"] == "left"] == [
        (5, True, True),
        (2, False, False),
    ]
    assert evaluated(pack_of(desk.collections.records(desk.local, "live")), QUICK).row("D").n_ratings == 2
    desk.close()


def test_a_mark_that_does_not_fit_a_live_text_is_refused(path):
    desk = StudyDesk(path)
    pair = desk.pair(user=desk.local)
    slipped = Span(Side.LEFT, Target.ANSWER, 0, 3, "xyz", "0" * 64, SpanType.FABRICATED_FACT, 3)
    with pytest.raises(MedReasonError, match="does not fit"):
        desk.rating.submit_live(desk.local, "Anna", pair.id, judgement(spans=(slipped,)))
    assert desk.collections.records(desk.local, "live").ratings == ()
    desk.close()
