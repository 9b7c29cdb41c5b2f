"""Thinking and answer come apart the same way however the stream is cut, and no word is lost."""

from hypothesis import given
from hypothesis import strategies as st

from medreason.text.thinking import ThinkingSplitter, split_thinking

PIECES = [
    "<think>",
    "</think>",
    "<",
    "</",
    "think>",
    "<thi",
    "\n",
    "\n\n",
    " ",
    "a",
    "Fever",
    "<b>",
    "é",
    "🫀",
]
texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


def split(pieces: list[str], opened: bool = False) -> tuple[str, str, bool, bool]:
    splitter = ThinkingSplitter(opened)
    said = {"thinking": "", "answer": ""}
    for piece in pieces:
        for part, text in splitter.feed(piece):
            said[part] += text
    for part, text in splitter.flush():
        said[part] += text
    return said["thinking"], said["answer"], splitter.thought, splitter.closed


def test_thinking_and_answer_lose_the_padding_around_them():
    text = "<think>\nFever points\nto infection.\n</think>\n\nIt is viral.\n"
    assert split([text]) == ("Fever points\nto infection.", "It is viral.", True, True)


def test_a_model_that_never_thinks_only_answers():
    assert split(["\nIt is ", "viral."]) == ("", "It is viral.", False, False)


def test_endless_thinking_leaves_the_answer_empty():
    assert split(["<think>on and on"]) == ("on and on", "", True, False)


def test_a_prompt_that_opened_the_trace_starts_within_it():
    assert split(["Fever.\n</think>\n\nViral."], opened=True) == ("Fever.", "Viral.", True, True)


def test_a_lone_closing_tag_keeps_what_was_shown_as_answer():
    assert split(["Fever.\n</think>\nViral."]) == ("", "Fever.\n\nViral.", False, False)


def test_several_blocks_make_one_thinking():
    text = "<think>a</think>\n<think>b</think>c\n<think>d</think>\ne"
    assert split([text]) == ("a\n\nb\n\nd", "c\n\ne", True, True)


def test_a_nested_opening_tag_is_dropped():
    assert split(["<think>a<think>b</think>c"]) == ("ab", "c", True, True)


def test_an_answer_about_tags_is_not_lost_in_a_trace():
    assert split(["The <think> tag opens a trace."]) == ("", "The <think> tag opens a trace.", False, False)


def test_a_tag_that_is_never_finished_is_text():
    assert split(["<think>a</think>b </thi"]) == ("a", "b </thi", True, True)


def test_an_opened_and_closed_trace_is_announced_before_its_words():
    splitter = ThinkingSplitter()
    assert splitter.feed("<think>\n") == [("thinking", "")]
    assert splitter.feed("a\n</thi") == [("thinking", "a")]
    assert splitter.feed("nk>") == [("answer", "")]


@given(texts, st.booleans(), st.data())
def test_any_chunking_gives_the_same_split(text, opened, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert split(pieces, opened) == split([text], opened)


@given(texts, st.booleans())
def test_no_word_is_lost(text, opened):
    def letters(one: str) -> list[str]:
        """Those of which no tag is made."""
        return sorted(letter for letter in one if letter not in "</think> \n")

    thinking, answer = split_thinking(text, opened)
    assert letters(thinking + answer) == letters(text)


@given(texts, st.booleans())
def test_neither_part_has_padding(text, opened):
    for part in split_thinking(text, opened):
        assert part == part.strip()
