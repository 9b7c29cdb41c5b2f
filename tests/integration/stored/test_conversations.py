"""Conversations are kept, listed, opened and handed out, and closed cases stay closed."""

import json
import re

import pytest

from medreason.data.cases import load_cases
from medreason.demo import CASES
from medreason.domain.arms import Arm, Side
from medreason.domain.sampling import Sampling
from medreason.domain.user import User
from medreason.engine.scripted import Script
from medreason.errors import NotAllowed, NotFound
from medreason.folder import DataFolder
from medreason.services.conversation_file import markdown
from medreason.ui.answer_view import what_answered
from tests.stage import Stage

DECK = load_cases(CASES)[:3]
NASTY = "a\n```\n# Not a heading\n<script>x</script>\n````\n[link](javascript:x) \u2028# line"


@pytest.fixture
def stage(folder: DataFolder) -> Stage:
    return Stage(folder)


def test_conversations_are_listed_newest_first_by_their_last_question(stage: Stage) -> None:
    first, second = stage.asked("First?"), stage.asked("Second?", blind=True)
    stage.asked("On the first.", conversation_id=first.conversation_id)
    lines = stage.conversations.listed(stage.user)
    assert [(line.first_question, line.turns, line.blinded) for line in lines] == [
        ("First?", 2, False),
        ("Second?", 1, True),
    ]
    assert stage.conversations.listed(stage.other) == ()
    stage.pairs.reveal(second.pair_id)
    assert [line.blinded for line in stage.conversations.listed(stage.user)] == [False, False]


def test_a_list_asks_once_which_cases_are_closed_however_long_it_is(stage: Stage) -> None:
    for question in ("First?", "Second?", "Third?"):
        stage.asked(question)
    asked = []
    stage.comparing.desk._closed_cases = lambda user: asked.append(user) or frozenset({"Second?"})
    lines = stage.conversations.listed(stage.user)
    assert [line.first_question for line in lines] == ["Third?", "First?"] and len(asked) == 1


def test_somebody_elses_conversation_is_neither_opened_nor_leafed_nor_saved(stage: Stage) -> None:
    view = stage.asked()
    for attempt in (
        lambda: stage.conversations.open(stage.other, view.conversation_id),
        lambda: stage.conversations.leaf(stage.other, view.pair_id, 1),
        lambda: stage.conversations.as_json(stage.other, view.conversation_id),
        lambda: stage.conversations.as_markdown(stage.other, view.conversation_id),
        lambda: stage.comparing.go_on(stage.other, view.pair_id, 5),
        lambda: stage.comparing.regenerate(stage.other, view.pair_id, Sampling()),
        lambda: stage.conversations.open(stage.user, 999),
    ):
        with pytest.raises(NotFound):
            attempt()


def test_a_file_of_a_blind_conversation_names_sides_only(stage: Stage) -> None:
    view = stage.asked(blind=True)
    for content in (stage.conversations.as_markdown, stage.conversations.as_json):
        text = content(stage.user, view.conversation_id).decode()
        assert "left" in text.lower() and "right" in text.lower()
        for told in (
            "baseline",
            "finetuned",
            "fine-tuned",
            "scripted",
            "adapter",
            "provenance",
            '"counts"',
            '"timings"',
        ):
            assert told not in text.lower(), told
    stage.pairs.reveal(view.pair_id)
    revealed = stage.conversations.as_json(stage.user, view.conversation_id).decode()
    turn = json.loads(revealed)["turns"][0]
    assert {turn["left"]["arm"], turn["right"]["arm"]} == {"baseline", "finetuned"}
    assert turn["left"]["provenance"]["model"]["adapter"] == "scripted-adapter"


def test_a_raters_file_and_page_never_name_the_models(stage: Stage) -> None:
    """After the rating they tell which side was the fine-tuned model, how much it said and how fast; no name, no
    hash and no version, since the next study may be on the same models."""
    live = stage.comparing.ask(stage.rater, "Likely cause?", Sampling(), blind=True)
    view = stage.ended_by(live, stage.rater)
    model = stage.engine.provenance
    names = (model.base_model, model.adapter, "provenance", "sha256", "torch", "self_test", "scripted")
    files = (stage.conversations.as_markdown, stage.conversations.as_json)
    hidden = [content(stage.rater, view.conversation_id).decode() for content in files]
    stage.pairs.reveal(view.pair_id)
    told = [content(stage.rater, view.conversation_id).decode() for content in files]
    for text in (*hidden, *told):
        assert [name for name in names if name.lower() in text.lower()] == []
    assert not any(word in text.lower() for text in hidden for word in ("baseline", "fine-tuned", "finetuned"))
    assert "### Fine-tuned" in told[0]
    turn = json.loads(told[1])["turns"][0]
    assert {turn["left"]["arm"], turn["right"]["arm"]} == {"baseline", "finetuned"} and turn["left"]["counts"]
    shown = stage.shown(view.conversation_id, stage.rater)
    assert shown.left.arm is not None and shown.left.provenance is None and shown.right.provenance is None
    assert "not the names" in what_answered(shown, Side.LEFT)


def test_a_file_holds_every_version_word_for_word(stage: Stage) -> None:
    stage.engine.plays(Arm.BASELINE, Script("", NASTY))
    first = stage.asked()
    stage.ended(stage.comparing.ask_again(stage.user, first.pair_id, Sampling(), question="Worst cause?"))
    turns = json.loads(stage.conversations.as_json(stage.user, first.conversation_id))["turns"]
    assert [(turn["question"], turn["version"]) for turn in turns] == [("Likely cause?", 1), ("Worst cause?", 2)]
    assert turns[0]["left"]["answer"] == NASTY
    text = stage.conversations.as_markdown(stage.user, first.conversation_id).decode()
    assert "version 1 of 2" in text and "version 2 of 2" in text


def test_model_text_cannot_break_out_of_the_markdown_file(stage: Stage) -> None:
    from markdown_it import MarkdownIt

    stage.engine.plays(Arm.BASELINE, Script("~~~\n```\n</think>\n# Heading", NASTY))
    stage.engine.plays(Arm.FINETUNED, Script("", "    indented\n`" + "`" * 40 + "\n# end"))
    view = stage.asked(NASTY)
    text = markdown(stage.conversations.open(stage.user, view.conversation_id))
    tokens = MarkdownIt().parse(text)
    heads = [tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open"]
    assert heads == ["MedReason: a conversation with two models", "Question 1", "Baseline", "Fine-tuned"]
    assert not any(token.type.startswith(("html", "link")) for token in tokens)
    assert not re.search("<script>", MarkdownIt().render(text))


class Closed:
    """A study that can be opened and closed, and closes a case to one user."""

    def __init__(self) -> None:
        self.to: dict[int, frozenset[str]] = {}

    def __call__(self, user: User) -> frozenset[str]:
        return self.to.get(user.id, frozenset())


@pytest.fixture
def closed() -> Closed:
    return Closed()


@pytest.fixture
def study(folder: DataFolder, closed: Closed) -> Stage:
    return Stage(folder, DECK, closed)


def test_a_case_of_an_open_study_is_neither_listed_nor_asked(study: Stage, closed: Closed) -> None:
    case = DECK[1]
    closed.to[study.rater.id] = frozenset({case.case_id})
    assert [one.case_id for one in study.comparing.cases(study.rater)] == [DECK[0].case_id, DECK[2].case_id]
    assert study.comparing.cases(study.user) == tuple(DECK)
    for text, given in (
        (case.text, case),
        (case.text, None),
        (f"  {case.text.upper()}\n", None),
        ("Other?", case),
    ):
        with pytest.raises(NotAllowed, match="study"):
            study.comparing.ask(study.rater, text, Sampling(), blind=True, case=given)
    assert not study.pairs.asked_by(study.rater.id)
    live = study.comparing.ask(study.rater, DECK[0].text, Sampling(), blind=True, case=DECK[0])
    assert live.finished.wait(5)


def test_a_case_cannot_come_in_by_editing_a_question(study: Stage, closed: Closed) -> None:
    closed.to[study.rater.id] = frozenset({DECK[1].case_id})
    live = study.comparing.ask(study.rater, "Something else?", Sampling(), blind=True)
    view = study.ended_by(live, study.rater)
    with pytest.raises(NotAllowed):
        study.comparing.ask_again(study.rater, view.pair_id, Sampling(), question=DECK[1].text)


def test_an_older_conversation_on_a_case_closes_with_it_and_opens_again(study: Stage, closed: Closed) -> None:
    live = study.comparing.ask(study.rater, DECK[1].text, Sampling(), blind=True, case=DECK[1])
    view = study.ended_by(live, study.rater)
    closed.to[study.rater.id] = frozenset({DECK[1].case_id})
    assert study.conversations.listed(study.rater) == () and study.conversations.latest(study.rater) == []
    with pytest.raises(NotAllowed):
        study.conversations.open(study.rater, view.conversation_id)
    with pytest.raises(NotAllowed):
        study.comparing.regenerate(study.rater, view.pair_id, Sampling())
    closed.to.clear()
    assert study.conversations.open(study.rater, view.conversation_id)[0].pair_id == view.pair_id
