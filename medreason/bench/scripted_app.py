"""The app with a script in place of a model, each answer at an even pace; run as a module.

All else is as it is served: page, guard, services, store. Only how many questions one user may have running at
once is lifted, since all readers are the one user of this computer.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from medreason.bench.lateness import Lateness
from medreason.collector import settle
from medreason.domain.arms import Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import AnswerText, Event, ThinkingText
from medreason.domain.sampling import Sampling
from medreason.engine.scripted import Script, ScriptedEngine
from medreason.heaps import keep_few
from medreason.settings import AppSettings

WORDS_A_SECOND = 50.0
LETTERS = {Arm.BASELINE: "b", Arm.FINETUNED: "f"}


def word(stream: int, letter: str, place: int) -> str:
    """What stands at a place of one side of one answer, like no other word of all that is said."""
    return f"s{stream}{letter}{place}."


class PacedEngine(ScriptedEngine):
    """Answers the question "Stream 7" with words of its own on each side, the first half of them as thinking, each
    side at `WORDS_A_SECOND`."""

    def __init__(self, words: int):
        super().__init__()
        self._length = words

    def ask_pair(
        self, conversation: Conversation, sampling: Sampling, cancelled: Callable[[], bool]
    ) -> Iterator[Event]:
        stream, half = int(conversation.question.split()[-1]), self._length // 2
        one = ScriptedEngine()
        for arm, letter in LETTERS.items():
            said = [word(stream, letter, place) for place in range(self._length)]
            one.plays(arm, Script(" ".join(said[:half]), " ".join(said[half:])))
        began, given = time.monotonic(), dict.fromkeys(Arm, 0)
        for event in one.ask_pair(conversation, sampling, cancelled):
            if isinstance(event, ThinkingText | AnswerText):
                given[event.arm] += 1
                time.sleep(max(0.0, began + given[event.arm] / WORDS_A_SECOND - time.monotonic()))
            yield event


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripted_app", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--words", type=int, required=True, help="words of each side of an answer")
    parser.add_argument("--at-once", type=int, required=True, help="answers that may run at once")
    parser.add_argument("--lateness", type=Path, help="a file for how late the event loop was in each second")
    given = parser.parse_args(arguments)
    keep_few()

    import uvicorn

    from medreason.assembly import assemble
    from medreason.services import answering
    from medreason.ui.page import build_page
    from medreason.web.site import build_site

    settings = AppSettings(port=given.port, data_dir=given.data_dir)
    settings.folder.prepare()
    answering.RUNNING_A_USER = given.at_once
    services = assemble(settings, lambda: PacedEngine(given.words))
    services.serving.start_loading()
    site = build_site(build_page(services), services.comparing.stop_all)
    config = uvicorn.Config(
        site, host=settings.host, port=given.port, log_level="warning", timeout_graceful_shutdown=3, lifespan="on"
    )
    server = uvicorn.Server(config)

    async def serve() -> None:
        beside = [asyncio.create_task(Lateness(given.lateness).in_loop()), asyncio.create_task(_settle(server))]
        await server.serve()
        for one in beside:
            one.cancel()

    asyncio.run(serve())
    return 0


async def _settle(server: Any) -> None:
    """As the program does once its pages answer."""
    while not server.started:
        await asyncio.sleep(0.1)
    settle()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
