"""What stands folded below the table: numbers without a column, and marks that no mean may hide."""

from dataclasses import replace

import pytest

from medreason.services.assessing import Assessment, assess
from medreason.stats.bootstrap import Resampling
from medreason.ui import results_folds
from tests.packs import study_pack
from tests.showings import Tags

QUICK = Resampling(n_boot=199)


@pytest.fixture(scope="module")
def made() -> Assessment:
    return assess(study_pack(12, 3), QUICK)


def test_what_the_table_has_no_column_for_is_on_the_page(made):
    shown = Tags(results_folds.further(made)).text
    for words in (
        "median of cases (quartiles), baseline",
        "Hodges–Lehmann shift",
        "rank-biserial correlation",
        "difference of shares in the best bin",
        "Wilcoxon signed-rank (Pratt), exact",
        "difference, raters drawn like cases",
        "difference with one rater left out, lowest",
        "log-odds of preferring the fine-tuned answer",
        "rank correlation of D and H over answers",
    ):
        assert words in shown, words
    assert "ratings of 5" not in shown  # drawn, and counted in the pack


def test_every_gravest_mark_is_listed_with_its_words_and_leads_to_its_case(made):
    gravest = [span for span in made.data.spans if span.severity == 4]
    assert gravest
    shown = Tags(results_folds.gravest(made))
    assert sorted(one["data-case"] for one in shown.all("button", type="button")) == sorted(
        span.case_id for span in gravest
    )
    assert all(span.quote.strip() in shown.text for span in gravest)
    assert f"{len(gravest)} mark" in shown.text and "could cause serious harm" in shown.text
    milder = replace(made, data=replace(made.data, spans=tuple(replace(one, severity=3) for one in gravest)))
    omission = replace(made, data=replace(made.data, spans=(replace(gravest[0], type="omission"),)))
    assert results_folds.gravest(milder) == results_folds.gravest(omission) == ""
