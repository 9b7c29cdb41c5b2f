"""The shell refuses foreign hosts and origins and large bodies; every response carries the headers."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from medreason.web.guard import SECURITY_HEADERS, Guard


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def client() -> TestClient:
    site = Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])
    return TestClient(Guard(site, frozenset({"127.0.0.1", "::1"}), 1000), base_url="http://127.0.0.1:7860")


def test_own_requests_pass_with_the_security_headers(client: TestClient) -> None:
    answer = client.post("/", content=b"x" * 999, headers={"origin": "http://127.0.0.1:7860"})
    assert (answer.status_code, answer.text) == (200, "999")
    assert all(answer.headers[name] == value for name, value in SECURITY_HEADERS.items())
    assert "unsafe-eval" not in answer.headers["content-security-policy"]
    assert "script-src 'self';" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "127.0.0.1@evil.example"])
def test_a_foreign_host_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 400


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9999"])
def test_a_foreign_origin_cannot_change_anything(client: TestClient, origin: str) -> None:
    answer = client.post("/", content=b"x", headers={"origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_a_large_body_is_refused_with_and_without_its_length(client: TestClient) -> None:
    assert client.post("/", content=b"x" * 1001).status_code == 413
    assert client.post("/", content=iter([b"x" * 600, b"x" * 600])).status_code == 413
    assert client.post("/", content=b"x", headers={"content-length": "-1"}).status_code == 413


def test_an_upload_may_be_larger_than_any_other_body() -> None:
    site = Starlette(routes=[Route(path, echo, methods=["POST"]) for path in ("/", "/upload")])
    guard = Guard(site, frozenset({"127.0.0.1"}), 1000, {"/upload": 2000})
    client = TestClient(guard, base_url="http://127.0.0.1:7860")
    assert client.post("/upload", content=b"x" * 1500).text == "1500"
    assert client.post("/", content=b"x" * 1500).status_code == 413
    assert client.post("/upload", content=b"x" * 2001).status_code == 413
    assert client.post("/upload", content=iter([b"x" * 1500, b"x" * 600])).status_code == 413
