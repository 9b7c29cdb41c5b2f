"""A rating session as the page calls it: consent, practice, cases, drafts, skipping, changing, the end."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from medreason.domain.items import REQUIRED, Instrument, Phase
from tests.rate_desk import RateDesk, whole
from tests.studies import CONSENT, StudyDesk, plan, with_study

ARMS = ("canary-adapter", "some/base", "baseline", "finetuned", "scripted")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[StudyDesk]:
    made = with_study(tmp_path / "a.db", count=2, title="Nephrology pilot")
    yield made
    made.close()


def begin(desk: StudyDesk, rater: str = "Anna", practised: bool = True) -> RateDesk:
    """At the first case; with `practised`, the practice cases are behind."""
    page = RateDesk(desk, rater).act("go", study="pilot")
    while practised and "practice case" in page.screen:
        page.save().act("go", study="pilot")
    return page


def test_the_desk_says_how_far_one_is_and_how_long_it_takes(desk):
    assert "Nephrology pilot" in RateDesk(desk, "Anna").screen
    assert "0 of 2, about 16 minutes left" in RateDesk(desk, "Anna").screen
    page = begin(desk).save().act("leave")
    assert "1 of 2, " in page.screen and "Go on" in page.screen
    assert "No study waits for you" in RateDesk(desk, "Carl").screen
    assert "Write your name above" in RateDesk(desk, "").screen


def test_the_consent_comes_first_and_is_accepted_as_it_was_read(tmp_path):
    desk = StudyDesk(tmp_path / "a.db")
    desk.open_study(plan(ethics="Approved, no. 12."))
    page = RateDesk(desk, "Anna").act("go", study="pilot")
    assert CONSENT in page.screen and "Approved, no. 12." in page.screen and not page.tags.data("data-sheet")
    (given,) = [json.loads(a["data-give"]) for a in page.tags.all("button", data_act="accept")]
    page.act("accept", study="pilot", sha256="0" * 64)
    assert "has changed" in page.said and "mr-fault" in page.said
    assert "practice case 1 of 2" in page.act("accept", **given).screen
    assert "practice case 1 of 2" in RateDesk(desk, "Anna").act("go", study="pilot").screen
    desk.close()


def test_the_profession_is_asked_once_with_the_consent_and_can_be_changed(tmp_path):
    desk = StudyDesk(tmp_path / "a.db")
    desk.open_study(plan())
    page = RateDesk(desk, "Anna").act("go", study="pilot")
    assert "What are you by profession?" in page.screen and "Optional" in page.screen
    (given,) = [json.loads(a["data-give"]) for a in page.tags.all("button", data_act="accept")]
    page.act("accept", **given, profession="Pharmacist", specialty="", years="many")
    assert "whole number" in page.said and "mr-fault" in page.said
    page.act("accept", **given, profession="Pharmacist", specialty="", years="1")
    assert "practice case 1 of 2" in page.screen
    page.act("leave")
    assert "About you: Pharmacist; 1 year in practice." in page.screen
    page.act("about")
    assert '<option value="Pharmacist" selected>' in page.screen
    page.act("told", profession="", specialty="Nephrology", years=" ")
    assert "About you: Nephrology." in page.screen and "Kept." in page.said
    second = RateDesk(desk, "Ben").act("go", study="pilot")
    (given,) = [json.loads(a["data-give"]) for a in second.tags.all("button", data_act="accept")]
    second.act("accept", **given, profession="", specialty="", years="")
    assert "practice case 1 of 2" in second.screen
    assert "You have not said" in second.act("leave").screen
    desk.close()


def test_two_practice_cases_come_first_with_feedback_and_are_not_counted(desk):
    page = begin(desk, practised=False)
    assert "practice case 1 of 2" in page.screen and "Not counted" in page.screen
    page.save()
    assert "how this practice case is rated" in page.screen and "Why" in page.screen
    assert "practice case 2 of 2" in page.act("go", study="pilot").screen
    page.save().act("go", study="pilot")
    assert "case 1 of 2" in page.screen and "practice" not in page.screen.split("data-sheet")[0]
    assert "0 of 2" in page.act("leave").screen


def test_saving_goes_on_to_the_next_case_and_ends_with_thanks(desk):
    page = begin(desk)
    first = page.showing
    page.save()
    assert page.showing != first and ">Saved.<" in page.said
    page.save()
    assert "Nephrology pilot: done" in page.screen and "All 2 cases are done" in page.screen


def test_what_is_lacking_is_named_and_nothing_changes(desk):
    page = begin(desk)
    screen = page.screen
    page.save(q={"left:D": "2"})
    assert "Left: factual correctness" in page.said and "mr-fault" in page.said
    assert page.screen == screen


def test_a_draft_is_found_again_from_another_browser_by_the_same_rater_only(desk):
    page = begin(desk)
    form = page.form | {
        "q": {"left:D": "2"},
        "comment": "half",
        "active_ms": 5000,
        "at": {"top": 300, "panes": [9, 0]},
    }
    page.keep(showing=page.showing, form=form)
    found = begin(desk).form
    assert (found["q"], found["comment"], found["active_ms"]) == ({"left:D": "2"}, "half", 5000)
    assert found["at"] == {"top": 300, "panes": [9, 0]}
    other = begin(desk, "Ben")
    other.act("open", showing=page.showing)
    assert "not one of yours" in other.said
    assert other.keep(showing=page.showing, form=form) and other.form["comment"] == ""


def test_leaving_keeps_what_is_filled_in(desk):
    page = begin(desk)
    page.act("leave", showing=page.showing, form=page.form | {"comment": "on the way out"})
    assert "Your studies" in page.screen
    assert begin(desk).form["comment"] == "on the way out"


def test_a_skipped_case_wants_a_reason_and_comes_back_at_the_end_once(desk):
    page = begin(desk)
    first = page.showing
    (given,) = [json.loads(a["data-give"]) for a in page.tags.all("button", data_act="skip")]
    assert "say why" in page.act("skip", showing=first, reason=" ", **given).said
    for _ in range(2):  # a retry, or a second tab
        page.act("skip", showing=first, reason="my own patient", **given)
        assert page.showing != first
    page.save()
    assert page.showing == first
    (given,) = [json.loads(a["data-give"]) for a in page.tags.all("button", data_act="skip")]
    page.act("skip", showing=first, reason="still", **given)
    assert "done" in page.screen
    assert desk.store.notes.skipped([first]) == {first: 2}


def test_a_finished_case_is_changed_with_a_reason_and_both_stay(desk):
    page = begin(desk)
    showing = page.showing
    page.save().act("leave").act("finished", study="pilot")
    assert [json.loads(a["data-give"])["showing"] for a in page.tags.all("button", data_act="open")] == [showing]
    page.act("open", showing=showing)
    assert "Why do you change it?" in page.screen and page.form["q"]["left:D"] == "2"
    changed = page.form["q"] | {"left:D": "5"}
    page.save(q=changed)
    assert "why" in page.said and "mr-fault" in page.said
    page.save(q=changed, reason="misread the dose")
    assert "Saved as revision 2; what you gave before is kept." in page.said
    kept = desk.store.judgements.of([showing])
    assert [one.judgement.value("left", "D") for one in kept] == [2, 5]


def test_two_tabs_with_the_same_answers_are_one_rating_and_other_answers_are_refused_in_words(desk):
    page, second = begin(desk), begin(desk)
    showing, old = page.showing, second.form
    page.save()
    same = second.act("save", study="pilot", showing=showing, form={**old, **whole(old)})
    assert ">Saved.<" in same.said and len(desk.store.judgements.of([showing])) == 1
    other = {**old, **whole(old)}
    other["q"] = {**other["q"], "left:D": "5"}
    second.act("save", study="pilot", showing=showing, form=other)
    assert "why you change" in second.said and len(desk.store.judgements.of([showing])) == 1


def test_full_locks_the_answers_then_shows_the_thinking_and_keeps_both_scores(tmp_path):
    desk = with_study(tmp_path / "a.db", count=1, instrument=Instrument.FULL)
    page = RateDesk(desk, "Anna").act("go", study="pilot")
    full = {"left:D": "3", "right:D": "3", "left:trace_consistent": "1", "right:trace_consistent": "0"}
    full |= {"left:none_found": "1", "right:none_found": "1", "preferred:overall": "1"}
    full |= {"confidence": "4", "guess": "dk"}
    told: list[str] = []
    for _ in range(3):
        assert "Therefore 🩺 this" not in page.screen and "thinking is shown once" in page.screen
        page.save()
        assert "thinking is shown now" in page.said
        showing = page.showing
        page.save(q=page.form["q"] | full | {"left:F": "5"})
        if "how this practice case is rated" in page.screen:
            told.append(page.screen)
        page.act("go", study="pilot")
    locked, revised = desk.store.judgements.of([showing])
    assert (locked.judgement.phase, locked.judgement.value("left", "F")) == (Phase.ANSWER_ONLY, 2)
    assert (revised.judgement.phase, revised.judgement.value("left", "F")) == (Phase.WITH_TRACE, 5)
    assert not revised.judgement.has("right", "F")
    assert len(told) == 2 and all("–" not in row for one in told for row in answered(one))
    desk.close()


def answered(screen: str) -> list[str]:
    """The rows about the answers, which are rated before the thinking is shown."""
    names = [item.name for item in REQUIRED[Instrument.FULL, Phase.ANSWER_ONLY]]
    rows = [row for row in screen.split("<tr>") if any(f">{name}</th>" in row for name in names)]
    assert rows
    return rows


def test_the_own_answer_comes_before_anything_of_the_models(tmp_path):
    desk = with_study(tmp_path / "a.db", count=1, own_answer=True)
    page = begin(desk)
    assert "Your own answer, in a line" in page.screen and "Answer 1 to" not in page.screen
    (give,) = [json.loads(a["data-give"]) for a in page.tags.all("button", data_act="own")]
    page.act("own", **give, text="Mr Miller has gout", confidence="3")
    assert "Take out what identifies a patient" in page.said
    page.act("own", **give, text="Gout", confidence="3")
    assert "Your own answer: Gout" in page.screen and page.tags.data("data-passage")
    desk.close()


def test_nothing_of_a_session_tells_an_arm(desk):
    page = begin(desk, practised=False)
    seen = [page.screen]
    while "data-sheet" in page.screen or "practice case is rated" in page.screen:
        seen.append(
            page.save().screen + page.said if "data-sheet" in page.screen else page.act("go", study="pilot").screen
        )
    seen += [page.act("finished", study="pilot").screen, page.act("leave").screen]
    assert len(seen) > 6
    for word in ARMS:
        assert word not in " ".join(seen).lower()


def test_a_closed_study_says_that_what_was_given_is_kept(desk):
    page = begin(desk)
    desk.studies.close(desk.local, "pilot", "enough")
    page.save()
    assert "is closed" in page.said and "mr-fault" in page.said
    assert "closed" in page.act("leave").screen


def test_a_save_and_a_draft_take_few_transactions(desk):
    """Each waits for the interpreter and perhaps for the disk; fifty raters save while answers stream."""
    page, ended = begin(desk), []
    event.listen(desk.database.engine, "commit", ended.append)
    form = {**page.form, **whole(page.form)}
    page.keep(showing=page.showing, form=form)
    drafted = len(ended)
    page.act("save", study="pilot", showing=page.showing, form=form)
    assert "Saved." in page.said
    assert drafted <= 2 and len(ended) - drafted <= 8
