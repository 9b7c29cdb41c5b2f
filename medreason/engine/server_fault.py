"""What goes wrong with a server of models, in words. Knows HTTP's figures and httpx's faults, nothing of answers.

No sentence holds the key: what the server says is shown only after `shown` has taken the key out of it.
"""

import json
from typing import Any

import httpx

from medreason.domain.model_server import ModelServer
from medreason.errors import MedReasonError

LONGEST_WORDS = 300
# What a request may do without; a server that does not know a field names it in its refusal.
REFUSED = (400, 422)


class ServerFault(MedReasonError):
    """The server did not give an answer, or no whole one."""


class ServerRefused(ServerFault):
    """The server found fault with the request itself; `said` is its reason."""

    def __init__(self, sentence: str, said: str):
        super().__init__(sentence)
        self.said = said


class ServerLost(ServerFault):
    """The connection failed. What answers at that address next may be another process with other weights."""


def shown(text: object, key: str) -> str:
    """What a server said, on one line, shortened, without the key."""
    words = " ".join(str(text).split())
    if key:
        words = words.replace(key, "…")
    return words if len(words) <= LONGEST_WORDS else words[: LONGEST_WORDS - 1] + "…"


def reason_in(body: bytes) -> str:
    """The server's own reason in the body of a refusal, or empty where it gives none that is known."""
    try:
        told: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if isinstance(told, dict):
        error = told.get("error", told.get("detail", told.get("message", "")))
        if isinstance(error, dict):
            error = error.get("message", "")
        return error if isinstance(error, str) else json.dumps(error)
    return ""


def refusal(server: ModelServer, model: str, status: int, body: bytes, key: str) -> ServerFault:
    """The fault for any status other than 200."""
    name, said = server.words, shown(reason_in(body), key)
    reason = f" It says: {said.rstrip('.')}." if said else ""
    if 300 <= status < 400:
        return ServerFault(
            f"{_upper(name)} sends on to another address, which is not followed. Give the right one as --api-base."
        )
    if status in (401, 403):
        # Without the server's words, which are known to repeat a part of the key.
        return ServerFault(
            f"{_upper(name)} does not accept the key ({status}). Check the variable that --api-key-env names."
        )
    if status == 404 and said and said != "Not Found":
        return ServerFault(f"{_upper(name)} has no model named {model}.{reason} Check the two names.")
    if status in (404, 405):
        return ServerFault(
            f"{_upper(name)} has nothing at /chat/completions ({status}). Does --api-base end in /v1?"
        )
    if status in REFUSED:
        sentence = f"{_upper(name)} refused the request ({status}).{reason} Nothing was answered."
        return ServerRefused(sentence, said)
    if status == 429:
        return ServerFault(
            f"{_upper(name)} has too much to do, or a quota is used up (429).{reason} Ask again later."
        )
    if status >= 500:
        own = f"{_upper(name)} has a fault of its own ({status}), asked for {model}."
        return ServerFault(f"{own}{reason} Its log says more. Ask again.")
    return ServerFault(f"{_upper(name)} answered with status {status}.{reason} Check --api-base.")


def lost(server: ModelServer, fault: httpx.HTTPError, silence_s: float) -> ServerLost:
    """The fault for a connection that could not be made, or did not hold."""
    name = _upper(server.words)
    if "CERTIFICATE_VERIFY_FAILED" in str(fault):
        return ServerLost(
            f"{name} shows a certificate that is not trusted, so nothing was sent. Check --api-base."
        )
    if isinstance(fault, httpx.ConnectTimeout):
        return ServerLost(f"{name} does not take connections. Is the address right, and the server running?")
    if isinstance(fault, httpx.ConnectError):
        return ServerLost(f"{name} cannot be reached. Is the address right, and the server running?")
    if isinstance(fault, httpx.TimeoutException):
        return ServerLost(f"{name} was silent for {silence_s:g} s. What it had said is kept. Ask again.")
    return ServerLost(
        f"The connection to {server.words} broke before the answer was whole. Was it restarted? "
        "What it had said is kept. Ask again."
    )


def _upper(words: str) -> str:
    return words[0].upper() + words[1:]
