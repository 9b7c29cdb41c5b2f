"""The Rate tab as the page calls it: real services, real components, no browser."""

import asyncio
import json
from types import SimpleNamespace

import gradio as gr
import pytest

from medreason.domain.arms import SIDES, Arm
from medreason.domain.instrument import AXES
from medreason.ui import rate, results
from tests.showings import Tags
from tests.studies import StudyDesk

ARM_WORDS = ("baseline", "finetuned", "fine-tuned", "canary-adapter", "some/base")


class Page:
    """Both tabs in one Blocks, and the callbacks by the name they have in the code."""

    def __init__(self, store: StudyDesk):
        services = SimpleNamespace(rating=store.rating, results=store.results, sessions=store.sessions)
        ask = SimpleNamespace(user=lambda request: store.admin)
        with gr.Blocks(analytics_enabled=False) as self.blocks:
            self.rate = rate.build(services, ask)
            self.results = results.build(services, ask)
        self.by_name = {fn.name: fn for fn in self.blocks.fns.values()}
        self.request = gr.Request()

    def act(self, rater: str, act: str, place: str = "", **asked):
        """Screen, reply and place after something was pressed while `place` was open."""
        sent = {"act": act, "n": 5, "rater": rater, **asked}
        return self.by_name["act"].fn(self.request, json.dumps(sent), place)

    def opened(self, rater: str, pair_id: int) -> dict:
        """The form of a freshly opened pair."""
        return Tags(self.act(rater, "pair", pair=pair_id)[0]).data("data-sheet")[0]

    def keep(self, rater: str, sent: dict):
        return asyncio.run(self.by_name["keep"].fn(self.request, json.dumps({"rater": rater, **sent})))

    def save(
        self, rater: str, pair_id: int, value: str = "4", preference: str = "0", identifiers_ok=False, **changed
    ):
        form = {**self.opened(rater, pair_id), **changed}
        form.setdefault("q", {})
        if "q" not in changed:
            form["q"] = {f"{side}:{axis}": value for side in SIDES for axis in AXES}
            form["q"] |= {f"{side}:none_found": "1" for side in SIDES} | {"preferred:overall": preference}
        return self.act(rater, "rated", pair=pair_id, form=form, identifiers_ok=identifiers_ok)


@pytest.fixture
def store(tmp_path):
    made = StudyDesk(tmp_path / "a.db")
    yield made
    made.close()


@pytest.fixture
def page(store):
    async def make() -> Page:  # inside a running loop, or gradio makes one of its own and leaves it open
        return Page(store)

    return asyncio.run(make())


def stored(store):
    """Every judgement that is kept."""
    return store.store.judgements.of(range(1, 100))


def sent(updates) -> str:
    return json.dumps(updates, default=lambda one: one.get_config() if hasattr(one, "get_config") else str(one))


def test_nothing_the_page_gets_of_a_blind_pair_tells_the_arms(store, page):
    for left in Arm:
        pair = store.pair(left=left)
        got = [
            sent(updates)
            for updates in (
                page.rate.show(page.request, pair.id, "Anna"),
                page.act("", "refresh", "desk "),
                page.act("Anna", "refresh", f"live {pair.id}"),
                page.rate.restore(page.request),
                page.act("Ben", "named", f"live {pair.id} Anna"),
                page.rate.show(page.request, pair.id, ""),
                page.act("Anna", "pair", pair=pair.id),
                page.act("Anna", "leave"),
                page.save("Anna", pair.id, q={}),
            )
        ]
        for word in ARM_WORDS:
            assert word not in " ".join(got).lower()
    rate_part = json.dumps(page.blocks.get_config_file(), default=str)
    for word in ("canary-adapter", "some/base"):
        assert word not in rate_part


def test_swapping_the_arms_changes_only_the_texts(store, page):
    shown = [
        page.rate.show(page.request, store.pair(left=left).id, "Anna")[0] for left in (Arm.BASELINE, Arm.FINETUNED)
    ]
    heads = [[part.split("</div>")[0] for part in one.split('<div class="mr-arm')[1:]] for one in shown]
    assert heads[0] == heads[1] and len(heads[0]) == 2


def test_saving_stores_first_and_then_tells_the_sides(store, page):
    pair = store.pair(left=Arm.FINETUNED)
    screen, said, _ = page.save("Anna", pair.id, comment="note")
    assert "Saved. Left was Fine-tuned, right was Baseline." in said
    assert 'data-n="5" data-ok="1"' in said
    assert '<div class="mr-arm finetuned">' in screen
    assert stored(store)[0].judgement.comment == "note"
    assert (
        "Saved as revision 2; the first is kept." in page.save("Anna", pair.id, "5", "na", reason="read again")[1]
    )


def test_a_retry_after_a_lost_answer_is_one_rating(store, page):
    pair = store.pair()
    form = page.opened("Anna", pair.id)
    form["q"] = {f"{side}:{axis}": "4" for side in SIDES for axis in AXES}
    form["q"] |= {f"{side}:none_found": "1" for side in SIDES} | {"preferred:overall": "0"}
    said = [page.act("Anna", "rated", pair=pair.id, form=form)[1] for _ in range(3)]
    assert len(stored(store)) == 1
    assert all("Saved." in one for one in said)


@pytest.mark.parametrize("refusal", ["missing", "another's pair", "gone", "busy", "no name", "no form"])
def test_a_refusal_changes_nothing_but_the_reply(store, page, refusal, monkeypatch):
    from medreason.domain.user import Role
    from medreason.errors import Busy

    pair = store.pair()
    form = page.opened("Anna", pair.id)
    form["q"] = {f"{side}:{axis}": "4" for side in SIDES for axis in AXES}
    form["q"] |= {f"{side}:none_found": "1" for side in SIDES} | {"preferred:overall": "0"}
    pair_id = 99 if refusal == "gone" else pair.id
    if refusal == "missing":
        del form["q"]["preferred:overall"]
    if refusal == "another's pair":
        pair_id = store.pair(user=store.people.add("other", Role.LEAD)).id
    if refusal == "busy":

        def busy(*_):
            raise Busy("Not saved, the database is busy. Try again in a moment.")

        monkeypatch.setattr("medreason.storage.judgements.Judgements.append", busy)
    screen, said, place = page.act(
        "" if refusal == "no name" else "Anna",
        "rated",
        pair=pair_id,
        form=None if refusal == "no form" else form,
    )
    assert screen == gr.skip() and place == gr.skip()
    assert "mr-fault" in said and 'data-ok="0"' in said
    assert stored(store) == ()


@pytest.mark.parametrize("act", ["", "nonsense", "pair", "rated", "__class__"])
def test_what_no_page_sends_is_answered_in_words(page, act):
    screen, said, _ = page.act("Anna", act)
    assert screen == gr.skip() and "Reload it" in said
    for nonsense in ("", "[]", "{", "7", "null"):
        assert page.by_name["act"].fn(page.request, nonsense, "") == [gr.skip()] * 3


def test_correcting_the_name_keeps_an_unsaved_form(store, page):
    pair = store.pair()
    form = page.opened("Ana", pair.id) | {"q": {"left:D": "2"}, "comment": "so far"}
    page.keep("Ana", {"pair": pair.id, "form": form})
    screen = page.act("Anna", "named", f"live {pair.id} Ana")[0]
    assert Tags(screen).data("data-sheet")[0]["q"] == {"left:D": "2"}
    screen, said, place = page.act("Anna", "named", f"live {pair.id} Anna")
    assert screen == gr.skip() and place == gr.skip() and 'data-n="5" data-ok="1"' in said


def test_a_pair_waits_for_a_name_and_opens_with_it(store, page):
    pair = store.pair()
    screen, _, place = page.rate.show(page.request, pair.id, "")
    assert "Write your name above" in screen and not Tags(screen).data("data-sheet")
    assert Tags(page.act("Anna", "named", place)[0]).data("data-sheet")


def test_a_likely_identifier_is_warned_of_before_it_is_stored(store, page):
    pair = store.pair()
    form = page.opened("Anna", pair.id) | {"comment": "Mrs Miller, MRN 1234567"}
    said = page.keep("Anna", {"pair": pair.id, "form": form})
    assert "a name" in said and "kept nowhere yet" in said
    assert page.opened("Anna", pair.id)["comment"] == ""

    screen, said, _ = page.save("Anna", pair.id, comment="Mrs Miller, MRN 1234567")
    assert screen == gr.skip() and "Take out what identifies a patient" in said and "data-again" in said
    assert stored(store) == ()
    assert "Saved" in page.save("Anna", pair.id, comment="Mrs Miller", identifiers_ok=True)[1]


def test_another_person_begins_with_an_empty_blind_form(store, page):
    pair = store.pair()
    place = page.save("Anna", pair.id, comment="hers")[2]
    screen = page.act("Ben", "named", place)[0]
    form = Tags(screen).data("data-sheet")[0]
    assert form["q"] == {} and form["comment"] == ""
    assert "Fine-tuned" not in screen


def test_opening_a_rated_pair_shows_what_was_given(store, page):
    pair = store.pair()
    page.save("Anna", pair.id, preference="na", comment="hers")
    screen = page.rate.show(page.request, pair.id, "anna")[0]
    form = Tags(screen).data("data-sheet")[0]
    assert form["q"]["left:D"] == "4" and form["q"]["preferred:overall"] == "na" and form["comment"] == "hers"
    assert "kept as revision 2" in screen


def test_after_a_reload_the_name_and_what_waits_are_there(store, page):
    old, new = store.pair("case-old"), store.pair("case-new")
    page.save("Anna", new.id)
    name, screen, *_ = page.rate.restore(page.request)
    waiting = [json.loads(a["data-give"])["pair"] for a in Tags(screen).all("button", data_act="pair")]
    assert name.value == "Anna" and waiting == [old.id]


def test_with_nothing_to_rate_the_page_says_what_to_do(store, page):
    assert "Nothing waits to be rated" in page.rate.restore(page.request)[1]


def test_event_names_and_visibility_are_neutral(page):
    for fn in page.blocks.fns.values():
        assert fn.api_visibility == "private"
        assert not any(word in fn.name for word in ("baseline", "finetuned", "arm", "blind", "reveal"))
