"""Tokens become text and events: no character is broken, no tag shown, every time and count told."""

from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.answers import Finish, Timings
from medreason.domain.arms import Arm
from medreason.domain.events import Draft, Failed, Finished
from medreason.engine.voice import Detokenizer, Voice

END = 256


class Bytes:
    """A tokenizer whose tokens are bytes."""

    all_special_tokens = ["<|end|>"]
    all_special_ids = [END]

    def decode(self, ids, skip_special_tokens, clean_up_tokenization_spaces):
        return bytes(ids).decode("utf-8", errors="replace")

    def __call__(self, text, add_special_tokens):
        return {"input_ids": list(text.encode())}


def voice(opened: bool = False) -> Voice:
    return Voice(Arm.FINETUNED, Bytes(), 12, opened, began=0.0)


@given(st.text(alphabet=st.characters(exclude_characters="\x00\ufffd", exclude_categories=["Cs"])))
def test_a_character_over_several_tokens_comes_whole(text):
    decoder = Detokenizer(Bytes())
    pieces = [decoder.add(token) for token in text.encode()]
    assert "".join(pieces) + decoder.rest() == text
    assert not any("\ufffd" in piece for piece in pieces)


def test_bytes_that_never_become_text_come_out_as_the_replacement_sign():
    decoder = Detokenizer(Bytes())
    said = "".join(decoder.add(0xFF) for _ in range(40)) + decoder.rest()
    assert said and set(said) == {"\ufffd"}


def test_special_tokens_and_nul_are_not_shown():
    decoder = Detokenizer(Bytes())
    assert decoder.add(ord("a")) + decoder.add(END) + decoder.add(0) + decoder.add(ord("b")) == "a\ufffdb"


def test_a_thinking_answer_is_counted_without_tags_and_timed():
    one, draft = voice(), Draft(Arm.FINETUNED)
    events = [one.start()]
    for at, token in enumerate(b"<think>\nabc\n</think>\n\nde", start=1):
        events += one.take(token, float(at))
    events += one.end(Finish.STOP, 30.0)
    for event in events:
        draft.take(event)
    answer = draft.answer()
    assert (answer.thinking, answer.text, answer.finish) == ("abc", "de", Finish.STOP)
    assert (answer.thought, answer.closed) == (True, True)
    assert (answer.counts.prompt_tokens, answer.counts.thinking_tokens, answer.counts.answer_tokens) == (
        12,
        3,
        2,
    )
    assert answer.timings == Timings(first_token_s=1.0, thinking_s=20.0, total_s=30.0)


def test_a_fault_keeps_what_was_said():
    one, draft = voice(), Draft(Arm.FINETUNED)
    for token in b"It is <":
        for event in one.take(token, 1.0):
            draft.take(event)
    for event in one.fail("The memory did not suffice.", 2.0):
        draft.take(event)
    assert isinstance(event, Failed)
    assert (draft.answer().text, draft.answer().fault) == ("It is <", "The memory did not suffice.")


def test_an_opened_prompt_starts_in_thinking():
    one, draft = voice(opened=True), Draft(Arm.FINETUNED)
    for token in b"abc</think>d":
        for event in one.take(token, 1.0):
            draft.take(event)
    for event in one.end(Finish.STOP, 2.0):
        draft.take(event)
    assert (draft.answer().thinking, draft.answer().text) == ("abc", "d")


def test_tokens_of_one_character_all_count_and_special_ones_never():
    one = voice()
    for token in [*"é".encode(), END, ord("x")]:
        one.take(token, 1.0)
    finished = one.end(Finish.STOP, 2.0)[-1]
    assert isinstance(finished, Finished) and finished.counts.answer_tokens == 3
