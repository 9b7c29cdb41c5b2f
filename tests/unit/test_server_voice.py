"""One arm's chunks become events: blocks of thinking wherever they come, times by the clock, counts as told."""

from typing import Any

import pytest

from medreason.domain.answers import Answer, Counts, Finish
from medreason.domain.arms import Arm
from medreason.domain.events import Draft
from medreason.engine.server_fault import ServerFault
from medreason.engine.server_voice import ServerVoice


def chunk(content: str = "", reasoning: str = "", **more: Any) -> dict[str, Any]:
    return {"choices": [{"delta": {"content": content, "reasoning": reasoning}, "finish_reason": None}], **more}


END: dict[str, Any] = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def heard(*chunks: dict[str, Any], seconds: float = 0.0) -> Answer:
    """The answer of these chunks, of which each came `seconds` after the one before."""
    now = 100.0
    voice, draft = ServerVoice(Arm.BASELINE, lambda: now), Draft(Arm.BASELINE)
    for one in chunks:
        now += seconds
        for event in voice.take(one):
            draft.take(event)
    for event in voice.end():
        draft.take(event)
    return draft.answer()


def test_times_are_counted_from_the_request() -> None:
    said = heard(
        chunk(), chunk(reasoning="Fever."), chunk(reasoning=" Neck."), chunk("Meningitis."), END, seconds=1
    )
    assert (said.timings.first_token_s, said.timings.thinking_s, said.timings.total_s) == (2, 4, 5)


@pytest.mark.parametrize(
    ("chunks", "thinking", "text"),
    [
        ([chunk(reasoning="a"), chunk("x"), chunk(reasoning="b"), chunk("y")], "a\n\nb", "x\n\ny"),
        ([chunk(reasoning="a", content="x")], "a", "x"),
        ([chunk(reasoning="a < b"), chunk("<"), chunk("b>")], "a < b", "<b>"),
        ([chunk(reasoning="a"), chunk("\n\n"), chunk("x\n")], "a", "x"),
        ([chunk("The tag <think> is text here.")], "", "The tag <think> is text here."),
        ([chunk("<think>a"), chunk(" b</think>x")], "a b", "x"),
        ([chunk(reasoning="only this")], "only this", ""),
    ],
)
def test_thinking_and_answer_are_kept_apart(chunks: list[dict[str, Any]], thinking: str, text: str) -> None:
    said = heard(*chunks, END)
    assert (said.thinking, said.text, said.thought) == (thinking, text, bool(thinking))
    assert said.finish is Finish.STOP


TOO_MANY = {"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 99}}
USAGES = [None, "many", [], {}, *({"completion_tokens": count} for count in (True, -3, 1e9, 10**12)), TOO_MANY]


@pytest.mark.parametrize("usage", USAGES)
def test_counts_that_make_no_sense_are_not_taken(usage: object) -> None:
    said = heard(chunk(reasoning="a"), chunk("x"), {**END, "usage": usage})
    assert said.counts == Counts() and not said.counted


@pytest.mark.parametrize(
    "broken",
    [{"choices": "x"}, {"choices": [1]}, {"choices": [{"delta": "x"}]}, chunk(content=3)],  # type: ignore[arg-type]
)
def test_a_chunk_of_another_kind_is_a_fault(broken: dict[str, Any]) -> None:
    with pytest.raises(ServerFault, match="not in the OpenAI format"):
        heard(broken)


def test_an_answer_that_nobody_ended_is_a_fault() -> None:
    with pytest.raises(ServerFault, match="broke off"):
        heard(chunk("Half"))
