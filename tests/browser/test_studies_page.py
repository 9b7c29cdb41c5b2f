"""Who leads a study in a real browser: from an empty form to the first rater, and closed with a reason."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from medreason import demo
from medreason.data.cases import load_cases
from medreason.domain.study import StudyState
from medreason.ui import rate_tab
from tests.rate_page import served
from tests.studies import StudyDesk

pytestmark = pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated")


def faults_of_access(page: Page) -> list[str]:
    page.wait_for_timeout(500)
    sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    found = [f"scrolls sideways by {sideways} px"] if sideways > 1 else []
    for one in Axe().run(page).response["violations"]:
        if one["impact"] in ("serious", "critical"):
            found.append(f"{one['id']} {[node['html'][:120] for node in one['nodes'][:2]]}")
    return found


def test_a_study_is_made_opened_rated_and_closed(browser: Browser, tmp_path: Path) -> None:
    desk = StudyDesk(tmp_path / "a.db")
    services = SimpleNamespace(
        rating=desk.rating,
        sessions=desk.sessions,
        studies=desk.studies,
        settling=desk.settling,
        backups_told=lambda: "There is no backup yet.",
        serving=desk.serving,
        cases=load_cases(demo.CASES),
    )
    with served(services, desk.local, rate_tab.build) as server:
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.goto(server.url)
        page.get_by_role("tab", name="Studies").click()
        expect(page.get_by_text("No study yet.")).to_be_visible()
        page.get_by_label("Short name").fill("pilot")
        page.get_by_label("Title").fill("Nephrology pilot")
        page.get_by_label("nephrology (7)").check()
        page.get_by_label("One name a line").fill("Anna\nBen\nCarla")
        page.get_by_role("button", name="Look at what this means").click()
        expect(page.get_by_text("Each rater gets up to")).to_be_visible()
        assert faults_of_access(page) == []
        page.get_by_role("button", name="Keep the draft").click()
        expect(page.get_by_role("heading", name="Nephrology pilot")).to_be_visible()
        assert len(desk.studies.get(desk.local, "pilot").plan.cases) == 7

        desk.give_answers("pilot")
        page.reload()
        page.get_by_role("tab", name="Studies").click()
        page.get_by_role("button", name="Open the study").click()
        expect(page.get_by_text("Opening draws and seals the schedule")).to_be_visible()
        assert desk.studies.get(desk.local, "pilot").state is StudyState.GENERATING
        page.get_by_role("button", name="Yes, do it").click()
        expect(page.get_by_text("Schedule sealed")).to_be_visible()

        page.get_by_role("tab", name="My cases").click()
        page.get_by_label("Who is rating?").fill("Anna")
        page.get_by_label("Who is rating?").press("Enter")
        expect(page.get_by_role("button", name="Begin: Nephrology pilot")).to_be_visible()

        page.get_by_role("tab", name="Studies").click()
        page.set_viewport_size({"width": 820, "height": 1000})
        page.get_by_role("button", name="Audit").click()
        page.get_by_role("button", name="Close and unblind").click()
        assert faults_of_access(page) == []
        page.get_by_role("button", name="Yes, do it").click()
        expect(page.get_by_text("Not done yet: say why")).to_be_visible()
        assert desk.studies.get(desk.local, "pilot").state is StudyState.OPEN
        page.get_by_label("Recorded in the audit").fill("A trial run")
        page.get_by_role("button", name="Yes, do it").click()
        expect(page.get_by_text("Closed. Results shows")).to_be_visible()
        assert desk.studies.get(desk.local, "pilot").state is StudyState.CLOSED
        page.context.close()
    desk.close()
