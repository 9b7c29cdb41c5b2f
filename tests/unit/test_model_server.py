"""How a server is named on the command line: what is refused, in one sentence that never shows a key."""

import pytest

from medreason.arguments import Parser, server_of
from medreason.domain.arms import Arm
from medreason.domain.model_server import ModelServer, chosen_server
from medreason.errors import Invalid
from medreason.settings import AppSettings

BASE = "http://127.0.0.1:8000/v1"
NAMES = ["--model-baseline", "base", "--model-finetuned", "tuned"]


def parsed(*words: str) -> ModelServer | None:
    parser = Parser()
    parser.add_server_options()
    for option, default in (("--base-model", "auto"), ("--revision", ""), ("--quantization", "auto")):
        parser.add_argument(option, default=default)
    parser.add_argument("--adapter")
    return server_of(parser.parse_args(list(words)))


def test_auto_is_this_computer_unless_an_address_is_given() -> None:
    assert parsed() is None and parsed("--engine", "local") is None
    for engine in ("auto", "openai"):
        assert parsed("--engine", engine, "--api-base", BASE + "/", *NAMES) == ModelServer(BASE, "base", "tuned")
    assert AppSettings().server is None


def test_each_arm_has_its_name() -> None:
    server = ModelServer(BASE, "base", "tuned")
    assert [server.name(arm) for arm in (Arm.BASELINE, Arm.FINETUNED)] == ["base", "tuned"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--engine", "openai"], "give the server's address with --api-base"),
        (["--engine", "local", "--api-base", BASE], "--api-base: is for a server; leave it out"),
        (["--model-baseline", "base"], "--model-baseline: is for a server, so give --api-base too"),
        (["--api-key-env", "KEY"], "--api-key-env: is for a server"),
        (["--api-base", BASE, "--model-baseline", "base"], "--model-finetuned: give the name"),
        (["--api-base", BASE, "--model-finetuned", "tuned"], "--model-baseline: give the name"),
        (["--api-base", BASE, "--model-baseline", "a", "--model-finetuned", "a"], "it is the baseline's name too"),
        (["--api-base", "127.0.0.1:8000", *NAMES], "give an address such as"),
        (["--api-base", "ftp://host/v1", *NAMES], "give an address such as"),
        (["--api-base", "file:///etc/passwd", *NAMES], "give an address such as"),
        (["--api-base", "http://", *NAMES], "give an address such as"),
        (["--api-base", "http://a b/v1", *NAMES], "give an address such as"),
        (["--api-base", "http://host:port/v1", *NAMES], "this is no address"),
        (["--api-base", "http://[::1/v1", *NAMES], "this is no address"),
        (["--api-base", BASE, *NAMES, "--adapter", "one"], "--adapter is 'one': leave it out"),
        (["--api-base", BASE, *NAMES, "--base-model", "embedded"], "--base-model is 'embedded': leave it out"),
        (["--api-base", BASE, *NAMES, "--quantization", "nf4"], "--quantization is 'nf4': leave it out"),
    ],
)
def test_options_that_do_not_fit_are_named(words: list[str], said: str) -> None:
    with pytest.raises(Invalid) as told:
        parsed(*words)
    assert said in str(told.value) and len(told.value.faults) == 1


@pytest.mark.parametrize("option", ["key", "address", "query"])
def test_a_key_given_in_the_wrong_place_is_not_repeated(option: str) -> None:
    secret = "sk-0123456789"
    base = {"address": f"http://me:{secret}@host/v1", "query": f"http://host/v1?key={secret}"}.get(option, BASE)
    with pytest.raises(Invalid) as told:
        chosen_server("openai", base, "base", "tuned", secret if option == "key" else "")
    assert secret not in str(told.value) and "environment variable" in str(told.value)
