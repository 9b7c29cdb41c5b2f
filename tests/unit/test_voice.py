"""Tokens become text and events: no character is broken, no tag shown, every time and count told."""

from hypothesis import given
from hypothesis import strategies as st

from medreason.domain.answers import Finish
from medreason.domain.arms import Arm
from medreason.domain.events import Draft, Failed
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
    ticks = iter(range(10_000))
    return Voice(Arm.FINETUNED, Bytes(), 12, opened, clock=lambda: float(next(ticks)))


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
    for token in b"<think>\nabc\n</think>\n\nde":
        events += one.take(token)
    events += one.end(Finish.STOP)
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
    assert 0 < answer.timings.first_token_s < answer.timings.thinking_s < answer.timings.total_s


def test_a_fault_keeps_what_was_said():
    one, draft = voice(), Draft(Arm.FINETUNED)
    for token in b"It is <":
        for event in one.take(token):
            draft.take(event)
    for event in one.fail("The memory did not suffice."):
        draft.take(event)
    assert isinstance(event, Failed)
    assert (draft.answer().text, draft.answer().fault) == ("It is <", "The memory did not suffice.")


def test_an_opened_prompt_starts_in_thinking():
    one, draft = voice(opened=True), Draft(Arm.FINETUNED)
    for token in b"abc</think>d":
        for event in one.take(token):
            draft.take(event)
    for event in one.end(Finish.STOP):
        draft.take(event)
    assert (draft.answer().thinking, draft.answer().text) == ("abc", "d")
