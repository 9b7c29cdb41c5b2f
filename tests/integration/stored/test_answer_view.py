"""What Compare draws of a pair: endings in words, figures only where the arm is known, all text escaped."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.answers import Answer, Counts, Finish, Timings
from medreason.domain.arms import ARMS, SIDES, Arm, Side
from medreason.domain.events import Draft, Finished, ThinkingText
from medreason.services.pair_view import PairView, stored_view
from medreason.ui import answer_view
from tests.store import Store, proof

HOSTILE = "<script>x</script>\n\n\"'> <img src=x onerror=alert(1)> `` \r</div> # h\n\n- y"
SAID = Answer("Hm.", "Gout.", Finish.STOP, "", True, True, Counts(10, 90, 60), Timings(0.4, 12.4, 15.0))


@pytest.fixture
def store(tmp_path: Path):
    made = Store(tmp_path / "a.db")
    yield made
    made.close()


def shown(store: Store, said: Answer, blinded: bool = False, other: Answer = SAID) -> PairView:
    """A stored pair whose left side said this."""
    pair = store.pair(answered=False, blinded=blinded)
    for arm, answer in ((Arm.BASELINE, said), (Arm.FINETUNED, other)):
        store.pairs.save_answers(pair.id, {arm: (answer, proof(arm))})
    return stored_view(store.pairs.get(pair.id))


@pytest.mark.parametrize(
    ("said", "badges"),
    [
        (SAID, []),
        (replace(SAID, finish=Finish.CANCELLED), ["stopped by you"]),
        (replace(SAID, finish=Finish.LENGTH), ["cut off at 2,048 tokens, inside its answer"]),
        (
            replace(SAID, text="", closed=False, finish=Finish.LENGTH),
            ["cut off at 2,048 tokens, inside its thinking"],
        ),
        (Answer(text="Gout.", finish=Finish.STOP), ["no thinking trace"]),
        (Answer("Hm.", "", Finish.STOP, "", True, True), ["ended without an answer"]),
        (Answer("Hm.", "", Finish.FAILED, "It broke. Ask again.", True), []),
    ],
)
def test_endings_are_told_in_words(store: Store, said: Answer, badges: list[str]) -> None:
    assert answer_view.badges(shown(store, said), Side.LEFT) == badges


def test_a_thought_is_timed_and_counted_where_the_arm_is_known(store: Store) -> None:
    titles = [answer_view.thought_title(shown(store, SAID, blinded=blinded).left) for blinded in (False, True)]
    assert titles == ["Thought for 12 s · 90 tokens", "Thought"]


def test_a_fault_on_one_side_leaves_the_other_as_it_is(store: Store) -> None:
    pair = shown(
        store, Answer(text="Go", finish=Finish.FAILED, fault="The GPU ran out of memory. Press Continue.")
    )
    assert "The GPU ran out of memory." in answer_view.ending(pair, Side.LEFT)["fault"]
    assert answer_view.ending(pair, Side.RIGHT)["fault"] == ""
    assert answer_view.answer(pair, Side.RIGHT) == "Gout."
    assert "Press Continue" in answer_view.next_step(pair)
    assert "Rate" in answer_view.next_step(pair) or "rated" in answer_view.next_step(pair)
    assert "rate" not in answer_view.next_step(pair, can_rate=False).replace("Regenerate", "")


def everything(pair: PairView) -> str:
    parts = [
        answer_view.question(pair),
        answer_view.next_step(pair),
        answer_view.version_note(pair),
        answer_view.carrier(pair),
    ]
    for side in SIDES:
        one = pair.side(side)
        parts += [answer_view.heading(side, one.arm)]
        parts += [answer_view.what_answered(pair, side), str(answer_view.column([pair], side))]
    return " ".join(parts)


def test_a_blind_pair_says_nothing_of_its_arms_and_only_the_texts_change_when_they_are_swapped(
    store: Store,
) -> None:
    pages = []
    for left in ARMS:
        pair = store.pair(answered=False, left=left)
        for arm in ARMS:
            finish = Finish.LENGTH if arm is Arm.BASELINE else Finish.FAILED
            fault = "The adapter canary-adapter broke." if finish is Finish.FAILED else ""
            said = replace(SAID, text=f"TEXT-OF-{arm.name}", finish=finish, fault=fault)
            store.pairs.save_answers(pair.id, {arm: (said, proof(arm))})
        pages.append(everything(stored_view(store.pairs.get(pair.id))))
    for page in pages:
        for told in (
            "canary",
            "Baseline",
            "Fine-tuned",
            "baseline",
            "finetuned",
            "some/base",
            "90 tokens",
            "12 s",
        ):
            assert told not in page.replace("TEXT-OF-BASELINE", "").replace("TEXT-OF-FINETUNED", ""), told


def test_what_answered_is_told_exactly(store: Store) -> None:
    pair = shown(store, SAID)
    right = dict(answer_view.facts(pair.right.provenance, pair.right.answer))  # type: ignore[arg-type]
    left = dict(answer_view.facts(pair.left.provenance, pair.left.answer))  # type: ignore[arg-type]
    assert right["Adapter"].startswith("canary-adapter") and left["Adapter"].startswith("none")
    assert right["Model"].startswith("base (weights bbbbbbbbbbbb)") and right["Revision"] == "r1"
    assert (right["Precision"], right["Chat template"]) == ("float32", "t" * 12)
    assert (right["Time to first token"], right["Thinking"], right["Answer"]) == (
        "0.40 s",
        "90 tokens",
        "60 tokens",
    )
    assert right["Speed"] == "10.0 tokens a second"
    stepped = replace(proof(Arm.FINETUNED), model=replace(proof(Arm.FINETUNED).model, adapter_step=1170))
    assert "step 1,170" in dict(answer_view.facts(stepped, SAID))["Adapter"]
    joined = dict(answer_view.facts(replace(stepped, continued_at=(2048, 4096)), SAID))
    assert joined["Continued"] == "after 2,048, 4,096 tokens"


def test_a_long_trace_is_carried_from_where_the_page_has_it_and_whole_at_the_end(store: Store) -> None:
    text = "Fever 🌡️ and a rash. " * 2000
    said = Answer(text, "", Finish.CANCELLED, "", True)
    pair = shown(store, said)
    growing = answer_view.trace(replace(pair, left=replace(pair.left, done=False)), Side.LEFT)
    units = text.encode("utf-16-le")
    assert len(growing["text"]) == answer_view.CARRIED
    assert units[2 * int(growing["from"]) :].decode("utf-16-le") == growing["text"]
    ended = answer_view.trace(pair, Side.LEFT)
    assert (ended["from"], ended["text"]) == ("0", text)


class Carrier(HTMLParser):
    """Reads the trace's carrier as a browser would."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.values: dict[str, str | None] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.values |= dict(attrs)


@given(st.text(alphabet=st.characters(exclude_characters="\x00\r", exclude_categories=["Cs"])))
def test_a_trace_reaches_the_script_word_for_word_in_one_line(text: str) -> None:
    draft = Draft(Arm.FINETUNED)
    draft.take(ThinkingText(Arm.FINETUNED, text))
    draft.take(Finished(Arm.FINETUNED, Finish.STOP, Counts(), Timings(), True, False))
    made = answer_view.line(draft.answer().thinking)
    assert "\n" not in made and "<" not in made and '"' not in made
    assert Carrier(f'<div data-text="{made}">').values["data-text"] == text


def test_nothing_a_model_or_person_wrote_becomes_a_tag(store: Store) -> None:
    pair = replace(shown(store, replace(SAID, thinking=HOSTILE, text=HOSTILE)), question=HOSTILE)
    assert Carrier(answer_view.carrier(pair)).tags == ["div", "div"]
    assert Carrier(answer_view.question(pair)).tags == ["div", "b", "p"]
    assert Carrier(answer_view.answer(pair, Side.LEFT)).tags == []
    assert answer_view.answer(
        replace(pair, left=replace(pair.left, answer=Answer(text="BP <90, p<0.05"))), Side.LEFT
    )


def test_small_numbers_after_a_less_than_sign_stay_as_written(store: Store) -> None:
    pair = shown(store, Answer(text="BP <90 mmHg, p<0.05, Na+ < 125", finish=Finish.STOP))
    assert answer_view.answer(pair, Side.LEFT) == "BP <90 mmHg, p<0.05, Na+ < 125"


def test_a_reader_keeps_what_was_opened_over_versions_and_not_over_questions(store: Store) -> None:
    pair = shown(store, SAID)
    key = answer_view.trace(pair, Side.LEFT)["key"]
    assert answer_view.trace(replace(pair, pair_id=99, version=2), Side.LEFT)["key"] == key
    assert answer_view.trace(replace(pair, turn=2), Side.LEFT)["key"] != key


def test_an_earlier_turn_is_as_harmless_as_the_last(store: Store) -> None:
    hostile = '<form action="//x"><input type="password"></form> ![dot](//x/dot.png)'
    said = Answer(hostile, hostile, Finish.STOP, "", True, True)
    for message in answer_view.messages(hostile, shown(store, said).side(Side.LEFT)):
        assert "<" not in str(message["content"]) and not re.search(r"(?<!\\)!\[", str(message["content"]))


@pytest.mark.parametrize("fence", ["```mermaid", "~~~ Mermaid", "> ````mermaid"])
def test_a_diagram_stays_the_text_it_is_written_in(fence: str) -> None:
    shown = answer_view.harmless(f"{fence}\ngraph TD; A-->B\n")
    assert "mermaid" not in shown.casefold() and shown.splitlines()[0].endswith("text")
    assert shown.splitlines()[1] == "graph TD; A-->B"
