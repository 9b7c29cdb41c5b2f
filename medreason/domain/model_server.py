"""A server elsewhere that answers under two names: how it is named on the command line. Asks nothing of it.

The key itself is never a value here, only the name of the environment variable that holds it.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from medreason.domain.arms import Arm
from medreason.domain.checks import Checks

ENGINES = ("auto", "local", "openai")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LONGEST_NAME = 1000


@dataclass(frozen=True)
class ModelServer:
    """`api_base` is where `/chat/completions` lies below, without a slash at its end. `baseline` and
    `finetuned` are the names under which it serves the two models. `api_key_env` may be empty: no key."""

    api_base: str
    baseline: str
    finetuned: str
    api_key_env: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_base", self.api_base.rstrip("/"))
        checks = Checks()
        _check_address(checks, self.api_base)
        for option, name in (("--model-baseline", self.baseline), ("--model-finetuned", self.finetuned)):
            if name:
                checks.text(option, name, LONGEST_NAME)
            else:
                checks.require(False, option, "", "give the name under which the server has this model")
        checks.require(
            not self.baseline or self.baseline != self.finetuned,
            "--model-finetuned",
            self.finetuned,
            "it is the baseline's name too; give the name of the fine-tuned model",
        )
        # Whoever gives the key itself here must not find it again in a log: the value is not shown.
        checks.require(
            not self.api_key_env or VARIABLE.fullmatch(self.api_key_env) is not None,
            "--api-key-env",
            None,
            "give the name of an environment variable that holds the key, not the key",
        )
        checks.done()

    def name(self, arm: Arm) -> str:
        return self.baseline if arm is Arm.BASELINE else self.finetuned

    @property
    def words(self) -> str:
        """What it is called in sentences."""
        return f"the server at {self.api_base}"


def _check_address(checks: Checks, address: str) -> None:
    if not checks.text("--api-base", address, 2000):
        return
    try:
        parts = urlsplit(address)
        whole = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        checks.require(
            False, "--api-base", address, "this is no address; give one such as http://127.0.0.1:8000/v1"
        )
        return
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        remedy = "give the address alone; a key belongs into an environment variable, see --api-key-env"
        checks.require(False, "--api-base", None, remedy)
        return
    web = parts.scheme in ("http", "https") and whole and not re.search(r"\s", address)
    checks.require(web, "--api-base", address, "give an address such as http://127.0.0.1:8000/v1 or https://…")


def chosen_server(
    engine: str, api_base: str, baseline: str, finetuned: str, api_key_env: str
) -> ModelServer | None:
    """The server that the options name, or None where this computer answers itself: `auto` is the server if
    there is an address, and this computer otherwise. Raises `Invalid` for options that do not fit together."""
    checks = Checks()
    checks.choice("--engine", engine, ENGINES)
    if engine == "openai" or (engine == "auto" and api_base):
        checks.require(bool(api_base), "--engine", engine, "give the server's address with --api-base")
        checks.done()
        return ModelServer(api_base, baseline, finetuned, api_key_env)
    server_only = {
        "--api-base": api_base,
        "--model-baseline": baseline,
        "--model-finetuned": finetuned,
        "--api-key-env": api_key_env,
    }
    for option, given in server_only.items():
        remedy = "is for a server" + ("; leave it out" if engine == "local" else ", so give --api-base too")
        checks.require(not given, option, None, remedy)
    checks.done()
    return None
