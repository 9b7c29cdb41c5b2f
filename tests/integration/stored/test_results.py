"""Results: what the numbers rest on, what filters leave out, and what stands behind a number."""

import threading

import pytest

from medreason.domain.answers import Counts, Finish
from medreason.domain.arms import Arm
from medreason.domain.pack import StudyFacts
from medreason.domain.user import Role
from medreason.errors import MedReasonError, NotAllowed, NotFound
from medreason.services.assessing import assess
from medreason.services.assessments import Kept, content_key
from medreason.services.case_view import case_view, cases_behind, pieces
from medreason.services.descriptive import descriptive
from medreason.services.filtering import Filters, choices, filtered, left_out
from medreason.services.pack_rows import pack_data
from medreason.stats.bootstrap import Resampling
from medreason.text.markers import Format, format_of, markers
from tests.packs import study_pack
from tests.store import Store, rating

QUICK = Resampling(n_boot=99)


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "a.db")
    yield made
    made.close()


def evaluation(store):
    return assess(store.results.data(store.admin), QUICK).evaluation


def test_sides_are_turned_into_arms(store):
    for case, left in (("a", Arm.BASELINE), ("b", Arm.FINETUNED)):
        high, low = (2, 5) if left is Arm.BASELINE else (5, 2)
        preferred = 3 if left is Arm.BASELINE else -3
        store.older_rating(store.admin, "Anna", store.pair(case, left=left).id, rating(high, low, preferred))
    row = evaluation(store).row("D")
    assert (row.baseline.mean.value, row.finetuned.mean.value, row.difference.value) == (2.0, 5.0, 3.0)
    data = store.results.data(store.admin)
    assert {(row.arm, row.value) for row in data.ratings} == {("baseline", 2), ("finetuned", 5)}
    assert [(row.pref_ft, row.raw_left_right, row.outcome) for row in data.pairs] == [
        (3, 3, "win"),
        (3, -3, "win"),
    ]
    assert {row.side for row in data.ratings if row.arm == "finetuned"} == {"left", "right"}


def test_only_the_last_revision_counts_and_every_revision_is_there(store):
    pair = store.pair()
    for value, key in ((1, "a"), (5, "b")):
        store.older_rating(store.admin, "Anna", pair.id, rating(value, key=key))
    row = evaluation(store).row("D")
    assert (row.baseline.mean.value, row.n_paired) == (5.0, 1)
    data = store.results.data(store.admin)
    assert [(row.revision_no, row.superseded) for row in data.ratings] == [(1, True)] * 6 + [(2, False)] * 6
    assert len({row.presentation_id for row in data.ratings}) == 1


def test_a_blinded_pair_that_nobody_rated_is_nowhere(store):
    store.pair("canary-case", counts=(Counts(1, 0, 777), Counts(1, 888, 999)))
    data = store.results.data(store.admin)
    assert "canary" not in repr(data) and data.generations == () and data.cases == ()


def test_live_answers_carry_their_proof_and_no_path_of_this_computer(store):
    store.older_rating(store.admin, "Anna", store.pair("a").id, rating(comment="=cmd"))
    data = store.results.data(store.admin)
    baseline, finetuned = data.generations
    assert (baseline.adapter_active, finetuned.adapter_active) == (False, True)
    assert finetuned.base_model == "some/base" and finetuned.sampling is not None
    assert (data.study.mode, data.study.unblinded, data.pairs[0].comment) == ("exploratory", True, "=cmd")
    assert {row.rater_id for row in data.ratings} == {"R01"} and "Anna" not in repr(data)


def test_several_conversations_over_one_case_are_one_case(store):
    for case in ("a", "a", None, None):
        store.older_rating(store.admin, "Anna", store.pair(case).id, rating())
    assert evaluation(store).n_cases == 3


def test_the_warnings_say_what_must_be_known(store):
    known = store.pair("a", blinded=False, finishes=(Finish.STOP, Finish.LENGTH))
    store.older_rating(store.admin, "Anna", known.id, rating())
    said = " ".join(assess(store.results.data(store.admin), QUICK).warnings)
    assert "Exploratory: not blinded by protocol" in said and "estimates only" in said
    assert "1 of 1 ratings were given by somebody who could know" in said
    assert "1 fine-tuned answer of 1 ended at the token budget" in said


def test_a_rater_may_not_see_results(store):
    someone = store.people.add("rater", Role.RATER)
    results = store.results
    for ask in (results.collections, results.data, results.view, results.pack):
        with pytest.raises(NotAllowed):
            ask(someone)


def test_a_study_that_is_not_there_is_told(store):
    with pytest.raises(NotFound, match="no study named nobody"):
        store.results.view(store.admin, "nobody")
    assert [one.id for one in store.results.collections(store.admin)] == ["live"]


def test_numbers_are_there_in_the_end_and_computed_once(store):
    store.older_rating(store.admin, "Anna", store.pair("a").id, rating())
    first = store.results.view(store.admin, wait_s=30)
    again = store.results.view(store.admin, wait_s=0)
    assert first.made is not None and again.made is first.made


def test_what_is_computing_is_not_waited_for_and_a_fault_is_told_once():
    kept, go, runs = Kept[int](2), threading.Event(), []

    def slow() -> int:
        runs.append(1)
        go.wait(10)
        return 7

    assert kept.ask("a", slow, wait_s=0) is None and kept.ask("a", slow, wait_s=0) is None
    go.set()
    assert kept.ask("a", slow, wait_s=10) == 7 and len(runs) == 1

    def faulty() -> int:
        raise MedReasonError("No.")

    with pytest.raises(MedReasonError):
        kept.ask("b", faulty, wait_s=10)
    assert kept.ask("b", lambda: 1, wait_s=10) == 1
    assert content_key(study_pack(2)) == content_key(study_pack(2)) != content_key(study_pack(2, seed=8))


def test_filters_say_what_they_leave_out():
    data = study_pack(9, 2)
    given = choices(data)
    assert given.specialties == ("endocrinology", "nephrology", "neurology") and given.raters == ("R01", "R02")
    assert given.confidences == (3, 4, 5) and given.phases == ("answer_only", "with_trace")
    filters = Filters(specialty="nephrology", rater="R01", confidence=3)
    part = filtered(data, filters)
    assert {row.rater_id for row in part.ratings} == {"R01"} and len({row.case_id for row in part.ratings}) == 3
    said = left_out(data, part, filters)
    assert said.startswith("Only cases of nephrology, ratings by R01 and ratings with a confidence of 3 or more.")
    assert f"{len(data.ratings) - len(part.ratings):,} scores of {len(data.ratings):,} and 6 cases of 9" in said
    assert filtered(data, Filters()) is data and left_out(data, data, Filters()) == ""
    assert {row.phase for row in filtered(data, Filters(phase="with_trace")).ratings} == {"with_trace"}


def test_the_cases_behind_a_cell_are_those_it_counts():
    made = assess(study_pack(12, 2), QUICK)
    row = made.evaluation.row("D")
    for verdict, count in (("win", row.wins), ("tie", row.ties), ("loss", row.losses)):
        assert len(cases_behind(made, "D", verdict)) == count
    every = cases_behind(made, "D")
    assert len(every) == 12 and abs(every[0].difference) == max(abs(one.difference) for one in every)


def test_a_case_shows_both_texts_with_its_marks():
    data = study_pack(12, 2, comments=("fine",))
    span = data.spans[0]
    view = case_view(data, span.case_id)
    ((baseline, finetuned),) = view.pairs
    side = baseline if span.arm == "baseline" else finetuned
    marked = [piece.text for piece in side.answer if span in piece.marks]
    assert "".join(marked) == span.quote and "".join(p.text for p in side.answer).startswith("Gout 🩺")
    assert [one.rater for one in view.given] == ["R01", "R02"] and view.given[0].comment == "fine"
    assert set(view.given[0].scores) == {"D", "F", "H"}
    with pytest.raises(NotFound):
        case_view(data, "nobody")
    with pytest.raises(NotAllowed):
        case_view(study_pack(2, unblinded=False), "case-00")


def test_marks_that_overlap_cut_the_text_where_either_begins_or_ends():
    one, other = study_pack(12, 2).spans[:2]
    from dataclasses import replace

    made = pieces("0123456789", [replace(one, start=2, end=6), replace(other, start=4, end=99)])
    assert [(piece.text, len(piece.marks)) for piece in made] == [("01", 0), ("23", 1), ("45", 2), ("6789", 1)]
    assert [piece.text for piece in pieces("abc", [])] == ["abc"] and pieces("", []) == ()


def test_what_only_describes_counts_pairs():
    found = descriptive(study_pack(4, 3))
    names = {one.name: one for one in found.measures}
    assert found.n == 4 and names["Thinking, tokens"].baseline_mean == 0 and found.truncated[Arm.FINETUNED] == 1
    assert names["Answer, tokens"].n == 4 and len(found.prompts) == 4
    assert names["Tokens a second"].baseline_mean == pytest.approx((60 + 63 + 66 + 69) / 4 * 1000 / 2000.25)
    assert descriptive(study_pack(0)).n == 0


def test_markers_count_form_alone():
    text = "1. Because of heat.\n2) Hmm, wait.\n\nTherefore gout."
    assert markers(text).steps == 2
    assert markers(text).doubt == pytest.approx(100 * 2 / 9) and markers(text).linking == pytest.approx(
        100 * 2 / 9
    )
    assert markers("One.\n\nTwo.").steps == 2 and markers("").steps == 0
    assert format_of("# Head\n- one\n2. two\n**bold** and __too__") == Format(1, 2, 2)


def test_plain_rows_make_a_pack_blinded_or_not():
    facts = StudyFacts(study_id="s", title="S", unblinded=False)
    rating_row = {"rater_id": "R1", "case_id": "a", "arm": "X", "side": "left", "item": "D", "value": 3,
                  "rating_id": 5, "comment": "well", "reason": "", "rater_specialty": None}  # fmt: skip
    pair_row = {
        "rater_id": "R1",
        "case_id": "a",
        "pref_ft": None,
        "left_arm": "X",
        "rating_id": 5,
        "axis": "overall",
    }
    span_row = {"rater_id": "R1", "case_id": "a", "arm": "X", "type": "x", "severity": 2}
    made = pack_data(
        facts,
        cases=[{"case_id": "a", "must_contain": ["gout", "tophus"], "training_similarity": 0.2}],
        ratings=[rating_row, {**rating_row, "arm": "Y", "side": "right", "value": 4}],
        pairs=[pair_row],
        spans=[span_row, {**span_row, "superseded": True}, {**span_row, "mode": "training"}],
        events=[
            {"event_id": 1, "at": "t", "who": "user:1", "action": "opened", "object": "study", "reason": "go"}
        ],
    )
    assert (made.cases[0].must_contain, made.pairs[0].comment, len(made.spans)) == ("gout;tophus", "well", 1)
    assert made.events[0].details == {"reason": "go"} and made.ratings[0].rater_specialty == ""
    assert assess(made, QUICK).evaluation.row("D").n_paired == 1
