"""The console behind a proxy that ends TLS: origins, cookies and headers are those of the public address."""

import httpx2
import pytest

from tests.admin.standin import ALL, PASSWORD, StandIn, browsing
from tests.admin.test_entrance import LIST, PAUSE, csrf

PUBLIC = "https://console.example.com"
FORM = {"name": "ann", "password": PASSWORD}


def came(client: httpx2.AsyncClient, host: str) -> None:
    """The proxy asks us at the loopback address, under this name."""
    client.base_url = "http://127.0.0.1:8025"
    client.headers["Host"] = host


@pytest.mark.parametrize("host", ["127.0.0.1:8025", "console.example.com", "anything.test"])
async def test_who_comes_by_the_proxy_signs_in_and_changes_something(host: str) -> None:
    service = StandIn(ALL)
    async with browsing(service, public_url=PUBLIC) as client:
        came(client, host)
        answer = await client.post("/login", data=FORM, headers={"Origin": PUBLIC, "Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-mailroot=")
        assert "secure" in cookie.lower()
        assert answer.headers["strict-transport-security"]
        headers = {"X-CSRF-Token": await csrf(client), "Origin": PUBLIC, "Cookie": cookie.partition(";")[0]}
        assert (await client.post(PAUSE, json={"server": "one"}, headers=headers)).status_code == 200
    assert service.asked[0][0] == "server.pause"


@pytest.mark.parametrize(
    "origin",
    ["http://console.example.com", "https://console.example.com:8443", "http://127.0.0.1:8025", "https://evil.test"],
)
async def test_Q02_no_other_origin_is_ours(origin: str) -> None:
    service = StandIn(ALL)
    async with browsing(service, public_url=PUBLIC) as client:
        came(client, origin.partition("//")[2])
        more = {"Origin": origin, "X-Forwarded-Host": "console.example.com", "X-Forwarded-Proto": "https"}
        answer = await client.post("/login", data=FORM, headers=more)
    assert answer.status_code == 403
    assert f"the console is at {PUBLIC}" in answer.json()["detail"]
    assert service.told == []


async def test_without_a_public_address_no_header_makes_one() -> None:
    async with browsing(StandIn(ALL)) as client:
        more = {"Origin": PUBLIC, "X-Forwarded-Host": "console.example.com", "X-Forwarded-Proto": "https"}
        assert (await client.post("/login", data=FORM, headers=more)).status_code == 403


async def test_a_public_address_without_tls_has_a_cookie_that_goes_there() -> None:
    async with browsing(StandIn(ALL, lambda *_: []), public_url="http://console.example.com:8080") as client:
        came(client, "x")
        answer = await client.post("/login", data=FORM, headers={"Origin": "http://console.example.com:8080"})
        assert answer.headers["set-cookie"].startswith("mailroot=")
        assert "secure" not in answer.headers["set-cookie"].lower()
        assert "strict-transport-security" not in answer.headers
        assert (await client.get(LIST)).status_code == 200
