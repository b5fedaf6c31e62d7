"""Every operation for every role, over REST: who may not, is refused before the service hears of it."""

import itertools
from typing import Any

import pytest

from mailroot.admin.operations import OPERATIONS, Kind, Operation, Permission, Scope
from tests.admin.standin import ALL, StandIn, bearer, browsing

P = Permission
# What each family of operations may need. An operation of a new family has to be thought about here first.
FAMILIES: dict[str, set[Permission]] = {
    "status": {P.READ},
    "overview": {P.READ},
    "counters": {P.READ},
    "history": {P.READ},
    "server": {P.READ, P.OPERATE, P.CONFIGURE},
    "service": {P.OPERATE, P.CONFIGURE},
    "session": {P.READ, P.OPERATE},
    "queue": {P.READ, P.OPERATE},
    "message": {P.READ},
    "badmail": {P.READ, P.OPERATE},
    "drop": {P.READ, P.OPERATE},
    "ldap": {P.READ, P.OPERATE},
    "collect": {P.OPERATE},
    "domain": {P.READ, P.CONFIGURE},
    "settings": {P.READ, P.CONFIGURE},
    "config": {P.READ, P.CONFIGURE, P.ADMINISTER},
    "operator": {P.OWN, P.ADMINISTER},
    "token": {P.ADMINISTER},
    "audit": {P.ADMINISTER},
}
MAY = {
    "admin": {P.OWN, P.READ, P.OPERATE, P.CONFIGURE, P.ADMINISTER},
    "operator": {P.OWN, P.READ, P.OPERATE},
    "viewer": {P.OWN, P.READ},
}
LIMITED = {"operator-one": "operator", "viewer-one": "viewer", "operator-two": "operator"}
REMOTE = [operation for operation in OPERATIONS if not operation.local]

each_operation = pytest.mark.parametrize("operation", REMOTE, ids=lambda operation: operation.name)


def needed(operation: Operation, **given: object) -> dict[str, object]:
    """Arguments that are enough."""
    kinds = {Kind.NAME, Kind.DEMANDED, Kind.SECRET, Kind.TABLE}
    whole = {
        one.name: {}
        if one.kind is Kind.TABLE
        else True
        if one.name == "all"
        else "one"
        if one.name == "server"
        else (*one.choices, "x")[0]
        for one in operation.arguments
        if one.kind in kinds or (operation.selective and one.name == "all")
    }
    return {**whole, **given}


async def call(service: StandIn, operation: Operation, who: str, **given: object) -> Any:
    path = "/api/v1/" + "/".join(operation.words)
    arguments = needed(operation, **given)
    async with browsing(service) as client:
        if operation.changes:
            return await client.post(path, json=arguments, headers=bearer(who))
        return await client.get(path, params=arguments, headers=bearer(who))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_each_operation_needs_what_its_family_may_need(operation: Operation) -> None:
    family = operation.words[0]
    assert family in FAMILIES, f"say in this table what operations of {family} may need"
    assert operation.permission in FAMILIES[family]
    assert operation.changes or operation.permission in (P.READ, P.ADMINISTER)


@each_operation
@pytest.mark.parametrize("who", MAY)
async def test_a_role_may_what_it_may(operation: Operation, who: str) -> None:
    service = StandIn(ALL)
    answer = await call(service, operation, who)
    allowed = operation.permission in MAY[who]
    assert answer.status_code == (200 if allowed else 403)
    assert [name for name, _, _ in service.asked] == ([operation.name] if allowed else [])
    assert answer.headers["content-type"] == ("application/json" if allowed else "application/problem+json")


@each_operation
@pytest.mark.parametrize("who", LIMITED)
async def test_Q06_an_operator_of_named_servers_reaches_no_other(operation: Operation, who: str) -> None:
    service = StandIn(ALL, lambda *_: {"server": "one", "rows": [{"server": "one"}, {"server": "three"}]})
    answer = await call(service, operation, who)
    if operation.permission not in MAY[LIMITED[who]] or operation.scope is Scope.SERVICE:
        assert answer.status_code == 403
        assert service.asked == []
        return
    for _, arguments, _ in service.asked:
        assert operation.scope is Scope.ANSWER or arguments.get("server") in ("one", None)
    if answer.status_code == 200 and operation.scope is not Scope.OWN:
        assert {"server": "three"} not in answer.json()["rows"]


@pytest.mark.parametrize("operation", [one for one in REMOTE if one.scope is Scope.SERVER], ids=lambda one: one.name)
@pytest.mark.parametrize(("who", "named"), list(itertools.product(LIMITED, ["three", "Third", "nowhere"])))
async def test_Q06_another_server_that_is_named_is_refused(operation: Operation, who: str, named: str) -> None:
    service = StandIn(ALL)
    answer = await call(service, operation, who, server=named)
    assert answer.status_code == 403
    assert service.asked == []
    assert ("operator_refused", f"token {who}") in service.told


@pytest.mark.parametrize("operation", [one for one in REMOTE if one.scope is Scope.SERVER], ids=lambda one: one.name)
async def test_a_server_of_ones_own_may_be_named_as_people_know_it(operation: Operation) -> None:
    service = StandIn(ALL, lambda *_: {"server": "one"})
    answer = await call(service, operation, "operator-one", server="First")
    if operation.permission in MAY["operator"]:
        assert answer.status_code == 200
        assert service.asked[0][1]["server"] == "one"
    else:
        assert answer.status_code == 403


async def test_Q06_what_is_shown_of_another_server_is_kept_back() -> None:
    service = StandIn(ALL, lambda *_: {"server": "three", "key": "x"})
    (show,) = (one for one in OPERATIONS if one.name == "queue.show")
    assert (await call(service, show, "viewer-one")).status_code == 403
    service.answer = lambda *_: {"key": "x"}  # nobody knows of which
    assert (await call(service, show, "viewer-one")).status_code == 403
    assert (await call(service, show, "viewer")).status_code == 200


def named(name: str) -> Operation:
    return next(one for one in OPERATIONS if one.name == name)


# Answers as the service gives them, which do not say of which virtual server they are.
ANSWERS: dict[str, Any] = {
    "queue.retry": {"recipients": 3, "in_delivery": 0, "next": ""},
    "session.end": {"ended": 2},
    "badmail.remove": {"removed": 1, "next": ""},
    "ldap.flush": {"forgotten": 0},
    "history": {"counter": "queue", "step": 10, "times": [], "series": []},
    "settings.get": {"revision": 1, "rows": [{"path": "servers.one.name", "value": "First"}], "needs_restart": []},
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("who", ["operator-one", "operator-two"])
async def test_Q06_what_was_done_at_a_server_of_ones_own_is_told(name: str, who: str) -> None:
    service = StandIn(ALL, lambda *_: ANSWERS[name])
    given = {"all": True} if name in ("session.end", "badmail.remove") else {}
    answer = await call(service, named(name), who, server="one", **given)
    assert (answer.status_code, answer.json()) == (200, ANSWERS[name])
    assert service.asked[0][1]["server"] == "one"


async def test_Q06_what_waits_for_a_restart_at_another_server_is_kept_back() -> None:
    paths = ["service.workers", "servers.one.home", "servers.three.home"]
    service = StandIn(ALL, lambda *_: {"servers": [{"key": "one"}, {"key": "three"}], "needs_restart": paths})
    answer = await call(service, named("status"), "operator-two")
    assert answer.json() == {"servers": [{"key": "one"}], "needs_restart": ["servers.one.home"]}


@pytest.mark.parametrize("name", ["badmail.list", "drop.list", "drop.folders", "history", "settings.get"])
async def test_Q06_who_has_several_names_one_where_the_answer_is_of_one(name: str) -> None:
    service = StandIn(ALL)
    answer = await call(service, named(name), "operator-two")
    assert (answer.status_code, service.asked) == (403, [])
    assert "three" not in answer.text


@pytest.mark.parametrize("name", ["queue.list", "queue.destinations"])
async def test_Q06_a_list_is_made_of_ones_own_servers_so_that_its_count_tells_of_no_other(name: str) -> None:
    service = StandIn(ALL, lambda *_: {"rows": [], "next": "", "total": 0})
    assert (await call(service, named(name), "operator-two")).status_code == 200
    assert service.asked[0][1]["among"] == ["one", "two"]
    assert (await call(service, named(name), "operator-two", among="three")).status_code == 422


async def test_what_is_cut_to_the_first_of_many_is_cut_of_ones_own_servers() -> None:
    service = StandIn(ALL, lambda *_: {"servers": []})
    for who, among in (("viewer-one", ["one"]), ("operator-two", ["one", "two"])):
        assert (await call(service, named("overview"), who)).status_code == 200
        assert service.asked.pop()[1] == {"among": among}
    assert (await call(service, named("overview"), "viewer")).status_code == 200
    assert service.asked.pop()[1] == {}


@pytest.mark.parametrize("operation", [one for one in REMOTE if one.selective], ids=lambda one: one.name)
@pytest.mark.parametrize("who", ["admin", "operator-one", "operator-two"])
async def test_nothing_is_done_to_everybody_where_nobody_is_named(operation: Operation, who: str) -> None:
    service = StandIn(ALL)
    given = {one.name: "x" for one in operation.arguments if one.kind is Kind.DEMANDED}
    async with browsing(service) as client:
        for more in ({}, {"all": False}, {"sender": ""}, {"after": "one|0|0|"}):
            path = "/api/v1/" + "/".join(operation.words)
            answer = await client.post(path, json={**given, **more}, headers=bearer(who))
            assert answer.status_code == 422
    assert service.asked == []


@each_operation
async def test_nobody_may_anything_without_a_token(operation: Operation) -> None:
    service = StandIn(ALL)
    path = "/api/v1/" + "/".join(operation.words)
    async with browsing(service) as client:
        answer = await (client.post(path, json={}) if operation.changes else client.get(path))
    assert answer.status_code == 401
    assert service.asked == []


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.local], ids=lambda one: one.name)
async def test_what_names_a_folder_of_the_machine_is_not_offered(operation: Operation) -> None:
    async with browsing(StandIn(ALL)) as client:
        for ask in (client.get, client.post):
            assert (await ask("/api/v1/" + "/".join(operation.words), headers=bearer("admin"))).status_code == 404


@pytest.mark.parametrize(("wanted", "code"), [("one", 200), ("three", 403), ("Uno", 200)])
async def test_Q06_a_display_name_that_is_anothers_short_name_leads_to_no_other(
    monkeypatch: pytest.MonkeyPatch, wanted: str, code: int
) -> None:
    monkeypatch.setattr("tests.admin.standin.SERVERS", {"three": "one", "one": "Uno", "two": "three"})
    service = StandIn(ALL, lambda *_: {"server": "one"})
    answer = await call(service, named("server.pause"), "operator-one", server=wanted)
    assert answer.status_code == code
    assert [arguments for _, arguments, _ in service.asked] == ([{"server": "one"}] if code == 200 else [])
