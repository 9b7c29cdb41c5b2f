"""What the Rate tab draws: texts escaped, arms out of sight while blind, the form read back."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import SIDES, Arm, Side
from medreason.domain.instrument import CANNOT_JUDGE, PREFERENCES, Axis
from medreason.domain.rating import Sides
from medreason.services.rating import Saved
from medreason.ui import pair_view
from tests.store import Store, rating

HOSTILE = (
    "<script>window.__x=1</script>",
    "<img src=x onerror=alert(1)>",
    "![i](http://e.example/i.png)",
    "[l](javascript:alert(1)) [m](http://e.example) <http://e.example>",
    "```\n<script>x</script>\n\n\n</code></pre><b>out</b>\n```",
    "</div></details><style>*{display:none}</style>",
    "a\n\n<iframe srcdoc='<script>1</script>'>",
    "&lt;script&gt; &#60;img src=x&#62;",
)


class Tags(HTMLParser):
    def __init__(self, markup: str):
        super().__init__()
        self.seen: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.names |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


WORDS = {"div", "p", "i", "em", "strong", "ol", "ul", "li", "code", "pre", "blockquote", "hr", "br"} | {
    "h1", "h2", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip


def one_line_of_words(markup: str) -> None:
    """Nothing but words can come of it: one line, so that the page's Markdown leaves it alone."""
    tags = Tags(markup)
    assert "\n" not in markup and "\r" not in markup
    assert set(tags.seen) <= WORDS, tags.seen
    assert tags.names <= {"class", "start", "style"}


@pytest.mark.parametrize("text", HOSTILE)
def test_an_answer_never_becomes_more_than_words(text):
    one_line_of_words(pair_view.answer(Answer(text=text, finish=Finish.STOP)))


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=60))
def test_no_text_becomes_more_than_words(text):
    one_line_of_words(pair_view.answer(Answer(text=text, finish=Finish.STOP)))


def test_an_answers_markdown_is_drawn():
    drawn = pair_view.answer(Answer(text="1. **Gout**\n2. Dose $5 < $6", finish=Finish.STOP))
    assert "<strong>Gout</strong>" in drawn and "$5 &lt; $6" in drawn


@pytest.mark.parametrize("text", [*HOSTILE, "two\r\n\r\nlines & <b>"])
def test_thinking_and_case_show_every_character(store, text):
    drawn = pair_view.thinking(Side.LEFT, Answer(thinking=text, thought=True))
    tags = Tags(drawn)
    assert tags.text == "Thinking" + text.replace("\r\n", "\n")
    assert "\n" not in drawn and tags.seen == ["details", "summary", "div"]


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "a.db")
    yield made
    made.close()


@pytest.mark.parametrize("left", list(Arm))
def test_nothing_drawn_of_a_blind_pair_tells_the_arms(store, left):
    first = store.pair("canary", left=left)
    pair = store.pair("canary", left=left, conversation_id=first.conversation_id)
    view = store.rating.open(store.admin, pair.id, "Anna")
    parts = [
        pair_view.case_text(view),
        str([pair_view.choice(one) for one in store.rating.waiting(store.admin, "Anna")]),
        str(pair_view.filled(view.previous)),
    ]
    for side in SIDES:
        answer = view.answer(side)
        parts += [pair_view.head(side, view.sides), pair_view.thinking(side, answer)]
        parts += [pair_view.answer(answer), pair_view.ending(answer)]
    drawn = " ".join(parts).lower()
    for word in ("baseline", "finetuned", "fine-tuned", "adapter", "some/base", "token"):
        assert word not in drawn


def test_heads_of_both_sides_look_alike_while_blind():
    left, right = (pair_view.head(side, None) for side in SIDES)
    assert left.replace("Left", "") == right.replace("Right", "")
    assert "Fine-tuned" in pair_view.head(Side.LEFT, Sides(Arm.FINETUNED))


def test_every_point_stands_with_its_meaning_and_cannot_judge_apart_at_the_end():
    for choices in pair_view.CHOICES.values():
        assert [value for _, value in choices] == ["1", "2", "3", "4", "5", "na"]
        assert choices[-1][0] == CANNOT_JUDGE and all(len(words) > 8 for words, _ in choices)
    assert [words for words, _ in pair_view.PREFERENCE[:7]] == list(PREFERENCES.values())


def test_a_form_is_read_back_as_it_was_filled():
    given_rating = rating(2, None, -1, "note", "k")
    assert pair_view.rating(pair_view.filled(given_rating), "note", "k") == given_rating
    assert pair_view.filled(None) == [None] * 7


def test_missing_items_are_named_in_one_sentence():
    values: list[str | None] = ["1"] * 7
    assert pair_view.missing("Anna", values) == ""
    values[pair_view.SCORES.index((Side.RIGHT, Axis.DEPTH))] = None
    values[-1] = None
    assert pair_view.missing(" ", values) == (
        "Not saved yet, still to give: who is rating; Right: reasoning depth; which answer is better. "
        "What you have given is kept."
    )


@pytest.mark.parametrize(
    ("revision", "blinded", "waiting", "words"),
    [
        (1, True, 2, "Saved. Left was Fine-tuned, right was Baseline. 2 pairs wait: press Next pair."),
        (
            2,
            False,
            0,
            "Saved as revision 2; the first is kept. No other pair waits: see the table in Results.",
        ),
    ],
)
def test_saved_says_what_and_what_next(revision, blinded, waiting, words):
    assert pair_view.saved(Saved(rating(), revision, Sides(Arm.FINETUNED), blinded), waiting) == words


def test_an_answer_cut_at_the_budget_says_where():
    cut = Answer(thinking="Hm", thought=True, finish=Finish.LENGTH)
    assert "inside its thinking" in pair_view.ending(cut)
    assert "No answer" in pair_view.answer(cut)
    assert pair_view.ending(Answer(text="Gout.", finish=Finish.STOP)) == ""
