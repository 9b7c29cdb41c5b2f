"""Tokens are counted as they were generated: tags and the blanks around a part in neither part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.engine.tally import Tally
from medreason.text.thinking import ThinkingSplitter


def counted(texts: list[str], opened: bool = False) -> tuple[int, int]:
    tally = Tally(opened)
    for text in texts:
        tally.feed(text, 1)
    tally.flush()
    return tally.tokens["thinking"], tally.tokens["answer"]


@pytest.mark.parametrize(
    "texts,expected",
    [
        (["<think>", "\n", "a", " b", "\n", "</think>", "\n\n", "c"], (2, 1)),
        (["<", "think", ">", "a", "</", "think", ">", "c", " d"], (1, 2)),
        (["a", "\n", " b", " "], (0, 3)),
        (["a</think>", "\n", "b"], (0, 2)),  # one token of text and tag
        (["a<th", "ink>b"], (0, 2)),  # no tag: it begins no line
        (["<think>x", "<think>", "y</think>", "</think>", "z"], (2, 1)),
        (["<think>", "a"], (1, 0)),
        (["a", " <thi"], (0, 2)),
        (["", "a", ""], (0, 1)),
    ],
)
def test_a_token_counts_where_its_first_shown_character_stands(texts, expected):
    assert counted(texts) == expected


def test_a_prompt_that_opened_the_trace_needs_no_tag():
    assert counted(["a", " b", "</think>", "c"], opened=True) == (2, 1)


def test_tokens_that_made_one_character_all_count():
    tally = Tally(False)
    tally.feed("é", 3)
    assert tally.tokens["answer"] == 3


WORDS = st.sampled_from(["<think>", "</think>", "<", "think>", "\n", " ", "a", "b c", "<thi", "", "\n\nd "])


@given(st.lists(WORDS, max_size=30), st.booleans())
def test_counts_never_exceed_the_tokens_and_the_parts_are_the_splitters(texts, opened):
    tally, splitter = Tally(opened), ThinkingSplitter(opened)
    ours = [piece for text in texts for piece in tally.feed(text, 1)] + tally.flush()
    whole = splitter.feed("".join(texts)) + splitter.flush()
    for part in ("thinking", "answer"):
        assert "".join(text for one, text in ours if one == part) == "".join(
            text for one, text in whole if one == part
        )
    assert sum(tally.tokens.values()) <= len(texts)
    assert (tally.splitter.thought, tally.splitter.closed) == (splitter.thought, splitter.closed)
    for part in ("thinking", "answer"):
        assert bool(tally.tokens[part]) == any(text for one, text in whole if one == part)
