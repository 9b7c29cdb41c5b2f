"""Where a run goes: a Ray cluster is filled in, asked, refused in words, and kept for the next time."""

from importlib.util import find_spec

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.steps import open_tab
from tests.server import Server, free_port


def open_where(page: Page) -> None:
    open_tab(page, "Train")
    page.locator("#train").get_by_role("tab", name="Settings and start", exact=True).click()
    expect(page.get_by_label("This machine")).to_be_checked()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 820)])
def test_a_cluster_is_filled_in_asked_and_refused_in_words(browser: Browser, app: Server, scheme: str, width: int):
    context = browser.new_context(viewport={"width": width, "height": 1000}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(app.url)
    open_where(page)
    box = page.locator("#cluster")
    expect(box).to_be_hidden()
    page.get_by_label("Ray cluster").check()
    expect(box).to_be_visible()
    address, folder = page.get_by_label("Address of the cluster"), page.get_by_label("Working folder there")
    address.fill("10.0.0.5")
    folder.fill("work")
    page.get_by_role("button", name="Ask the cluster").click()
    expect(box.locator(".mr-fault")).to_contain_text("give an address such as http://10.0.0.5:8265")
    expect(box.locator(".mr-fault")).to_contain_text("give a whole path such as /mnt/medreason")
    found = [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    nobody = f"http://127.0.0.1:{free_port()}"
    address.fill(nobody)
    folder.fill("/tmp/work")
    page.get_by_role("button", name="Ask the cluster").click()
    said = "does not answer" if find_spec("ray") else "pip install -r requirements-ray.txt"
    expect(box.locator(".mr-fault")).to_contain_text(said)
    if not find_spec("ray"):
        page.get_by_role("button", name="Start training").click()
        expect(page.locator(".mr-fault").filter(has_text=said)).to_have_count(2)
    page.reload()
    open_where(page)
    page.get_by_label("Ray cluster").check()
    expect(page.get_by_label("Address of the cluster")).to_have_value(nobody)
    expect(page.get_by_label("Working folder there")).to_have_value("/tmp/work")
    context.close()
