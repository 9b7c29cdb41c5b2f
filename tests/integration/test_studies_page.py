"""The lead's pages as the page calls them: from an empty form to a closed study with settled values."""

import asyncio
from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from medreason import demo
from medreason.data.cases import load_cases
from medreason.domain.arms import Side
from medreason.domain.case import CaseKind
from medreason.domain.sampling import Sampling
from medreason.domain.span import Span, SpanType, Target
from medreason.domain.study import StudyState
from medreason.domain.user import Role
from medreason.ui import marks_list, studies, study_plan, study_progress
from medreason.ui.sampling_form import SHOWN
from medreason.ui.study_plan import PlanForm
from tests.studies import StudyDesk, accept, plan, rate

DECK = load_cases(demo.CASES)


def asked(sampling: Sampling, system_prompt: str = "") -> list[object]:
    """What the sampling fields of the form hold."""
    shown = [getattr(sampling, name) for name in SHOWN]
    return [sampling.thinking, *shown, sampling.seed, system_prompt]


BACKUP = "Last backup 01 Jan 2026, 00:00 UTC"


class StudiesPage:
    def __init__(self, desk: StudyDesk):
        self.user = desk.local
        given = {"studies": desk.studies, "settling": desk.settling, "serving": desk.serving, "cases": DECK}
        services = SimpleNamespace(**given, backups_told=lambda: BACKUP)
        ask = SimpleNamespace(user=lambda request: self.user)

        async def make() -> gr.Blocks:  # inside a running loop, or gradio makes one of its own and leaves it open
            with gr.Blocks(analytics_enabled=False) as blocks, gr.Tabs(), gr.Tab("Studies") as tab:
                self.part = studies.build(services, ask, tab)  # type: ignore[arg-type]
            return blocks

        self.blocks = asyncio.run(make())
        self.request = gr.Request()

    def call(self, name: str, *values: Any, nth: int = 0, asks: bool = True) -> list[Any]:
        """The nth callback of that name. What it sends is returned as it is."""
        found = list(dict.fromkeys(fn.fn for fn in self.blocks.fns.values() if fn.name == name))
        return found[nth](self.request, *values) if asks else found[nth](*values)

    def keep(self, form: PlanForm, sure: bool = False) -> list[Any]:
        sampling = asked(Sampling(max_new_tokens=64))
        return self.call("keep_draft", sure, *astuple(form), *sampling)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[StudyDesk]:
    made = StudyDesk(tmp_path / "a.db")
    yield made
    made.close()


def filled(**changed: Any) -> PlanForm:
    specialty = DECK[0].specialty
    return PlanForm("pilot", "Pilot", [specialty], consent="I take part.", raters="Anna\nBen\n", **changed)


def test_who_leads_sees_how_old_the_newest_backup_is_also_before_the_first_study(desk):
    page = StudiesPage(desk)
    assert any(BACKUP in str(shown) for shown in page.part.restore(page.request))
    desk.open_study(plan())
    shown = page.part.restore(page.request)
    assert any(BACKUP in str(one) and "study opened" in str(one) for one in shown)


def test_a_form_says_its_plan_and_the_plan_fills_the_form_again(desk):
    form = filled(same_arm=1, overlap=2, repeat_percent=20, instrument="full", own_answer=True, seed=7)
    made = study_plan.plan_of(form, DECK, None, Sampling())
    assert made.raters == ("Anna", "Ben") and made.repeat_share == 0.2 and made.own_answer
    assert [case.kind for case in made.cases].count(CaseKind.SAME_ARM) == 1
    assert astuple(replace(study_plan.form_of(made, DECK), raters=form.raters)) == astuple(form)


def test_cases_are_taken_in_turn_from_each_specialty_up_to_the_number(desk):
    two = list(dict.fromkeys(case.specialty for case in DECK))[:2]
    made = study_plan.chosen(PlanForm(specialties=two, most_cases=4), DECK)
    assert [case.specialty for case in made] == [two[0], two[1], two[0], two[1]]


def test_the_preview_says_the_load_and_what_the_number_of_cases_can_show(desk):
    page = StudiesPage(desk)
    sampling = asked(Sampling())
    said, found = page.call("preview", *astuple(filled(most_cases=4)), *sampling)
    assert said == "" and "minutes" in found and "no p-value" in found
    assert desk.studies.list(desk.local) == ()


def test_every_fault_of_a_form_is_named_and_nothing_is_kept(desk):
    said = StudiesPage(desk).keep(replace(filled(), name="no such/name", overlap=0, seed=-1))[0]
    assert "name is" in said and "raters a case" in said and "seed" in said
    assert desk.studies.list(desk.local) == ()


def test_a_draft_is_kept_changed_and_opened_after_being_asked(desk):
    page = StudiesPage(desk)
    assert page.keep(filled(most_cases=3))[1] == "pilot"
    assert page.keep(filled(most_cases=2, overlap=2))[1] == "pilot"
    assert len(desk.studies.get(desk.local, "pilot").plan.cases) == 2
    desk.give_answers("pilot")
    assert "draws and seals" in page.call("ask_first", "pilot", nth=0, asks=False)[1]
    assert desk.studies.get(desk.local, "pilot").state is StudyState.GENERATING
    said = page.call("confirmed", "open pilot", "", "")[0]
    assert "Open. Raters find it" in said and desk.studies.get(desk.local, "pilot").state is StudyState.OPEN
    assert "so its plan stays as it is" in page.keep(filled())[0]


def test_a_late_look_at_the_study_leaves_what_is_being_asked_about_it(desk):
    desk.open_study(plan(count=2))
    page = StudiesPage(desk)
    asked = page.call("ask_first", "pilot", nth=1, asks=False)[-1]
    assert page.call("pick", "pilot", asked)[-4:] == [gr.skip()] * 4
    shut, *emptied = page.call("pick", "another", asked)[-4:]
    assert not shut.visible and emptied == ["", "", ""]


def test_a_case_file_goes_into_the_draft_and_stays_there(desk, tmp_path):
    page = StudiesPage(desk)
    file = tmp_path / "cases.csv"
    file.write_text("case_id,text,specialty\nown-1,A toe hurts.,rheumatology\n", encoding="utf-8")
    assert page.call("upload", str(file), "pilot", False)[1] == "pilot"
    page.keep(filled(most_cases=2))
    assert [case.case_id for case in desk.studies.get(desk.local, "pilot").plan.cases][-1] == "own-1"
    page.keep(filled(most_cases=2, keep_files=False))
    assert len(desk.studies.get(desk.local, "pilot").plan.cases) == 2
    broken = tmp_path / "broken.csv"
    broken.write_text("words\nx\n", encoding="utf-8")
    assert "text" in page.call("upload", str(broken), "pilot", False)[0]


def test_closing_and_removing_want_a_reason_and_tell_what_follows(desk):
    desk.open_study(plan(count=2))
    page = StudiesPage(desk)
    assert "say why" in page.call("confirmed", "close pilot", " ", "")[0]
    assert "say why" in page.call("confirmed", "remove pilot", "", "Ben")[0]
    assert "no longer takes part" in page.call("confirmed", "remove pilot", "moved away", "Ben")[0]
    assert "Carla takes part now" in page.call("add_rater", "pilot", "Carla")[0]
    updates = page.call("confirmed", "close pilot", "the planned number is reached", "")
    assert "Closed." in updates[0] and "the planned number is reached" in str(updates)
    assert desk.studies.get(desk.local, "pilot").state is StudyState.CLOSED


def test_the_progress_names_raters_and_never_an_arm(desk):
    desk.open_study(plan(count=2))
    for name in ("Anna", "Ben"):
        accept(desk, name)
    while (view := desk.sessions.next(desk.local, "Anna", "pilot")) is not None:
        rate(desk, view, "Anna")
    drawn = study_progress.study(desk.studies.get(desk.local, "pilot"))
    assert "Anna" in drawn and "2 of 2" in drawn and "Schedule sealed" in drawn and "\n" not in drawn
    for word in ("baseline", "finetuned", "canary-adapter", "some/base"):
        assert word not in drawn.lower()


def test_a_disputed_value_is_settled_beside_the_raters_own(desk):
    desk.open_study(plan(count=1))
    for name, value in (("Anna", 5), ("Ben", 1)):
        accept(desk, name)
        while (view := desk.sessions.next(desk.local, name, "pilot")) is not None:
            rate(desk, view, name, left=value, right=value)
    page = StudiesPage(desk)
    rows = desk.settling.disputed(desk.local, "pilot")
    chosen = study_progress.dispute_key(rows[0])
    points = page.call("choose", chosen, asks=False).choices
    assert len(points) == 5 and points[0][0].startswith("1 · ")
    assert "first" in page.call("settle_it", "pilot", chosen, None, "why", False)[0]
    assert "reason" in page.call("settle_it", "pilot", chosen, "3", "", False)[0]
    named = page.call("settle_it", "pilot", chosen, "3", "read with Mrs Miller", False)
    assert "Take out what identifies" in named[0] and named[-1].visible
    assert "Settled" in page.call("settle_it", "pilot", chosen, "3", "read with Mrs Miller", True)[0]
    again = {study_progress.dispute_key(one): one for one in desk.settling.disputed(desk.local, "pilot")}[chosen]
    assert again.adjudicated == 3 and again.values == rows[0].values


def marked(desk):
    """A study of one case in which Anna and Ben have marked the same word; Anna typed a comment."""
    desk.open_study(plan(count=1))
    for name in ("Anna", "Ben"):
        accept(desk, name)
        while (view := desk.sessions.next(desk.local, name, "pilot")) is not None:
            side = Side.LEFT if "in brief" in view.left.answer else Side.RIGHT
            shown = view.left if side is Side.LEFT else view.right
            place = (side, Target.ANSWER, 0, 6, shown.answer[:6], shown.answer_sha256)
            spans = () if view.practice else (Span(*place, SpanType.FABRICATED_FACT, 2),)
            rate(desk, view, name, spans=spans, comment="" if view.practice else f"said {name}")


def test_marks_are_settled_beside_the_raters_own(desk):
    marked(desk)
    page = StudiesPage(desk)
    first, second = desk.settling.marks(desk.local, "pilot")
    listed = marks_list.table((first, second))
    assert "“Answer”" in listed and "Invented fact" in listed and "\n" not in listed
    other = page.call("choose_mark", "pilot", first.id, "merged")
    assert other.visible and [key for _, key in other.choices] == [second.id]
    assert not page.call("choose_mark", "pilot", first.id, "yes").visible
    assert "first" in page.call("settle_mark", "pilot", None, "yes", None, "why", False)[0]
    assert "reason" in page.call("settle_mark", "pilot", first.id, "yes", None, "", False)[0]
    assert "Choose the other mark" in page.call("settle_mark", "pilot", first.id, "merged", None, "why", False)[0]
    named = page.call("settle_mark", "pilot", first.id, "yes", None, "MRN 1234567", False)
    assert "Take out what identifies" in named[0] and named[-1].visible
    assert "Settled" in page.call("settle_mark", "pilot", first.id, "merged", second.id, "one fault", False)[0]
    first, second = desk.settling.marks(desk.local, "pilot")
    assert f"the same as {second.id}" in marks_list.table((first, second))


def test_an_admin_takes_a_text_out_after_being_asked_and_a_lead_cannot(desk):
    marked(desk)
    page = StudiesPage(desk)
    number = next(one.id for one in desk.settling.typed_texts(desk.local, "pilot") if one.text == "said Anna")
    assert page.call("choose_text", "pilot", number)[0] == "said Anna"
    assert "say why" in page.call("ask_again", number, " ", asks=False)[0]
    words, take, yes, _ = page.call("ask_again", number, "names somebody", asks=False)
    assert "cannot be brought back" in words and yes.visible and not take.visible
    assert any(one.text == "said Anna" for one in desk.settling.typed_texts(desk.local, "pilot"))
    done = page.call("take_out", "pilot", number, "names somebody")
    assert "Taken out" in done[0] and done[1].visible
    kept = {one.id: one.text for one in desk.settling.typed_texts(desk.local, "pilot")}
    assert kept[number] == "[This text was taken out.]" and "said Ben" in kept.values()
    assert ("text taken out", "names somebody") in {(e.action, e.reason) for e in desk.store.audit.entries()}
    page.user = desk.people.add("Lea", Role.LEAD)
    assert "Only an admin" in page.call("take_out", "pilot", number, "why")[0]
    parts = [one for one in page.part.restore(page.request) if isinstance(one, gr.Accordion)]
    assert [one.visible for one in parts] == [False]


def test_only_those_who_lead_see_the_page(desk):
    page = StudiesPage(desk)
    assert page.part.restore(page.request)[0].visible
    page.user = desk.people.add("Rita", Role.RATER)
    assert not page.part.restore(page.request)[0].visible
    assert "may not" in str(page.keep(filled())[0])


def test_event_names_and_visibility_are_neutral(desk):
    for fn in StudiesPage(desk).blocks.fns.values():
        assert fn.api_visibility == "private"
        assert not any(word in fn.name for word in ("baseline", "finetuned", "arm", "unblind", "reveal"))
