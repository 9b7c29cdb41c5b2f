"""Rates blinded items through the real page and searches all that the browser got for what tells the arms."""

import re
from pathlib import Path
from types import SimpleNamespace

from playwright.sync_api import Browser, expect

from medreason import demo
from medreason.data.cases import load_cases
from medreason.domain.user import Role
from medreason.ui import rate_tab
from tests.rate_page import served
from tests.store import MODEL
from tests.studies import StudyDesk, accept, plan, rate

EVERYWHERE = (MODEL.adapter, MODEL.base_model, MODEL.adapter_sha256, MODEL.base_sha256, MODEL.template_sha256)
"""Names, paths and hashes of the models: in nothing that a browser gets."""
IN_FRAMES = ("baseline", "finetuned", "adapter", "prompt_tokens", "first_token", "scripted", "provenance")
"""Words of the program itself, which its style sheets and labels may hold: in nothing that is said of an item."""
ASSETS = re.compile(r"/(assets|static|ui)/|/theme\.css|/svelte/")


def rate_blind(browser: Browser, folder: Path, items: int) -> tuple[int, list[str]]:
    """How many items went through the page, and every place where a canary was found."""
    desk = StudyDesk(folder / "a.db")
    rita = desk.people.add("Rita", Role.RATER)
    desk.open_study(plan(count=items, raters=("Rita",), overlap=1, adapter=MODEL.adapter))
    desk.local = rita
    accept(desk, "Rita")
    while (view := desk.sessions.next(rita, "Rita", "pilot")) is not None and view.practice:
        rate(desk, view, "Rita")
    services = SimpleNamespace(
        rating=desk.rating,
        sessions=desk.sessions,
        studies=desk.studies,
        settling=desk.settling,
        backups_told=lambda: "",
        serving=desk.serving,
        cases=load_cases(demo.CASES),
    )
    found: list[str] = []
    with served(services, rita, rate_tab.build) as server:
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.set_default_timeout(30_000)
        page.goto(server.url)
        page.get_by_role("button", name="Begin: pilot").click()
        for item in range(1, items + 1):
            expect(page.get_by_role("heading", name=re.compile(rf"case {item} of"))).to_be_focused()
            drawn = page.evaluate(
                "[...document.querySelectorAll('[id^=rate-]')].map((node) => node.outerHTML + "
                "[...node.querySelectorAll('textarea')].map((box) => box.value)).join()"
            )
            found += [f"page, item {item}: {word}" for word in (*EVERYWHERE, *IN_FRAMES) if word in drawn.lower()]
            for key in "4541" + "2301" + "2":
                page.keyboard.press(key)
            page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="done")).to_be_visible()
        page.context.close()
        for path, sent in server.sent.items():
            said = bytes(sent).decode("utf-8", "replace").lower()
            if not ASSETS.search(path):
                found += [f"{path}: {word}" for word in EVERYWHERE if word.lower() in said]
            if "/queue/" in path:
                found += [f"{path}: {word}" for word in IN_FRAMES if word in said]
        frames = "".join(bytes(sent).decode() for path, sent in server.sent.items() if "/queue/data" in path)
        assert all(f"Answer 1 to c{item} " in frames for item in range(1, items + 1)), "items were not overheard"
    done = len(desk.sessions.finished(rita, "Rita", "pilot"))
    desk.close()
    return done, found
