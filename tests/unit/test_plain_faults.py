"""What goes wrong inside is told in a sentence, under its true number, and a defect is in the log."""

import logging

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from medreason.web.answers import FAULT, UNREADABLE, PlainFaults

ANSWERS = {
    "refused": JSONResponse({"error": "Choose a study first.", "visible": True}, 500),
    "broken": JSONResponse({"error": None}, 500),
    "odd": PlainTextResponse("Traceback (most recent call last): File app.py", 500),
    "unreadable": JSONResponse({"detail": [{"loc": ["body", "data"], "msg": "Field required"}]}, 422),
    "fine": PlainTextResponse("500 is only a number"),
}


async def answer(request: Request) -> Response:
    what = request.path_params["what"]
    if what == "raises":
        raise ZeroDivisionError("in /home/somebody/app.py")
    return ANSWERS[what]


@pytest.fixture
def client() -> TestClient:
    site = Starlette(routes=[Route("/gradio_api/{what}", answer)])
    return TestClient(PlainFaults(site), raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("what", "status", "words"),
    [
        ("refused", 400, "Choose a study first."),
        ("unreadable", 400, UNREADABLE),
        ("broken", 500, FAULT),
        ("odd", 500, FAULT),
        ("raises", 500, FAULT),
    ],
)
def test_a_fault_is_one_sentence_under_its_true_number(
    client: TestClient, caplog: pytest.LogCaptureFixture, what: str, status: int, words: str
) -> None:
    with caplog.at_level(logging.WARNING):
        answer = client.get(f"/gradio_api/{what}")
    assert (answer.status_code, answer.json()) == (status, {"detail": words, "error": words})
    assert bool(caplog.records) == (status == 500), "a defect is in the log, and nothing else is"
    assert ("ZeroDivisionError" in caplog.text) == (what == "raises")


def test_any_other_answer_passes_untouched(client: TestClient) -> None:
    assert client.get("/gradio_api/fine").text == "500 is only a number"
