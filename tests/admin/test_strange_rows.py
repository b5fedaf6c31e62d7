"""Rows that hold what strangers, or file systems, have put there: lists and pages show them all the same."""

from collections.abc import Mapping
from typing import Any

import pytest

from mailroot.admin.application import Pages
from mailroot.admin.console.router import router
from tests.admin.standin import ALL, StandIn, bearer, browsing

STRANGE = "\udcff<b>"  # an octet that is no UTF-8, as Python has it in the name of a file
SERVER = {
    "key": "one",
    "name": "First",
    "state": "started",
    "start": "automatic",
    "trap": "",
    "bindings": [],
    "sessions": 0,
    "waiting": 2,
}
WAITING = {
    "server": "one",
    "destination": STRANGE,
    "recipients": 2,
    "messages": 2,
    "oldest": "2026-11-28T12:00:00+00:00",
    "next": "",
    "attempts": 1,
    "last": STRANGE,
    "held": 2,
}
BAD = {
    "server": "one",
    "name": STRANGE,
    "arrived": "2026-11-28T12:00:00+00:00",
    "size": 1,
    "sender": STRANGE,
    "recipients": [STRANGE],
    "reason": STRANGE,
    "state": "",
}
CHANGE = {
    "time": "2026-11-28T12:00:00+00:00",
    "who": "ann",
    "face": "cli",
    "address": "",
    "operation": "badmail.remove",
    "arguments": {"name": STRANGE},
    "outcome": f"there is no {STRANGE!r}",
}
ROWS: dict[str, Any] = {"queue.destinations": WAITING, "badmail.list": BAD, "audit.list": CHANGE}


def answer(operation: str, _: Mapping[str, object]) -> Any:
    if operation == "server.list":
        return [SERVER]
    return {"rows": [ROWS[operation]], "next": "", "total": 1, "total_exact": True}


@pytest.mark.parametrize("path", ["/servers/one/queue?by=destination", "/servers/one/badmail", "/audit"])
async def test_a_page_shows_rows_that_are_strange(path: str) -> None:
    async with browsing(StandIn(ALL, answer), pages=Pages([router])) as client:
        page = await client.get(path, headers=bearer("admin"))
    assert page.status_code == 200
    assert "?&lt;b&gt;" in page.text
    assert "<b>" not in page.text


@pytest.mark.parametrize("operation", ROWS)
async def test_a_program_is_told_of_them_too(operation: str) -> None:
    async with browsing(StandIn(ALL, answer)) as client:
        told = await client.get("/api/v1/" + operation.replace(".", "/"), headers=bearer("admin"))
    assert told.json()["rows"] == [ROWS[operation]]


@pytest.mark.parametrize(("who", "asked"), [("operator-one", "one"), ("operator-two", "one"), ("viewer", None)])
async def test_Q06_pictures_are_of_a_server_that_one_may_see(who: str, asked: str | None) -> None:
    service = StandIn(ALL, lambda *_: {"counter": "queue", "step": 10, "times": [], "series": []})
    async with browsing(service, pages=Pages([router])) as client:
        assert (await client.get("/pictures/data", headers=bearer(who))).status_code == 200
    assert {arguments.get("server") for _, arguments, _ in service.asked} == {asked}
