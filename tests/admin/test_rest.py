"""REST: what is understood, what is answered, and what a client may not take."""

import json
from typing import Any

import pytest

from mailroot.admin.limits import MOST_OCTETS
from mailroot.admin.openapi import document
from mailroot.admin.operations import OPERATIONS, Kind
from mailroot.edge.control import Refused
from mailroot.mail.faults import Unavailable
from tests.admin.standin import ALL, StandIn, bearer, browsing

WHO = bearer("admin")
LIST = "/api/v1/queue/list"
REMOVE = "/api/v1/queue/remove"


async def test_arguments_reach_the_service_as_they_are() -> None:
    service = StandIn(ALL)
    async with browsing(service) as client:
        query = {"domain": "*.example.com", "frozen": "true", "held": "false", "limit": "5", "after": "a:1"}
        await client.get(LIST, params=query, headers=WHO)
        await client.post(REMOVE, json={"sender": "<>", "all": False, "frozen": True}, headers=WHO)
    listing, removal = service.asked
    assert listing[1] == {"domain": "*.example.com", "frozen": True, "limit": "5", "after": "a:1"}
    assert removal[1] == {"sender": "<>", "frozen": True}
    assert listing[2].name == "token admin"
    assert listing[2].face == "rest"
    assert listing[2].address == "192.0.2.1"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"\xff", 400),
        (b"[" * 100_000, 400),
        (b'{"sender": ' + b"[" * 33 + b"]" * 33 + b"}", 400),
        (b'{"sender": "\\udcff"}', 400),
        (b'{"sender": NaN}', 400),
        (b'{"sender": 1e999}', 400),
        (b'{"nothing": 1}', 422),
        (b'{"key": 1}', 422),
        (b'{"all": "perhaps"}', 422),
        (b'{"sender": {"a": 1}}', 422),
        (b'{"sender": "' + b"x" * 1_100 + b'"}', 422),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_body_that_is_none_is_refused(body: bytes, code: int) -> None:
    service = StandIn(ALL)
    async with browsing(service) as client:
        answer = await client.post(REMOVE, content=body, headers={**WHO, "Content-Type": "application/json"})
    assert answer.status_code == code
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert service.asked == []


async def test_each_argument_at_fault_has_a_row() -> None:
    async with browsing(StandIn(ALL)) as client:
        answer = await client.post("/api/v1/token/create", json={"role": 1, "other": "x"}, headers=WHO)
    assert answer.status_code == 422
    assert {row["path"] for row in answer.json()["problems"]} == {"name", "role", "other"}


async def test_arguments_of_a_change_in_the_address_are_refused_and_so_is_another_kind_of_body() -> None:
    service = StandIn(ALL)
    async with browsing(service) as client:
        assert (await client.post(f"{REMOVE}?all=true", headers=WHO)).status_code == 400
        assert (await client.post(REMOVE, data={"all": "true"}, headers=WHO)).status_code == 415
        assert (await client.get(f"{LIST}?key=a&key=b", headers=WHO)).status_code == 400
    assert service.asked == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Refused("x", "missing"), 404),
        (Refused("x", "unknown"), 404),
        (Refused("x", "conflict"), 409),
        (Refused("x", "unsound"), 422),
        (Refused("x", "request"), 400),
        (Refused("x", "mistake"), 500),
        (Unavailable("x"), 503),
    ],
    ids=lambda value: getattr(value, "kind", str(value)),
)
async def test_what_the_service_refuses_has_its_status(fault: Exception, code: int) -> None:
    def refuse(*_: object) -> Any:
        raise fault

    async with browsing(StandIn(ALL, refuse)) as client:
        answer = await client.get(LIST, headers=WHO)
    assert answer.status_code == code
    assert answer.json()["detail"] == "x"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_problems_travel_as_rows() -> None:
    row = {"path": "servers.one.general.bindings", "wrong": "taken by Second", "mend": "another port"}

    def refuse(*_: object) -> Any:
        raise Refused("taken", "unsound", [row])

    async with browsing(StandIn(ALL, refuse)) as client:
        assert (await client.get(LIST, headers=WHO)).json()["problems"] == [row]


async def test_a_mistake_of_ours_says_no_more_than_that() -> None:
    def fail(*_: object) -> Any:
        raise RuntimeError("a secret of the inside")

    async with browsing(StandIn(ALL, fail)) as client:
        answer = await client.get(LIST, headers=WHO)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_body_that_is_too_long_is_refused_whether_it_says_so_or_not() -> None:
    async def pieces() -> Any:
        for _ in range(40):
            yield b"x" * 65_536

    service, kind = StandIn(ALL), {"Content-Type": "application/json"}
    async with browsing(service) as client:
        for content in (b"x" * (MOST_OCTETS + 1), pieces()):
            answer = await client.post(REMOVE, content=content, headers={**WHO, **kind})
            assert answer.status_code == 413
        assert (await client.post("/login", content=b"x" * (MOST_OCTETS + 1))).status_code == 413
    assert service.asked == []


@pytest.mark.parametrize("path", ["/health", "/api/v1/openapi.json", LIST, "/nothing", REMOVE, "/api/v1/nothing"])
async def test_every_answer_has_the_strict_headers(path: str) -> None:
    async with browsing(StandIn(ALL)) as client:
        answer = await client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert "server" not in answer.headers


async def test_health_and_the_description_are_for_everybody() -> None:
    async with browsing(StandIn(ALL)) as client:
        assert (await client.get("/health")).json() == {"status": "ok"}
        assert (await client.get("/api/v1/openapi.json")).json()["openapi"] == "3.1.0"


def test_every_operation_is_described() -> None:
    whole = document()
    json.dumps(whole)
    for operation in OPERATIONS:
        path = whole["paths"].get("/" + "/".join(operation.words))
        if operation.local:
            assert path is None
            continue
        described = path["post" if operation.changes else "get"]
        assert described["summary"] == operation.sentence
        assert described["x-permission"] == operation.permission.value
        if operation.changes:
            content = described["requestBody"]["content"]["application/json"]["schema"]
            names, secrets = (
                set(content["properties"]),
                {n for n, v in content["properties"].items() if "writeOnly" in v},
            )
        else:
            names, secrets = {one["name"] for one in described["parameters"]}, set()
        assert names >= {argument.name for argument in operation.arguments}
        assert secrets == {argument.name for argument in operation.arguments if argument.kind is Kind.SECRET}
