"""How smoothly a page shows two traces of 8,000 tokens, on this computer and slowed down six times.

Both sides of a scripted engine think for 8,000 tokens at 400 tokens a second, faster than any model of the
size that is compared here. Chromium slows its own processor down, as its developer tools do. Each drill prints
its figures: how long the whole took, tasks that held the page up for more than 50 ms, and the time between frames.
The server is on the same cores. As a yardstick for the machine the same is measured on a page at rest, and what
the page took is set against what the engine took, which the page tells in tokens a second.
"""

import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from medreason.domain.arms import Arm
from medreason.engine.scripted import Script
from tests.chromium import find_chromium
from tests.scripted_app import serving

TOKENS, TOKENS_A_SECOND = 8_000, 400
SENTENCE = (
    "The vesicles follow one dermatome on the left, so reactivation of varicella zoster is more likely than "
    "contact dermatitis; there is no stiff neck, which speaks against meningitis.\n\n"
)
MEASURE = """() => {
  window.gaps = []; window.tasks = [];
  let last = performance.now();
  const frame = (now) => { window.gaps.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  new PerformanceObserver((seen) => { for (const one of seen.getEntries()) window.tasks.push(one.duration); })
    .observe({ entryTypes: ["longtask"] });
}"""
DONE = "[...document.querySelectorAll('.mr-status')].some((one) => one.textContent.startsWith('Done.'))"


class Smoothness(NamedTuple):
    """Seconds for the whole, milliseconds for the rest."""

    took_s: float
    long_tasks: int
    long_tasks_s: float
    longest_task: float
    gap_median: float
    gap_p95: float
    gap_p99: float
    gap_longest: float


def trace() -> str:
    words = SENTENCE.split(" ")
    return " ".join(words[number % len(words)] for number in range(TOKENS))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium is installed and none can be")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    said = {arm: Script(trace(), "It is shingles. " * 40) for arm in Arm}
    with serving(tmp_path_factory.mktemp("smooth") / "data", said, TOKENS_A_SECOND) as url:
        yield url


def measured(page: Page, took_s: float) -> Smoothness:
    gaps: Any = sorted(page.evaluate("window.gaps"))
    tasks: list[float] = page.evaluate("window.tasks")
    return Smoothness(
        took_s,
        len(tasks),
        sum(tasks) / 1000,
        max(tasks, default=0.0),
        *(gaps[int(len(gaps) * share)] for share in (0.5, 0.95, 0.99)),
        gaps[-1],
    )


@pytest.mark.parametrize(("slowed", "behind_s", "gap_p95_ms"), [(1, 4, 60), (6, 10, 300)])
def test_two_traces_of_eight_thousand_tokens_stay_smooth(
    browser: Browser, address: str, slowed: int, behind_s: float, gap_p95_ms: float
) -> None:
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(address)
    expect(page.get_by_role("button", name="Send")).to_be_enabled(timeout=90_000)
    page.wait_for_timeout(1500)  # the page has settled
    fresh = page.get_by_role("button", name="New conversation")
    if fresh.is_enabled():
        fresh.click()
    page.get_by_role("button", name="Sampling and system prompt, the same for both models").click()
    page.get_by_label("Longest answer in tokens").fill("20000")
    page.get_by_label("Longest answer in tokens").blur()
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slowed})
    page.evaluate(MEASURE)
    page.wait_for_timeout(3000)
    still = measured(page, 3.0)
    page.evaluate("() => { window.gaps.length = window.tasks.length = 0; }")
    page.locator("#question textarea").fill("What is this rash?")
    began = time.monotonic()
    page.locator("#question textarea").press("Enter")
    while not page.evaluate(DONE):  # looked for seldom, since looking takes the page's time
        page.wait_for_timeout(500)
        assert time.monotonic() - began < 180
    seen = measured(page, time.monotonic() - began)
    figures = page.evaluate("document.getElementById('under-1').textContent")
    shown = page.evaluate("[...document.querySelectorAll('#thought-1 .mr-words p')].map((one) => one.textContent)")
    assert shown == trace().split("\n\n"), "every word is there, whatever frames the page has missed"
    page.close()
    engine_s = len(trace().split(" ")) / float(re.findall(r"([\d,]+) a second", figures)[0].replace(",", ""))
    print(f"\nslowed {slowed} times, a page at rest: {still}\nslowed {slowed} times, two traces: {seen}")
    print(f"done {seen.took_s - engine_s:.1f} s after the {engine_s:.1f} s that the engine took")
    assert seen.took_s - engine_s < behind_s
    # Other work on the same cores lengthens the gaps of a page at rest, too.
    assert seen.gap_p95 < gap_p95_ms + 5 * (still.gap_p95 - 17)
