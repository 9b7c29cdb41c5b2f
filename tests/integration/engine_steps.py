"""Asking an engine in tests, and putting its events together again."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medreason.domain.answers import Answer
from medreason.domain.arms import Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Draft
from medreason.domain.sampling import Sampling
from medreason.folder import DataFolder
from tests.tiny import in_32_bits

# What the libraries say to each other, and not to us.
QUIET = [
    # peft 0.21 still reads an attribute that transformers 5.2x has renamed
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning"),
    # torch warns of its own calls when a device is asked for on a build without it
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch"),
]
GREEDY = Sampling(temperature=0, max_new_tokens=12)
QUESTION = Conversation("A man has crushing chest pain. Why?")
OTHER = Conversation("Where is the pain felt, and what does the electrocardiogram show?")


def never() -> bool:
    return False


def answers(engine, conversation=QUESTION, sampling=GREEDY, cancelled=never) -> dict[Arm, Answer]:
    return gather(engine.ask_pair(conversation, sampling, cancelled))


def gather(events) -> dict[Arm, Answer]:
    drafts: dict[Arm, Draft] = {}
    for event in events:
        drafts.setdefault(event.arm, Draft(event.arm)).take(event)
    return {arm: draft.answer() for arm, draft in drafts.items()}


def text(answer: Answer) -> str:
    return answer.thinking + answer.text


def prompt(engine, conversation=QUESTION, arm=Arm.BASELINE) -> list[int]:
    from medreason.text.template import prompt_ids

    return prompt_ids(engine._served.base.tokenizer, conversation.messages(arm), thinking=True)


def soon(true) -> None:
    deadline = time.monotonic() + 20
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert true()


def said(engine, *asked: tuple[Conversation, Sampling]) -> list[dict[Arm, str]]:
    """What several requests say that run at the same time."""
    found: dict[int, dict[Arm, str]] = {}

    def ask(place: int, conversation: Conversation, sampling: Sampling) -> None:
        found[place] = {arm: text(one) for arm, one in answers(engine, conversation, sampling).items()}

    threads = [threading.Thread(target=ask, args=(place, *one)) for place, one in enumerate(asked)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return [found[place] for place in range(len(asked))]


@pytest.fixture(scope="module", params=[True, False], ids=["own layers", "plain"])
def engine(request, tiny_qwen3: Path, tiny_adapter: Path, tmp_path_factory) -> Iterator[Any]:
    """A local engine that decodes its own way or the plain one; unloaded afterwards."""
    from medreason.engine.levers import Levers
    from medreason.engine.local import LocalEngine

    data = DataFolder(tmp_path_factory.mktemp("data"))
    made = LocalEngine(str(tiny_qwen3), "", "none", data, tiny_adapter, Levers(own_layers=request.param))
    with in_32_bits():
        made.load()
        yield made
    made.unload()
