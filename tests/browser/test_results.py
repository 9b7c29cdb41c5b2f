"""Results in a real browser: from the sentence to a number, its cases and their texts, and out as a file."""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.results_page import rate_cases, served
from tests.store import Store


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, str]]:
    """Three pages: nothing rated, three cases, sixty cases by three raters."""
    folder = tmp_path_factory.mktemp("results")
    stores = {n: Store(folder / f"{n}.db") for n in (0, 3, 60)}
    for n, store in stores.items():
        rate_cases(store, n)
    with served(stores[0]) as none, served(stores[3]) as few, served(stores[60]) as many:
        yield {0: none, 3: few, 60: many}
    for store in stores.values():
        store.close()


def opened(browser: Browser, address: str, width: int = 1440, scheme: str = "light") -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 1000},
        color_scheme=scheme,
        accept_downloads=True,  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.goto(f"{address}/?__theme={scheme}")
    return page


def evaluation(page: Page):
    table = page.get_by_role("table", name="Evaluation table")
    expect(table).to_be_visible(timeout=60_000)
    return table


def test_with_nothing_rated_the_page_says_what_to_do(browser: Browser, addresses: dict[int, str]) -> None:
    page = opened(browser, addresses[0])
    expect(page.get_by_text("No ratings yet. Open Rate")).to_be_visible()
    expect(page.get_by_role("button", name="Make the pack")).to_be_hidden()
    page.context.close()


def test_three_cases_claim_nothing(browser: Browser, addresses: dict[int, str]) -> None:
    page = opened(browser, addresses[3])
    evaluation(page)
    expect(page.get_by_text("So few cases do not show which model is better.")).to_be_visible()
    expect(page.get_by_text("Fewer than 6 cases: estimates only")).to_be_visible()
    page.context.close()


def test_a_number_leads_to_cases_and_a_case_to_its_texts(browser: Browser, addresses: dict[int, str]) -> None:
    page = opened(browser, addresses[60])
    button = evaluation(page).get_by_role("button", name=re.compile("won by the baseline")).first
    count = int(button.inner_text())
    button.click()
    listed = page.get_by_role("table", name="Cases: Reasoning depth")
    expect(listed.get_by_role("row")).to_have_count(count + 1)
    case = listed.get_by_role("button").first
    name = case.inner_text()
    case.click()
    shown = page.locator("#results-texts")
    expect(shown.get_by_text("Baseline", exact=True)).to_be_visible()
    expect(shown.locator(".mr-chip")).to_contain_text(name)
    expect(shown).to_contain_text("a swollen <b>toe</b>. What now?")
    expect(shown).to_contain_text("Wait, because it is hot")
    page.context.close()


def test_a_filter_says_what_it_leaves_out(browser: Browser, addresses: dict[int, str]) -> None:
    page = opened(browser, addresses[60])
    evaluation(page)
    page.get_by_role("combobox", name="Specialty").click()
    page.get_by_role("option", name="neurology").click()
    expect(page.get_by_text("Only cases of neurology.")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("On 20 cases rated by 3 people")).to_be_visible()
    page.context.close()


def test_figures_and_the_pack_are_downloaded(browser: Browser, addresses: dict[int, str], tmp_path: Path) -> None:
    page = opened(browser, addresses[60])
    evaluation(page)
    expect(page.get_by_role("img", name=re.compile("^How often each score was given"))).to_be_visible()
    for kind, begin in (("SVG", b"<?xml"), ("PNG", b"\x89PNG")):
        with page.expect_download() as got:
            page.get_by_role("button", name=f"Figure, {kind}").click()
        assert got.value.path().read_bytes().startswith(begin)
    page.get_by_role("button", name="Make the pack").click()
    ready = page.get_by_role("button", name=re.compile("Download the pack"))
    expect(ready).to_be_visible(timeout=120_000)
    with page.expect_download() as pack:
        ready.click()
    with zipfile.ZipFile(pack.value.path()) as content:
        assert json.loads(content.read("study.json"))["rows"]["ratings_long.csv"] == 60 * 3 * 6
        assert "figures/forest_D_dark.svg" in content.namelist()
    page.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (820, "dark")])
def test_everybody_can_read_it(browser: Browser, addresses: dict[int, str], scheme: str, width: int) -> None:
    found = []
    for cases, address in addresses.items():
        page = opened(browser, address, width, scheme)
        if cases:
            evaluation(page).get_by_role("button", name=re.compile("won by the fine-tuned")).first.click()
            page.get_by_role("table", name=re.compile("^Cases")).get_by_role("button").first.click()
            expect(page.locator("#results-texts .mr-chip")).to_be_visible()
            page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
        else:
            expect(page.get_by_text("No ratings yet. Open Rate")).to_be_visible()
        page.wait_for_timeout(700)  # transitions have to end before colours are read
        if page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") > 1:
            found.append(f"{cases} cases: scrolls sideways")
        for one in Axe().run(page).response["violations"]:
            if one["impact"] in ("serious", "critical"):
                where = [node["html"][:160] for node in one["nodes"][:3]]
                found.append(f"{cases} cases: {one['id']} ({one['impact']}) {where}")
        page.context.close()
    assert found == []
