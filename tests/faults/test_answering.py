"""Answers under bad conditions: what models say wrongly, models that hang or run out of memory, many tabs of one
user. Each side settles, what was said is kept, and the next question works."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from medreason.domain.answers import LONGEST_TEXT, Answer, Finish
from medreason.domain.arms import ARMS, SIDES
from medreason.domain.conversation import Conversation
from medreason.domain.events import AnswerText, Event, Finished, ThinkingText
from medreason.domain.sampling import Sampling
from medreason.engine.protocol import Phase
from medreason.engine.scripted import ScriptedEngine
from medreason.engine.voice import Voice
from medreason.errors import Busy, MedReasonError, NotReady
from medreason.folder import DataFolder
from medreason.services import answering
from medreason.services.live_pair import LivePair
from medreason.services.serving import AdapterChoice, Serving
from medreason.ui import answer_view
from tests.stage import Stage, until
from tests.store import Store, rating


@pytest.fixture
def stage(folder: DataFolder) -> Stage:
    return Stage(folder)


class Bytes:
    """A tokenizer whose tokens are bytes."""

    all_special_tokens: list[str] = []
    all_special_ids: list[int] = []

    def decode(self, ids: list[int], skip_special_tokens: bool, clean_up_tokenization_spaces: bool) -> str:
        return bytes(ids).decode("utf-8", errors="replace")

    def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": list(text.encode())}


def speaks(raw: bytes) -> Callable[..., Iterator[Event]]:
    """Both arms say these bytes through the engine's own voice, up to the budget."""

    def ask_pair(_: Conversation, sampling: Sampling, cancelled: Callable[[], bool]) -> Iterator[Event]:
        for arm in ARMS:
            voice = Voice(arm, Bytes(), 10, opened=False, began=0.0)
            yield voice.start()
            for token in raw[: sampling.max_new_tokens]:
                yield from voice.take(token, at=1.0)
            yield from voice.end(Finish.LENGTH if len(raw) > sampling.max_new_tokens else Finish.STOP, at=2.0)

    return ask_pair


@pytest.mark.parametrize(
    ("raw", "thinking", "text", "finish"),
    [
        (b"<think>" + b"and then " * 5000, "and then and then", "", Finish.LENGTH),
        (
            b"<think>one <think>two</think> three</think>The answer.",
            "one two",
            "three\n\nThe answer.",
            Finish.STOP,
        ),
        (b"<think>never closed. The answer is gout.", "never closed. The answer is gout.", "", Finish.STOP),
        (b"no trace</think>The answer.", "", "no trace\n\nThe answer.", Finish.STOP),
        (b"", "", "", Finish.STOP),
        (b"<think></think>", "", "", Finish.STOP),
        (b"<think>\xf0\x9f\x91</think>caf\xc3\xa9 \xff\xfe end", "\ufffd", "café \ufffd", Finish.STOP),
        (b"\x00\x00</think", "", "\ufffd\ufffd</think", Finish.STOP),
    ],
    ids=[
        "endless",
        "nested",
        "unclosed",
        "only closed",
        "empty",
        "empty trace",
        "broken bytes",
        "nul and half a tag",
    ],
)
def test_whatever_a_model_says_both_sides_settle(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, raw: bytes, thinking: str, text: str, finish: Finish
) -> None:
    monkeypatch.setattr(stage.engine, "ask_pair", speaks(raw))
    view = stage.asked("Does “</think>” end a trace, and <think> open one?")
    for side in SIDES:
        said = view.side(side).answer
        assert said.finish is finish
        assert said.thinking.startswith(thinking) and said.text.startswith(text)
        assert bool(said.thinking) == bool(thinking) and bool(said.text) == bool(text)
    assert answer_view.carrier(view).count("<div") == 2
    monkeypatch.undo()
    assert stage.asked("Next?").whole


def test_a_trace_longer_than_can_be_kept_is_cut_and_says_so(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(*_: object) -> Iterator[Event]:
        for arm in ARMS:
            for _ in range(30):
                yield ThinkingText(arm, "x" * (LONGEST_TEXT // 20))
            yield AnswerText(arm, "Gout.")
            yield Finished(arm, Finish.STOP, Answer().counts, Answer().timings, True, True)

    monkeypatch.setattr(stage.engine, "ask_pair", endless)
    view = stage.asked()
    for side in SIDES:
        said = view.side(side).answer
        assert (len(said.thinking), said.text, said.finish) == (LONGEST_TEXT, "Gout.", Finish.LENGTH)


def test_a_model_that_hangs_while_it_loads_is_told_and_holds_up_nothing_else(folder: DataFolder) -> None:
    release = threading.Event()

    def hangs() -> tuple[ScriptedEngine, str]:
        release.wait(20)
        return ScriptedEngine(), ""

    stage = Stage(folder)
    stuck = Serving(hangs, list)
    stage.comparing._serving = stuck
    stuck.start_loading()
    began = time.monotonic()
    with pytest.raises(NotReady):
        stage.ask()
    assert stage.conversations.listed(stage.user) == ()
    assert time.monotonic() - began < 1
    assert stuck.state.phase is Phase.LOADING
    release.set()
    until(lambda: stuck.state.phase is Phase.READY)
    assert stage.asked().done


def test_an_adapter_that_has_gone_is_refused_and_the_next_question_works(folder: DataFolder) -> None:
    stage = Stage(folder)
    gone = AdapterChoice("run:gone", "Run gone", folder.root / "gone")

    def refuses(_: object) -> None:
        raise MedReasonError("There is no adapter at that place. Choose another.")

    stage.serving._find_adapters = lambda: [gone]
    stage.engine.switch_adapter = refuses  # type: ignore[method-assign, assignment]
    with pytest.raises(MedReasonError, match="no adapter"):
        stage.serving.switch(stage.user, "run:gone")
    assert stage.serving.adapter == "demo"
    assert stage.asked().whole


def test_memory_that_runs_out_ends_one_request_in_words(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ask_pair = stage.engine.ask_pair

    def runs_out(*asked: object) -> Iterator[Event]:
        for number, event in enumerate(ask_pair(*asked)):  # type: ignore[arg-type]
            if number == 5:
                raise MemoryError
            yield event

    with monkeypatch.context() as patch:
        patch.setattr(stage.engine, "ask_pair", runs_out)
        view = stage.asked()
    said = [view.side(side).answer for side in SIDES]
    assert {one.finish for one in said} == {Finish.FAILED} and all("Ask again" in one.fault for one in said)
    assert any(one.text or one.thinking for one in said), "what was said is kept"
    again = stage.ended(stage.comparing.go_on(stage.user, view.pair_id, 100))
    assert again.whole


def test_twenty_tabs_of_one_user_leave_room_for_everybody_else(stage: Stage, folder: DataFolder) -> None:
    store = Store(folder.database)
    waits = store.pair(user=stage.other)
    stage.engine.pause_s = 0.02
    taken: list[LivePair] = []
    refused: list[str] = []
    together = threading.Barrier(20)

    def tab(number: int) -> None:
        together.wait()
        try:
            taken.append(stage.ask(f"A question from tab {number} of twenty?"))
        except Busy as fault:
            refused.append(str(fault))

    threads = [threading.Thread(target=tab, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == answering.RUNNING_A_USER and len(refused) == 20 - len(taken)
    assert all("Stop one, or wait" in sentence for sentence in refused)
    assert len(stage.pairs.asked_by(stage.user.id)) == len(taken), "a refused question leaves nothing behind"
    began = time.monotonic()
    store.older_rating(stage.other, "Ann", waits.id, rating())
    assert time.monotonic() - began < 1
    live = stage.comparing.ask(stage.other, "Mine?", Sampling(), blind=False)
    assert live.finished.wait(10)
    stage.comparing.stop_all()
    store.close()
