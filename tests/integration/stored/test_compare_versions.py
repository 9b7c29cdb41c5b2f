"""Versions of earlier questions: listed, read, and never changed by it."""

import json
from html.parser import HTMLParser

import gradio as gr
import pytest
from markdown_it import MarkdownIt

from medreason.data.cases import load_cases
from medreason.demo import CASES
from medreason.domain.arms import SIDES, Arm
from medreason.domain.conversation import Conversation
from medreason.domain.sampling import Sampling
from medreason.engine.scripted import Script
from medreason.errors import NotAllowed, NotFound
from medreason.folder import DataFolder
from medreason.services.pair_view import PairView
from medreason.ui import answer_view, compare_versions
from medreason.ui.compare_versions import EarlierVersions
from tests.stage import Stage

DECK = load_cases(CASES)[:3]
HOSTILE = "</details></div><script>x</script>\n\n\"'> <img src=x onerror=alert(1)> # h"


@pytest.fixture
def stage(folder: DataFolder) -> Stage:
    return Stage(folder)


def asked_on(stage: Stage, blind: bool = False) -> PairView:
    """A question with three versions, of which the second was kept, and one asked on from it."""
    first = stage.asked("First?", blind=blind)
    for number in (2, 3):
        stage.engine.plays(Arm.BASELINE, Script("", f"Answer {number}."))
        last = stage.pairs.in_conversation(first.conversation_id)[-1]
        stage.ended(stage.comparing.regenerate(stage.user, last.id, Sampling()))
    newest = stage.pairs.in_conversation(first.conversation_id)[-1]
    stage.conversations.leaf(stage.user, newest.id, -1)
    stage.asked("On from it?", conversation_id=first.conversation_id)
    return first


def test_versions_of_earlier_turns_are_listed_and_the_kept_one_is_marked(stage: Stage) -> None:
    first = asked_on(stage)
    turns = stage.conversations.open(stage.user, first.conversation_id)
    lines = stage.conversations.versions_before(stage.user, turns)
    assert [(one.turn, one.version, one.kept) for one in lines] == [(1, 1, False), (1, 2, True), (1, 3, False)]
    assert [compare_versions.label_of(one) for one in lines][:2] == [
        "Question 1, version 1 of 3 · First?",
        "Question 1, version 2 of 3, kept · First?",
    ]
    assert stage.conversations.versions_before(stage.user, turns[:1]) == (), "the last turn has buttons of its own"


def test_looking_changes_neither_what_is_kept_nor_what_is_asked_on_from(stage: Stage) -> None:
    first = asked_on(stage)
    before = stage.pairs.with_versions(first.conversation_id)
    seen = stage.conversations.look(stage.user, first.pair_id)
    assert (seen.version, seen.versions, seen.pair_id) == (1, 3, first.pair_id)
    assert stage.pairs.with_versions(first.conversation_id) == before
    stage.asked("And then?", conversation_id=first.conversation_id)
    context: Conversation = stage.engine.asked[-1][0]
    assert [turn.question for turn in context.earlier] == ["First?", "On from it?"]
    assert context.earlier[0].answer(Arm.BASELINE).text == "Answer 2."


def test_nobody_else_reads_or_lists_a_version(stage: Stage) -> None:
    first = asked_on(stage)
    turns = stage.conversations.open(stage.user, first.conversation_id)
    for attempt in (
        lambda: stage.conversations.look(stage.other, first.pair_id),
        lambda: stage.conversations.versions_before(stage.other, turns),
        lambda: stage.conversations.look(stage.user, 999),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_a_blind_version_tells_neither_model_nor_time_nor_origin(stage: Stage) -> None:
    first = asked_on(stage, blind=True)
    read = EarlierVersions().show(stage.conversations.look(stage.user, first.pair_id), 2)
    told = " ".join(read).lower()
    for word in (
        "baseline",
        "fine-tuned",
        "finetuned",
        "scripted",
        "adapter",
        "what answered",
        "tokens",
        "a second",
    ):
        assert word not in told, word
    assert "<summary>Thought</summary>" in " ".join(read) and "Left" in read[1] and "Right" in read[4]


def test_an_open_version_tells_how_it_ended_and_what_answered(stage: Stage) -> None:
    first = asked_on(stage)
    read = EarlierVersions().show(stage.conversations.look(stage.user, first.pair_id), 2)
    assert "version 1 of 3" in read[0] and "your later questions were built on version 2" in read[0]
    assert "Fine-tuned" in read[4] and "Thought for" in read[4]
    assert "scripted-adapter" in read[6] and "What answered on the right" in read[6]
    kept = EarlierVersions().show(stage.conversations.look(stage.user, first.pair_id), 1)
    assert "the version that was kept" in kept[0]


def test_the_earlier_question_says_which_of_its_versions_it_is(stage: Stage) -> None:
    first = asked_on(stage)
    turns = stage.conversations.open(stage.user, first.conversation_id)
    for side in SIDES:
        asked, *_ = answer_view.column(turns[:-1], side)
        assert "Version 2 of 3." in str(asked["content"]) and compare_versions.FOLD in str(asked["content"])
        assert "Version" not in str(answer_view.column([turns[-1]], side))


@pytest.mark.parametrize(
    "question", ["Read:\n```\nK 6.1", "~~~~\nK 6.1", "```mermaid\ngraph", "> ```\n> K 6.1", "- a\n\n  ```"]
)
def test_no_open_fence_of_a_question_takes_in_the_line_of_its_version(stage: Stage, question: str) -> None:
    first = stage.asked(question)
    stage.ended(stage.comparing.regenerate(stage.user, first.pair_id, Sampling()))
    stage.asked("On from it?", conversation_id=first.conversation_id)
    asked, *_ = answer_view.column(stage.conversations.open(stage.user, first.conversation_id)[:-1], SIDES[0])
    blocks = MarkdownIt().parse(str(asked["content"]))
    assert [one.type for one in blocks[:3]] == ["paragraph_open", "inline", "paragraph_close"]
    assert blocks[1].content == f"*{answer_view.KEPT_HERE.format(2, 2)}*"
    assert sum("Version 2 of 2" in one.content for one in blocks) == 1


def asked_on_by_a_rater(stage: Stage) -> PairView:
    """The first of two versions of a rater's question, from the second of which the rater asked on."""
    live = stage.comparing.ask(stage.rater, "First?", Sampling(), blind=True)
    first = stage.ended_by(live, stage.rater)
    again = stage.comparing.regenerate(stage.rater, first.pair_id, Sampling())
    stage.ended_by(again, stage.rater)
    on = stage.comparing.ask(stage.rater, "On?", Sampling(), blind=True, conversation_id=first.conversation_id)
    stage.ended_by(on, stage.rater)
    return first


@pytest.mark.parametrize("rated", [False, True], ids=["unrated", "rated"])
def test_a_rater_reads_a_version_without_the_name_of_a_model(stage: Stage, rated: bool) -> None:
    first = asked_on_by_a_rater(stage)
    if rated:
        stage.pairs.reveal(first.pair_id)
    seen = stage.conversations.look(stage.rater, first.pair_id)
    assert (seen.version, seen.left.arm is not None) == (1, rated)
    assert seen.left.provenance is None and seen.right.provenance is None
    read = " ".join(EarlierVersions().show(seen, 2)).lower()
    assert "version 1 of 2" in read and seen.left.answer.text.lower() in read
    model = stage.engine.provenance
    for name in (model.base_model, model.adapter, "provenance", "sha256", "scripted", "what answered"):
        assert name and name.lower() not in read, name


def test_a_version_on_a_case_that_is_closed_is_neither_listed_nor_read(folder: DataFolder) -> None:
    closed: set[str] = set()
    stage = Stage(folder, DECK, lambda user: frozenset(closed if user.id == stage.user.id else ()))
    first = stage.asked(DECK[1].text)
    stage.ended(stage.comparing.ask_again(stage.user, first.pair_id, Sampling(), question="Something else?"))
    stage.asked("On from it?", conversation_id=first.conversation_id)
    turns = stage.conversations.open(stage.user, first.conversation_id)

    def listed() -> list[int]:
        return [one.version for one in stage.conversations.versions_before(stage.user, turns)]

    assert listed() == [1, 2]
    closed.add(DECK[1].case_id)
    assert listed() == [2], "the shown version is on no case"
    with pytest.raises(NotAllowed, match="being rated"):
        stage.conversations.look(stage.user, first.pair_id)
    assert stage.conversations.look(stage.user, turns[0].pair_id).question == "Something else?"
    closed.clear()
    assert listed() == [1, 2]
    assert stage.conversations.look(stage.user, first.pair_id).question == DECK[1].text


def test_what_is_being_read_stays_in_the_same_conversation_and_goes_with_another(stage: Stage) -> None:
    first = asked_on(stage)
    turns = stage.conversations.open(stage.user, first.conversation_id)
    lines = stage.conversations.versions_before(stage.user, turns)
    versions = EarlierVersions()
    fold, choice, *read = versions.listed(lines, reading_on=True)
    assert fold.label == f"{compare_versions.FOLD} (2)" and fold.visible
    assert "value" not in choice._constructor_args[0] and read == [gr.skip()] * 7
    fold, choice, *read = versions.listed((), reading_on=False)
    assert (fold.visible, choice._constructor_args[0]["value"], read) == (False, None, [""] * 7)


class Tags(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def test_words_of_models_and_people_stay_text_in_a_version(stage: Stage) -> None:
    stage.engine.plays(Arm.BASELINE, Script(HOSTILE, HOSTILE, fault=HOSTILE))
    pair = stage.asked(HOSTILE)
    for made in (
        compare_versions.asked(pair, 1),
        *(part(pair, side) for side in SIDES for part in (compare_versions.top, compare_versions.foot)),
    ):
        assert {"script", "img"} & set(Tags(made).tags) == set() and "\n" not in made.strip()
    assert json.dumps(answer_view.ending(pair, SIDES[0])["fault"]) != '""'
