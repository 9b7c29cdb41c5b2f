"""A fault becomes a sentence, and a refused role is noted by whoever served the request."""

from types import SimpleNamespace

import gradio as gr
import pytest

from medreason.domain.user import Action, Role, User
from medreason.errors import NotFound
from medreason.ui.asking import REFUSED, UNEXPECTED, shown


def asked(noted: list[str]) -> gr.Request:
    request = gr.Request()
    request.request = SimpleNamespace(scope={REFUSED: noted.append})
    return request


@shown
def train(request: gr.Request) -> None:
    User(1, "rae", Role.RATER).require(Action.TRAIN)


@shown
def look(request: gr.Request) -> None:
    raise NotFound("There is no such run.")


@shown
def fail(request: gr.Request) -> None:
    raise KeyError("secret/path.py")


def test_what_a_role_may_not_do_is_said_and_noted() -> None:
    noted: list[str] = []
    with pytest.raises(gr.Error, match="Your role .rater. may not train"):
        train(asked(noted))
    assert noted == ["event train"]


def test_other_faults_are_not_noted_and_show_nothing_of_the_inside() -> None:
    noted: list[str] = []
    with pytest.raises(gr.Error, match="There is no such run"):
        look(asked(noted))
    with pytest.raises(gr.Error, match=UNEXPECTED):
        fail(asked(noted))
    assert noted == []


def test_where_nobody_listens_it_is_said_all_the_same() -> None:
    with pytest.raises(gr.Error, match="may not train"):
        train(gr.Request())
