"""Text from models, data and people is shown as text: no script runs, nothing is fetched from elsewhere, nothing
lies over the page (fault 11)."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from medreason.domain.arms import Arm
from medreason.domain.user import Role
from medreason.engine.scripted import Script, ScriptedEngine
from tests.browser.steps import open_tab
from tests.hostile import ELSEWHERE, PAYLOADS
from tests.logins import PASSWORD
from tests.runs import config, ended
from tests.shell import Shell, served
from tests.store import Store, rating

ALL = "\n\n".join(PAYLOADS)
NAME = '<img src=x onerror="window.__x=1">'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shell, str]]:
    engine = ScriptedEngine()
    for arm in Arm:
        engine.plays(
            arm, Script(f"Thinking begins.\n{ALL}\nThinking ends.", f"Answer begins.\n\n{ALL}\n\nAnswer ends.")
        )
    with served(tmp_path_factory.mktemp("hostile"), {NAME: Role.ADMIN}, engine) as made:
        yield made


# What lies at three corners of the window, where it is part of a text.
ON_TOP = """() => [[10, 10], [innerWidth / 2, 10], [innerWidth - 10, innerHeight - 10]].map(([x, y]) => {
  const found = document.elementFromPoint(x, y);
  return found && found.closest('.mr-answer, .mr-thought, .mr-chat') ? found.outerHTML.slice(0, 80) : '';
})"""
# What of a text is more than text.
ALIVE = """() => {
  const kinds = /^(SCRIPT|IFRAME|FORM|VIDEO|AUDIO|OBJECT|EMBED|STYLE|LINK|META|BASE)$/;
  const texts = '.mr-answer *, .mr-thought *, .mr-asked *, .mr-chat *';
  return [...document.querySelectorAll(texts)].filter((one) => kinds.test(one.tagName)
    || (one.tagName === 'INPUT' && one.type === 'password')
    || [...one.attributes].some((each) => each.name.startsWith('on'))
    || /^\\s*(javascript|data|vbscript):/i.test(one.getAttribute('href') || '')
    || getComputedStyle(one).position === 'fixed').map((one) => one.outerHTML.slice(0, 120));
}"""


# The same wherever text may come out: what only hostile text would have made of the page.
MADE = """(elsewhere) => {
  const kinds = 'iframe, video, audio, object, embed, input[type=password], '
    + 'form:not([action="/logout"]), '
    + '[onerror], [onload], [ontoggle], a[href^="javascript:" i], a[href^="data:text" i], img[src="x"], '
    + `[src*="${elsewhere}"], link[href*="${elsewhere}"], base[href*="${elsewhere}"], `
    + '[style*="inset:0"], [style*="inset: 0"]';
  const found = [...document.querySelectorAll(kinds)].map((one) => one.outerHTML.slice(0, 120));
  const styles = [...document.querySelectorAll('style')].filter((one) => one.textContent.includes(elsewhere));
  return [...found, ...styles.map(() => 'a style sheet')].concat(
    getComputedStyle(document.body).display === 'none' ? ['the page is hidden'] : []);
}"""


class Watched:
    """A page of which every request and every script that should not have run is known."""

    def __init__(self, browser: Browser, address: str):
        self.context = browser.new_context(viewport={"width": 1440, "height": 1000})
        self.page: Page = self.context.new_page()
        self.asked: list[str] = []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page.on("dialog", lambda dialog: self.asked.append(f"dialog {dialog.message}"))
        self.context.on("page", lambda page: self.asked.append(f"window {page.url}"))
        self.address = address
        self.page.goto(address)
        self.page.get_by_label("Name").fill(NAME)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("button", name="Send")).to_be_enabled()

    def is_clean(self) -> None:
        page = self.page
        ran = page.evaluate("Object.keys(window).filter((name) => name.startsWith('__x'))")
        assert ran == []
        outside = [url for url in self.asked if not url.startswith((self.address, "data:", "blob:"))]
        assert outside == [] and not any(ELSEWHERE in url for url in self.asked)
        assert not any(page.evaluate(ON_TOP))
        assert page.evaluate(ALIVE) == [] and page.evaluate(MADE, ELSEWHERE) == []


@pytest.fixture
def watched(browser: Browser, site: tuple[Shell, str]) -> Iterator[Watched]:
    made = Watched(browser, site[1])
    yield made
    made.context.close()


def test_a_name_a_question_and_answers_are_only_text(watched: Watched) -> None:
    page = watched.page
    expect(page.get_by_text(NAME)).to_be_visible()
    page.get_by_label("Question").fill(ALL.replace("\n", " "))
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("button", name="Rate this pair")).to_be_enabled()
    for words in ("Answer begins.", "Answer ends."):
        expect(page.get_by_text(words).first).to_be_attached()
    watched.is_clean()
    page.get_by_label("Question").fill(ALL.replace("\n", " "))  # so that the first turn goes behind its fold
    page.get_by_role("button", name="Send").click()
    page.get_by_role("button", name="Earlier questions (1)").first.click()
    expect(page.locator(".mr-chat").get_by_text("Answer ends.").first).to_be_visible()
    expect(page.get_by_role("button", name="Rate this pair")).to_be_enabled()
    watched.is_clean()
    page.get_by_role("button", name="Rate this pair").click()
    expect(page.get_by_role("tab", name="Rate", exact=True)).to_have_attribute("aria-selected", "true")
    page.get_by_label("Who is rating?").fill(NAME)
    page.get_by_label("Who is rating?").press("Enter")
    expect(page.locator("#rate-stage").get_by_text("Answer ends.").first).to_be_attached()
    watched.is_clean()
    page.reload()
    expect(page.get_by_text("Answer ends.").first).to_be_attached()
    watched.is_clean()


def test_the_cases_of_a_study_are_only_text(watched: Watched, tmp_path: Path) -> None:
    page = watched.page
    open_tab(page, "Rate")
    page.get_by_role("tab", name="Studies").click()
    cases, cell = tmp_path / "cases.csv", ALL.replace('"', '""')
    cases.write_text(f'case_id,text,specialty\n"x1","{cell}","{NAME.replace(chr(34), chr(34) * 2)}"\n', "utf-8")
    page.get_by_label("Short name").fill("pilot")
    page.get_by_label("Title").fill(NAME)
    page.locator('input[type="file"]').first.set_input_files(cases)
    expect(page.get_by_text("The draft pilot holds 1 case")).to_be_visible()
    watched.is_clean()
    page.reload()
    open_tab(page, "Rate")
    page.get_by_role("tab", name="Studies").click()
    expect(page.get_by_label("Study", exact=True)).to_have_value(re.compile("pilot"))
    watched.is_clean()


def test_the_cells_of_training_data_are_only_text(watched: Watched, tmp_path: Path) -> None:
    page = watched.page
    open_tab(page, "Train")
    page.locator("#train").get_by_role("tab", name="Data", exact=True).click()
    page.get_by_label("Source").first.click()
    page.get_by_role("option", name="A file", exact=True).click()
    rows = tmp_path / "rows.jsonl"
    row = {"Question": f"Question begins. {ALL}", "Complex_CoT": ALL * 2, "Response": ALL, NAME: NAME}
    rows.write_text("\n".join(json.dumps(row) for _ in range(12)), "utf-8")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Or upload a file").click()
    chooser.value.set_files(rows)
    page.get_by_role("button", name="Look at the data").click()
    expect(page.get_by_text("Question begins.").filter(visible=True).first).to_be_visible()
    watched.is_clean()
    page.get_by_role("button", name="Show this row").click()
    expect(page.get_by_text("window.__x12").filter(visible=True).first).to_be_visible()
    watched.is_clean()


def test_the_name_the_log_and_the_last_words_of_a_run_are_only_text(
    watched: Watched, site: tuple[Shell, str], tmp_path: Path
) -> None:
    services, page = site[0].services, watched.page
    script = tmp_path / "talks.py"
    script.write_text(
        f"import sys\nprint({ALL!r}, flush=True)\nprint({NAME!r}, file=sys.stderr)\nsys.exit(2)\n", "utf-8"
    )
    services.training.script = script
    user = site[0].user(NAME)
    services.training.start(user, config("talks"))
    services.training.rename(user, "talks", NAME)
    ended(services.training, "talks")
    page.reload()
    open_tab(page, "Train")
    page.locator("#train").get_by_role("tab", name="Runs", exact=True).click()
    run = page.locator(".mr-run").filter(visible=True).first
    expect(run).to_contain_text(NAME)
    log = page.locator(".mr-scroll, textarea").filter(visible=True)
    page.get_by_role("button", name="Log of the run").click()
    expect(page.get_by_label("Log").filter(visible=True).first).to_be_visible()
    assert log.count()
    watched.is_clean()
    page.locator("#train").get_by_role("tab", name="Settings and start", exact=True).click()
    page.get_by_label("Run name").fill(NAME)  # no such name is taken, and the refusal quotes it
    page.get_by_role("button", name="Start training").click()
    expect(page.locator(".mr-fault").filter(visible=True).last).to_contain_text("onerror")
    watched.is_clean()


def test_a_comment_is_only_text_to_the_rater_and_in_results(watched: Watched, site: tuple[Shell, str]) -> None:
    page, shell = watched.page, site[0]
    store = Store(shell.services.training.folder.database)
    for pair in [store.pair(case_id=f"c{number}") for number in range(3)]:
        rater = store.people.rater(shell.user(NAME).id, NAME)
        store.ratings.append(pair.id, rater.id, rating(2, 4, comment=f"Comment begins. {ALL}"))
    store.close()
    open_tab(page, "Results")
    page.get_by_role("button", name="Refresh").click()
    page.get_by_role("button", name=re.compile("won by the fine-tuned")).first.click()
    listed = page.get_by_role("table", name=re.compile("^Cases"))
    expect(listed).to_be_visible()
    watched.is_clean()
    listed.get_by_role("button").first.click()
    expect(page.get_by_text("Comment begins.").filter(visible=True).first).to_be_visible()
    watched.is_clean()
