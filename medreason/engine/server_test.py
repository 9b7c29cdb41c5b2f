"""Asks a server, before anybody else does, whether its two names are there, answer, and differ.

It cannot show which weights stand behind a name: that remains the server's word. It shows that the two are not the
same model under two names, which is what a server does that was started without its adapter.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from medreason.domain.answers import Answer
from medreason.domain.arms import Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Draft
from medreason.domain.model_server import ModelServer
from medreason.domain.sampling import Sampling
from medreason.engine.server_answer import answer
from medreason.engine.server_connection import ServedModel, ServerConnection
from medreason.engine.server_fault import ServerFault, ServerRefused
from medreason.engine.server_request import OPTIONAL, request_body
from medreason.errors import MedReasonError

QUESTIONS = (
    "A man of 58 has crushing chest pain. Explain the cause step by step.",
    "A woman of 30 is tired, pale and short of breath on stairs. What do you think of first, and why?",
    "A child of 4 has fever and a stiff neck. Name the next step and the reason for it.",
)
GREEDY = Sampling(temperature=0, top_p=1, top_k=0, seed=1, max_new_tokens=48)
ONE_TOKEN = Sampling(temperature=0, top_p=1, top_k=0, seed=1, max_new_tokens=1)


class ServerTestFailed(MedReasonError):
    """The server's two names cannot be compared."""


@dataclass(frozen=True)
class Finding:
    """`left_out` are the fields that this server does not take; `sentence` says what was found."""

    base: ServedModel
    left_out: frozenset[str]
    sentence: str


def describe(server: ModelServer, listed: tuple[ServedModel, ...] | None) -> ServedModel:
    """The baseline as the server's list tells it; only by its name where there is none. Raises `ServerTestFailed`
    where the list contradicts the names."""
    if listed is None:
        return ServedModel(server.baseline)
    found = {one.name: one for one in listed}
    missing = [name for name in (server.baseline, server.finetuned) if name not in found]
    if missing:
        names = ", ".join(list(found)[:10]) or "none"
        raise ServerTestFailed(
            f"The server at {server.api_base} has no model named {' or '.join(missing)}. It names: {names}."
        )
    base, tuned = found[server.baseline], found[server.finetuned]
    if base.parent:
        raise ServerTestFailed(
            f"The server says that {base.name} is an adapter on {base.parent}, so it is no baseline. "
            f"Give --model-baseline {base.parent}."
        )
    parent = found.get(tuned.parent)
    same_root = parent is not None and bool(base.root) and parent.root == base.root
    if tuned.parent and tuned.parent not in (base.name, base.root) and not same_root:
        raise ServerTestFailed(
            f"The server says that {tuned.name} is an adapter on {tuned.parent}, not on {base.name}. "
            f"Give --model-baseline {tuned.parent}."
        )
    return base


async def check_names(connection: ServerConnection, tell: Callable[[float, str], None]) -> Finding:
    """Raises `MedReasonError` in words. `tell` hears how far it is, from 0 to 1.

    Each question goes to the baseline twice: only where it repeats itself does another's difference count.
    """
    server = connection.server
    async with connection.client() as client:
        tell(0.1, f"Asking {server.words} for its models…")
        listed = await connection.models(client)
        base = describe(server, listed)
        asker = _Asker(connection, client)
        tell(0.2, "Waiting for the first words of the baseline…")
        await asker.settle()
        repeated = 0
        for number, question in enumerate(QUESTIONS, start=1):
            tell(0.2 + 0.2 * number, "Testing that the two names are two models…")
            baseline, again, tuned = await asyncio.gather(
                *(asker.words(arm, question) for arm in (Arm.BASELINE, Arm.BASELINE, Arm.FINETUNED))
            )
            repeated += baseline == again
            if baseline == again and baseline != tuned:
                left_out = frozenset(asker.left_out)
                return Finding(base, left_out, _passed(server, number, listed is not None, left_out))
    raise ServerTestFailed(_same(server) if repeated else _unsteady(server))


class _Asker:
    """Asks one name one question. `left_out` are the fields that the server has refused."""

    def __init__(self, connection: ServerConnection, client: httpx.AsyncClient):
        self.left_out: set[str] = set()
        self._connection = connection
        self._client = client

    async def settle(self) -> None:
        """Ask the baseline for one token, each time without the field that was refused by its name."""
        while True:
            _, fault = await self._ask(Arm.BASELINE, QUESTIONS[0], ONE_TOKEN)
            if fault is None:
                return
            said = fault.said if isinstance(fault, ServerRefused) else ""
            named = [field for field in OPTIONAL if field not in self.left_out and field in said]
            if not named:
                raise fault
            self.left_out.add(named[0])

    async def words(self, arm: Arm, question: str) -> tuple[str, str]:
        """Thinking and answer to a question, the likeliest words. Raises what went wrong."""
        said, fault = await self._ask(arm, question, GREEDY)
        if fault is not None:
            raise fault
        if not (said.thinking or said.text):
            raise ServerTestFailed(
                f"Self-test failed: {self._connection.server.name(arm)} gives no words. Has it a chat template?"
            )
        return said.thinking, said.text

    async def _ask(self, arm: Arm, question: str, sampling: Sampling) -> tuple[Answer, ServerFault | None]:
        name, messages = self._connection.server.name(arm), Conversation(question).messages(arm)
        draft = Draft(arm)
        body = request_body(name, messages, sampling, self.left_out)
        fault = await answer(self._connection, self._client, arm, body, draft.take)
        return draft.answer(), fault


def _passed(server: ModelServer, number: int, listed: bool, left_out: frozenset[str]) -> str:
    asked = "1 question" if number == 1 else f"{number} questions"
    lost = [OPTIONAL[field] for field in OPTIONAL if field in left_out and OPTIONAL[field]]
    return " ".join(
        [
            f"Self-test passed after {asked}: asked for the likeliest words, {server.finetuned} answered "
            f"otherwise than {server.baseline}, which repeated itself word for word.",
            "The server lists both names." if listed else "The server keeps no list of its models.",
            "Which weights stand behind them is the server's word.",
            *([f"It does not take {' and '.join(lost)}: left out for both."] if lost else []),
        ]
    )


def _same(server: ModelServer) -> str:
    return (
        f"Self-test failed: both names gave the same words to {len(QUESTIONS)} questions, so nothing can be "
        f"compared: is the adapter loaded under the name {server.finetuned}?"
    )


def _unsteady(server: ModelServer) -> str:
    return (
        f"Self-test failed: {server.baseline} answers one question differently each time, although asked for the "
        "likeliest words. Whether the two names are two models cannot be told, so nothing can be compared."
    )
