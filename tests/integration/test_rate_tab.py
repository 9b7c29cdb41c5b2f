"""The Rate and Results tabs as the page calls them: real services, real components, no browser."""

import asyncio
import json
from types import SimpleNamespace

import gradio as gr
import pytest

from medreason.domain.arms import Arm
from medreason.ui import rate, results
from tests.store import Store, rating

ARM_WORDS = ("baseline", "finetuned", "fine-tuned", "canary-adapter", "some/base")


class Page:
    """Both tabs in one Blocks, and the callbacks by the name they have in the code."""

    def __init__(self, store: Store):
        services = SimpleNamespace(rating=store.rating, results=store.results)
        ask = SimpleNamespace(user=lambda request: store.admin)
        with gr.Blocks(analytics_enabled=False) as self.blocks:
            self.rate = rate.build(services, ask)
            self.results = results.build(services, ask)
        self.by_name = {fn.name: fn for fn in self.blocks.fns.values()}
        self.request = gr.Request()

    def call(self, name: str, *values):
        return self.by_name[name].fn(self.request, *values)

    def save(self, rater: str, pair_id: int, *values, comment: str = "", key: str = "k"):
        return self.call("save_rating", rater, str(pair_id), key, comment, *values)


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "a.db")
    yield made
    made.close()


@pytest.fixture
def page(store):
    async def make() -> Page:  # inside a running loop, or gradio makes one of its own and leaves it open
        return Page(store)

    return asyncio.run(make())


def sent(updates) -> str:
    return json.dumps(updates, default=lambda one: one.get_config() if hasattr(one, "get_config") else str(one))


def test_nothing_the_page_gets_of_a_blind_pair_tells_the_arms(store, page):
    for left in Arm:
        pair = store.pair(left=left)
        got = [
            sent(updates)
            for updates in (
                page.rate.show(page.request, pair.id, "Anna"),
                page.rate.refresh(page.request, "", ""),
                page.rate.refresh(page.request, "Anna", str(pair.id)),
                page.rate.restore(page.request),
                page.call("named", "Ben", str(pair.id), ""),
                page.call("next_pair", "Anna"),
                page.save("Anna", pair.id, *[None] * 7),
            )
        ]
        for word in ARM_WORDS:
            assert word not in " ".join(got).lower()
    rate_part = json.dumps(page.blocks.get_config_file(), default=str)
    for word in ("canary-adapter", "some/base"):
        assert word not in rate_part


def test_swapping_the_arms_changes_only_the_texts(store, page):
    shown = [
        page.rate.show(page.request, store.pair(left=left).id, "Anna") for left in (Arm.BASELINE, Arm.FINETUNED)
    ]
    heads = [[part for part in map(str, updates) if "mr-arm" in part] for updates in shown]
    assert heads[0] == heads[1] and len(heads[0]) == 2


def test_saving_stores_first_and_then_tells_the_sides(store, page):
    pair = store.pair(left=Arm.FINETUNED)
    said = sent(page.save("Anna", pair.id, *["4"] * 6, "0", comment="note"))
    assert "Saved. Left was Fine-tuned, right was Baseline." in said
    assert store.ratings.all()[0].rating.comment == "note"
    assert "Saved as revision 2; the first is kept." in sent(
        page.save("Anna", pair.id, *["5"] * 6, "na", key="k2")
    )


def test_a_double_click_is_one_rating(store, page):
    pair = store.pair()
    for _ in range(2):
        assert "Saved." in sent(page.save("Anna", pair.id, *["4"] * 6, "0"))
    assert len(store.ratings.all()) == 1


@pytest.mark.parametrize("refusal", ["missing", "another's pair", "gone", "busy"])
def test_a_refusal_changes_nothing_but_the_status(store, page, refusal, monkeypatch):
    from medreason.domain.user import Role
    from medreason.errors import Busy

    values = [*["4"] * 6, None if refusal == "missing" else "0"]
    pair_id = 99 if refusal == "gone" else store.pair().id
    if refusal == "another's pair":
        pair_id = store.pair(user=store.people.add("other", Role.LEAD)).id
    if refusal == "busy":

        def busy(*_):
            raise Busy("Not saved, the database is busy. Try again in a moment.")

        monkeypatch.setattr(store.ratings, "append", busy)
    updates = page.save("Anna", pair_id, *values)
    changed = [update for update in updates if update != gr.skip()]
    assert len(changed) == 1 and "mr-fault" in changed[0]
    assert store.ratings.all() == ()


def test_correcting_the_name_keeps_an_unsaved_form(store, page):
    pair = store.pair()
    updates = page.call("named", "Anna", str(pair.id), "")
    assert sum(update != gr.skip() for update in updates) == 1  # only the list


def test_another_person_begins_with_an_empty_blind_form(store, page):
    pair = store.pair()
    page.save("Anna", pair.id, *["4"] * 6, "0", comment="hers")
    updates = page.call("named", "Ben", str(pair.id), "Anna")
    assert updates[-8:] == [None] * 7 + [""]
    assert "Fine-tuned" not in sent(updates)


def test_opening_a_rated_pair_shows_what_was_given(store, page):
    pair = store.pair()
    page.save("Anna", pair.id, *["4"] * 6, "na", comment="hers")
    updates = page.rate.show(page.request, pair.id, "anna")
    assert updates[-8:] == ["4"] * 6 + ["na", "hers"]
    assert "adds revision 2" in sent(updates)


def test_after_a_reload_the_name_and_the_next_pair_are_there(store, page):
    old, new = store.pair("case-old"), store.pair("case-new")
    page.save("Anna", new.id, *["4"] * 6, "0")
    name, *updates = page.rate.restore(page.request)
    assert name == "Anna" and str(old.id) in updates


def test_with_nothing_to_rate_the_page_says_what_to_do(store, page):
    assert '"visible": false' in sent(page.rate.restore(page.request))
    assert "Nothing waits to be rated" in json.dumps(page.blocks.get_config_file(), default=str)


def test_results_show_the_table_and_write_the_files(store, page):
    assert "No ratings yet" in sent(page.results.refresh(page.request))
    store.rating.submit(store.admin, "Anna", store.pair().id, rating(2, 4, 3))
    shown = page.results.refresh(page.request)
    assert "<td>2.0</td><td>4.0</td><td>+2.0</td><td>1</td>" in shown[0]
    assert "Descriptive, not correctness" in shown[2]


def test_event_names_and_visibility_are_neutral(page):
    for fn in page.blocks.fns.values():
        assert fn.api_visibility == "private"
        assert not any(word in fn.name for word in ("baseline", "finetuned", "arm", "blind", "reveal"))
