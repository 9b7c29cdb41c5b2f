"""How the app may be reached: which addresses it serves, through whom, and what a proxy may say."""

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from medreason.errors import Invalid
from medreason.settings import AppSettings
from medreason.web.guard import Hosts
from medreason.web.proxied import Proxied, throttled_as
from medreason.web.site import front_of

TLS = {"tls_cert": Path("c.pem"), "tls_key": Path("k.pem")}
PROXIED = {"public_url": "https://med.example.org", "trusted_proxy": "10.0.0.5"}


@pytest.mark.parametrize(
    "given",
    [
        {"host": "0.0.0.0"},
        {"host": "192.168.1.5"},
        {"host": "0.0.0.0", "public_url": "https://med.example.org"},
        {"host": "0.0.0.0", "trusted_proxy": "10.0.0.5"},
        {"host": "0.0.0.0", "tls_cert": Path("c.pem")},
        {"tls_key": Path("k.pem")},
        {"public_url": "https://med.example.org"},
        {"host": "0.0.0.0", **PROXIED, "public_url": "http://med.example.org"},
        {"host": "0.0.0.0", **PROXIED, "public_url": "https://med.example.org/path"},
        {"host": "0.0.0.0", **PROXIED, "public_url": "https://a@b"},
        {"host": "0.0.0.0", **PROXIED, "trusted_proxy": "proxy.example.org"},
        {"host": "0.0.0.0", **PROXIED, "trusted_proxy": "0.0.0.0/0"},
        {"host": "0.0.0.0", **PROXIED, **TLS},
    ],
)
def test_an_address_that_others_reach_is_refused_unless_it_is_encrypted(given: dict) -> None:
    with pytest.raises(Invalid) as told:
        AppSettings(**given)
    assert all(fault.field.startswith("--") and fault.remedy for fault in told.value.faults)


@pytest.mark.parametrize(
    ("given", "exposed", "encrypted"),
    [
        ({}, False, False),
        ({"host": "::1"}, False, False),
        (TLS, False, True),
        ({"host": "0.0.0.0", **TLS}, True, True),
        ({"host": "0.0.0.0", **PROXIED}, True, True),
        (PROXIED, True, True),  # a proxy on this computer lets others in all the same
        ({"host": "0.0.0.0", **TLS, "public_url": "https://med.example.org"}, True, True),
    ],
)
def test_who_can_reach_it_and_how(given: dict, exposed: bool, encrypted: bool) -> None:
    settings = AppSettings(**given)
    assert (settings.exposed, settings.encrypted) == (exposed, encrypted)
    front = front_of(settings)
    assert (front.exposed, front.secure, front.proxy is not None) == (exposed, encrypted, "trusted_proxy" in given)


def test_the_names_under_which_it_is_served() -> None:
    assert AppSettings(**PROXIED).hosts == {"127.0.0.1", "localhost", "::1", "med.example.org"}
    every = Hosts(AppSettings(host="0.0.0.0", **TLS).hosts, any_address=True)
    assert "10.1.2.3" in every and "fe80::1" in every and "localhost" in every
    assert not {"evil.example", "", None, "10.1.2.3.evil.example"} & {
        one for one in ("evil.example", "", None, "10.1.2.3.evil.example") if one in every
    }
    assert "10.1.2.3" not in Hosts(frozenset({"localhost"}))


def test_the_address_that_people_open() -> None:
    assert AppSettings(host="0.0.0.0", port=80, **TLS).address == "https://127.0.0.1:80"
    assert AppSettings(**PROXIED).opened_at == "https://med.example.org"
    assert AppSettings(host="::1").opened_at == "http://[::1]:7860"


async def seen(request: Request) -> JSONResponse:
    shown = {name: value for name, value in request.headers.items() if "forward" in name or name == "x-real-ip"}
    return JSONResponse([str(request.url), request.client.host if request.client else "", shown])


def asked_through(client: str, given: dict, **headers: str) -> list | int:
    settings = AppSettings(**given)
    site = Proxied(Starlette(routes=[Route("/", seen)]), front_of(settings).proxy, settings.hosts)
    answer = TestClient(site, base_url="http://127.0.0.1:7860", client=(client, 1)).get("/", headers=headers)
    return answer.json() if answer.status_code == 200 else answer.status_code


FORGED = {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "6.6.6.6", "Forwarded": "host=evil.example"}


def test_without_a_proxy_nobody_is_believed() -> None:
    assert asked_through("127.0.0.1", {}, **FORGED) == ["http://127.0.0.1:7860/", "127.0.0.1", {}]


def test_the_trusted_proxy_says_who_connects_and_nothing_else() -> None:
    told = {**FORGED, "X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
    assert asked_through("10.0.0.5", PROXIED, **told) == ["https://med.example.org/", "203.0.113.9", {}]
    assert asked_through("10.0.0.5", PROXIED, host="evil.example") == ["https://evil.example/", "10.0.0.5", {}]
    assert asked_through("10.0.0.5", PROXIED, **{"X-Forwarded-For": "<script>"}) == [
        "https://med.example.org/",
        "10.0.0.5",
        {},
    ]


def test_past_the_proxy_nobody_comes_in() -> None:
    assert asked_through("10.0.0.6", PROXIED, **FORGED) == 403
    assert asked_through("127.0.0.1", PROXIED, **FORGED) == ["https://med.example.org/", "127.0.0.1", {}]


def test_tries_are_counted_by_address_and_by_network() -> None:
    assert throttled_as("2001:db8:1:2:aaaa::1") == throttled_as("2001:db8:1:2:bbbb::9")
    assert throttled_as("::ffff:10.0.0.5") == throttled_as("10.0.0.5") == "10.0.0.5"
    assert throttled_as("not an address") == "unknown"
