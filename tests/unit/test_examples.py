"""Which tokens of a row are read, and which are learned."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.finetune.examples import IGNORED, Examples, Segment, labelled, row_text, segments, tokenize

END = "<end>"
TEMPLATE = "{{ messages }}"


class Words:
    """A tokenizer of one token a word, whose padding token is also its end of a turn, and a chat template of its
    own: the question in brackets."""

    pad_token_id = eos_token_id = 0
    eos_token = END
    all_special_tokens = [END]
    chat_template = TEMPLATE

    def __call__(self, texts: Any, add_special_tokens: bool, return_offsets_mapping: bool = False) -> dict:
        assert not add_special_tokens
        if isinstance(texts, str):
            found = list(re.finditer(r"\S+", texts))
            ids = [0 if one[0] == END else len(one[0]) for one in found]
            return {"input_ids": ids, "offset_mapping": [one.span() for one in found]}
        return {"input_ids": [self(text, add_special_tokens=False)["input_ids"] for text in texts]}

    def apply_chat_template(self, messages: Any, tokenize: bool, add_generation_prompt: bool) -> str:
        assert not tokenize
        return " ".join(f"[ {one['content']} ] {END}" for one in messages) + " "


def test_only_what_the_assistant_says_is_learned_and_its_end_too() -> None:
    row = labelled([4, 2, 2], [1, 5, 0], max_length=10)
    assert row["input_ids"] == [4, 2, 2, 1, 5, 0]
    assert row["labels"] == [IGNORED, IGNORED, IGNORED, 1, 5, 0]


def test_the_chat_format_learns_the_reply_that_the_template_ends() -> None:
    (row,) = tokenize(Words(), [("what is it", "heat", "a fever")], max_length=50).rows
    assert row["labels"][:6] == [IGNORED] * 6  # [ what is it ] <end>
    assert row["labels"][6:] == row["input_ids"][6:] == [7, 4, 8, 1, 5 + len(END)]


def test_the_article_format_is_the_article_s_and_every_token_is_learned() -> None:
    shown = row_text(Words(), ("what is it", "heat", "a fever"), "article")
    assert shown.prompt == ""
    assert shown.completion == f"<|user|>\nwhat is it\n<|think|>\nheat\n</think>\n<|assistant|>\na fever{END}"
    (row,) = tokenize(Words(), [("what is it", "heat", "a fever")], 50, "article").rows
    assert row["labels"] == row["input_ids"]


def test_long_rows_are_counted_and_rows_with_nothing_left_to_learn_are_left_out() -> None:
    rows = [("a", "b", "c"), ("a " * 5, "b", "c"), ("a " * 30, "b", "c")]
    examples = tokenize(Words(), rows, max_length=12)
    assert [len(row["input_ids"]) for row in examples.rows] == [8, 12]
    assert (examples.cut, examples.dropped) == (1, 1)
    assert (examples.tokens, examples.taught_tokens) == (20, 8)


def test_rows_have_a_fingerprint_of_tokens_labels_and_order() -> None:
    one, other = labelled([1], [2], 9), labelled([1, 2], [3], 9)
    marks = [
        Examples(rows).sha256 for rows in ((one, other), (other, one), (one,), (labelled([], [1, 2], 9), other))
    ]
    assert len(set(marks)) == 4
    assert Examples((dict(one), dict(other))).sha256 == marks[0]


@pytest.mark.parametrize("text_format", ["chat", "article"])
@given(
    texts=st.tuples(*[st.lists(st.sampled_from(["fever", "of", "unknown"]), min_size=1, max_size=8)] * 3),
    max_length=st.integers(1, 40),
)
def test_segments_are_the_whole_row_and_agree_with_what_is_trained(
    text_format: str, texts: tuple[list[str], ...], max_length: int
) -> None:
    question, thinking, response = (" ".join(words) for words in texts)
    found = segments(Words(), question, thinking, response, max_length, text_format)
    shown = row_text(Words(), (question, thinking, response), text_format)
    assert "".join(one.text for one in found) == shown.prompt + shown.completion
    row = labelled(*(Words()(text, add_special_tokens=False)["input_ids"] for text in shown), max_length)
    seen = [one for one in found if not one.cut]
    assert sum(one.tokens for one in seen) == len(row["input_ids"]) <= max_length
    assert sum(one.tokens for one in seen if one.trained) == sum(label != IGNORED for label in row["labels"])
    assert [one.cut for one in found] == sorted(one.cut for one in found)


def test_a_cut_row_shows_what_is_lost() -> None:
    assert segments(Words(), "q", "a b", "c d", 8, "article") == (
        Segment("<|user|>\nq\n<|think|>\na b\n</think>\n<|assistant|>\nc", True, False, 8),
        Segment(f" d{END}", True, True, 1),
    )
