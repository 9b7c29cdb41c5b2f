"""The Results tab as the page calls it: real services, real components, no browser."""

import asyncio
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest

from medreason.services.assessing import assess
from medreason.services.case_view import case_view
from medreason.services.study_figures import figures
from medreason.stats.bootstrap import Resampling
from medreason.ui import results_case, results_folds, results_view
from tests.packs import study_pack
from tests.results_page import blocks, rate_cases
from tests.store import Store, rating

QUICK = Resampling(n_boot=99)
HOSTILE = "<script>alert(1)</script>\n\n# not a heading"


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "a.db")
    yield made
    made.close()


class Page:
    def __init__(self, store: Store):
        self.blocks, self.tab = blocks(store)
        self.by_name = {fn.name: fn for fn in self.blocks.fns.values()}
        self.request = gr.Request()

    def call(self, name: str, *values):
        return self.by_name[name].fn(self.request, *values)

    def refresh(self, *values) -> str:
        return sent(self.tab.refresh(self.request, *values))


@pytest.fixture
def page(store):
    async def make() -> Page:  # inside a running loop, or gradio makes one of its own and leaves it open
        return Page(store)

    return asyncio.run(make())


def sent(updates) -> str:
    return json.dumps(
        updates,
        default=lambda one: one.get_config() if hasattr(one, "get_config") else str(one),
        ensure_ascii=False,
    )


EVERYTHING = ("live", "", "", 0, "")


def until_ready(page: Page, *values) -> str:
    for _ in range(100):
        shown = page.refresh(*values)
        if "Computing intervals" not in shown:
            return shown
    raise AssertionError("the numbers did not come")


def test_an_empty_page_says_what_to_do(page):
    shown = page.refresh()
    assert "No ratings yet" in shown and "Evaluation table" not in shown


def test_the_table_and_the_files_come_with_the_first_rating(store, page):
    store.older_rating(store.admin, "Anna", store.pair().id, rating(2, 4, 3, comment="=cmd"))
    shown = until_ready(page, *EVERYTHING)
    assert "On 1 case rated by 1 person" in shown and "Exploratory: not blinded by protocol" in shown
    assert "Descriptive, not correctness" in shown
    files = {Path(path).name: Path(path) for path in re.findall(r'"path": "([^"]+)"', shown)}
    assert files["ratings_long.csv"].read_bytes().count(b"\r\n") == 7
    assert b"'=cmd" in files["pairs.csv"].read_bytes()
    assert b"| Metric | Baseline" in files["evaluation_table.md"].read_bytes()
    assert files["distributions_light.png"].read_bytes().startswith(b"\x89PNG")


def test_a_number_leads_to_its_cases_and_a_case_to_its_texts(store, page):
    rate_cases(store, 4, ("Ann",))
    until_ready(page, *EVERYTHING)
    cells = sent(page.call("from_cell", *EVERYTHING, "D win 1"))
    assert '"value": "win"' in cells and "case-0" in cells
    texts = sent(page.call("from_name", *EVERYTHING, "case-01 2"))
    assert "a swollen &lt;b&gt;toe&lt;/b&gt;" in texts and "Wait, because it is hot" in texts
    assert "from_cell" in page.by_name and sent(page.call("from_cell", *EVERYTHING, "nonsense")).count("skip") == 0
    assert "case-02" in sent(page.call("list_cases", *EVERYTHING, "H", ""))


def test_filters_narrow_everything_and_say_so(store, page):
    rate_cases(store, 6, ("Ann", "Ben"))
    until_ready(page, *EVERYTHING)
    shown = until_ready(page, "live", "nephrology", "R01", 0, "")
    assert "Only cases of nephrology and ratings by R01. Left out:" in shown
    assert "On 2 cases rated by 1 person" in shown
    gone = until_ready(page, "live", "", "R77", 0, "")
    assert "On 6 cases rated by 2 people" not in gone and "No rating is left with these filters" in gone


def test_the_pack_is_made_aside_and_then_offered(store, page):
    rate_cases(store, 2, ("Ann",))
    for _ in range(200):
        button, said, timer = page.call("fetch", *EVERYTHING, True)
        if "ready" in said:
            break
    assert button.get_config()["visible"] and not timer.get_config()["active"]
    with zipfile.ZipFile(button.get_config()["value"]["path"]) as packed:
        assert {"SHA256SUMS", "ratings_long.csv", "methods.md"} <= set(packed.namelist())


def test_no_text_is_parsed_as_markup_and_no_line_is_broken():
    data = study_pack(3, 2, comments=(HOSTILE,))
    hurt = replace(
        data,
        cases=tuple(replace(one, text=HOSTILE, specialty=HOSTILE) for one in data.cases),
        generations=tuple(replace(one, answer_text=HOSTILE, thinking_text=HOSTILE) for one in data.generations),
        spans=tuple(replace(one, quote=HOSTILE, type=HOSTILE, start=2, end=9) for one in data.spans),
    )
    made = assess(hurt, QUICK)
    texts = results_case.case_texts(case_view(hurt, "case-00"))
    listed = results_case.case_list(made.cases["D"], HOSTILE, dict.fromkeys(["case-00"], HOSTILE))
    drawn = results_view.drawings(figures(made))
    for shown in (
        texts,
        listed,
        drawn,
        results_view.evaluation(made, HOSTILE),
        results_folds.quality(made),
        results_folds.secondary(made),
    ):
        assert "<script" not in shown
    assert "\n" not in texts


def test_marks_say_what_they_are_and_who_set_them():
    data = study_pack(12, 2)
    span = data.spans[0]
    shown = results_case.case_texts(case_view(data, span.case_id))
    assert f'<mark class="results-mark results-severity-{span.severity}"' in shown
    assert f"{span.rater_id}: “{' '.join(span.quote.split())}” {span.type.replace('_', ' ')}" in shown


def test_a_blind_study_shows_progress_and_agreement_only():
    data = study_pack(8, 2, unblinded=False, planned_cases=20)
    made = assess(data, QUICK)
    shown = results_view.progress(data, "Agreement was fair.") + results_view.drawings(figures(made))
    assert "8 of 20" in shown and "Agreement was fair." in shown and "progress and agreement only" in shown
    for word in ("Fine-tuned", "Baseline", "fig-baseline", "fig-finetuned"):
        assert word not in shown


def test_the_numbers_of_the_table_are_those_of_the_evaluation():
    made = assess(study_pack(12, 2), QUICK)
    shown = results_view.evaluation(made)
    row = made.evaluation.row("D")
    assert f'data-drill="D win" aria-label="{row.wins} cases won by the fine-tuned model: show them">' in shown
    assert f"{row.baseline.mean.value:.2f}" in shown and "further outcomes" in shown
    assert "How good the ratings are" in shown and "Bang" in shown


def test_the_secondary_model_is_folded_below_the_table_and_says_why_where_there_is_none():
    shown = results_view.evaluation(assess(study_pack(12, 2), QUICK))
    assert shown.index("Evaluation table") < shown.index("Secondary model") and "fine-tuned arm" in shown
    few = results_folds.secondary(assess(study_pack(3, 2), QUICK))
    assert (
        "No model of reasoning depth, factual correctness and hallucination control: fewer than 10 cases." in few
        and "<table" not in few
    )
