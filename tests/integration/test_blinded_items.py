"""Blinding over many items: no word and no time tells the arms."""

import random
from collections.abc import Callable

import pytest

from tests.integration.stored.test_blinding import right_guesses, watched
from tests.integration.stored.test_blinding import store as store
from tests.integration.stored.test_sessions import MODEL_WORDS
from tests.store import Store
from tests.studies import with_study


def test_a_hundred_blinded_items_hold_no_name_of_a_model_and_no_sign_of_an_arm(place):
    desk = with_study(place, count=100, raters=("Anna",))
    for number in [one.id for one in desk.store.showings.of_study(1)]:
        told = repr(desk.sessions.open(desk.local, "Anna", number)).lower()
        for word in ("canary", "baseline", "finetuned", "fine-tuned", "tokens", "generation", *MODEL_WORDS):
            assert word not in told, word
    desk.close()


@pytest.mark.parametrize(
    ("blinded", "holds"), [(True, lambda right: right <= 0.6), (False, lambda right: right > 0.9)]
)
def test_a_stop_watch_tells_the_arms_of_two_hundred_pairs_only_where_they_are_not_blind(
    store: Store, blinded: bool, holds: Callable[[float], bool]
) -> None:
    chance = random.Random(20261122)
    items = [watched(store, blinded, chance) for _ in range(200)]
    assert holds(right_guesses(items)), right_guesses(items)
