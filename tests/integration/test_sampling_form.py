"""The sampling form asks as the model is meant to be asked, until somebody changes a field."""

import pytest

from medreason.domain.sampling import Sampling
from medreason.errors import Invalid
from medreason.ui import sampling_form
from medreason.ui.sampling_form import BUDGET, EMBEDDED_BUDGET, default_budget, follow_thinking, new_seed, read


def test_the_switch_takes_qwen3s_own_values_and_gives_them_back():
    assert follow_thinking(False, 0.6, 0.95, 20, 0.0) == [0.7, 0.8, 20, 0.0]
    assert follow_thinking(True, 0.7, 0.8, 20, 0.0) == [0.6, 0.95, 20, 0.0]


def test_a_field_that_was_changed_stays_when_the_switch_is_turned():
    assert follow_thinking(False, 1.0, 0.95, 50, 0.1) == [1.0, 0.8, 50, 0.1]


def test_the_fields_make_the_sampling_that_is_asked_with():
    sampling, system_prompt = read([False, 0.7, 0.8, 20, 0.05, 300, 7, "  Be brief. "])
    assert system_prompt == "Be brief."
    assert sampling == Sampling(
        temperature=0.7, top_p=0.8, top_k=20, min_p=0.05, seed=7, max_new_tokens=300, thinking=False
    )


@pytest.mark.parametrize(
    "values", [[True, 9, 0.9, 20, 0, 100, 1, ""], [True, 0.6, 0.9, 20, 2, 100, 1, ""], [True] + [None] * 6 + [""]]
)
def test_what_is_out_of_range_is_refused(values):
    with pytest.raises(Invalid):
        read(values)


def test_new_seeds_differ_and_are_allowed():
    seeds = {new_seed() for _ in range(20)}
    assert len(seeds) == 20 and all(Sampling(seed=seed) for seed in seeds)


def test_a_model_that_thinks_gets_room_to_think():
    assert default_budget("Qwen/Qwen3-8B") == BUDGET >= 4 * 1080, "four times the longest published traced case"
    assert default_budget("embedded") == EMBEDDED_BUDGET
    assert sampling_form.DEFAULTS[True].thinking and not sampling_form.DEFAULTS[False].thinking
