"""Signing in by browser as a member of a group of the machine; and changing the own password there."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mailroot.admin.access.access import Access
from mailroot.admin.application import Pages
from mailroot.admin.console.router import router
from mailroot.admin.operations import BY_NAME
from mailroot.edge.operatorgroups import MachineOperators
from mailroot.mail.by import By
from mailroot.policy.operators import Group, OperatorBook, Right, Role
from tests.admin.standin import ALL, ORIGIN, PASSWORD, KnownMachine, StandIn, browsing
from tests.admin.test_entrance import LIST, PAUSE, csrf, sign_in
from tests.admin.test_permissions import MAY
from tests.edge.test_pam import only_root
from tests.peers.machine import pam_service

ROLES = {"admin": Role.ADMINISTRATOR, "operator": Role.OPERATOR, "viewer": Role.VIEWER}


def group(role: str, *servers: str) -> Group:
    return Group("mailadmins", Right(ROLES[role], servers))


def book(*groups: Group) -> OperatorBook:
    return dataclasses.replace(ALL, groups=groups)


def machine() -> KnownMachine:
    return KnownMachine({"carol": {"mailadmins", "users"}, "ann": {"mailadmins"}})


@pytest.mark.parametrize("role", ROLES)
async def test_a_member_signs_in_by_the_machines_password_and_has_the_role(role: str) -> None:
    service = StandIn(book(group(role)), lambda *_: [])
    async with browsing(service, machine=machine()) as client:
        assert (await sign_in(client, "carol")).headers["location"] == "/"
        right = {"X-CSRF-Token": await csrf(client), "Origin": ORIGIN}
        for operation in ("server.list", "server.pause", "service.restart", "operator.list"):
            path = f"/api/v1/{operation.replace('.', '/')}"
            body = {"server": "one"} if operation == "server.pause" else {}
            row = BY_NAME[operation]
            answer = await (client.post(path, json=body, headers=right) if row.changes else client.get(path))
            assert answer.status_code == (200 if row.permission in MAY[role] else 403)
    assert {by.name for _, _, by in service.asked} == {"carol (group mailadmins)"}
    assert ("operator_signed_in", "carol (group mailadmins)") in service.told


async def test_Q06_a_member_of_a_limited_group_reaches_no_other_server() -> None:
    service = StandIn(book(group("operator", "one")), lambda *_: {"server": "one"})
    async with browsing(service, machine=machine()) as client:
        await sign_in(client, "carol")
        right = {"X-CSRF-Token": await csrf(client), "Origin": ORIGIN}
        assert (await client.post(PAUSE, json={"server": "two"}, headers=right)).status_code == 403
        assert service.asked == []
        assert (await client.post(PAUSE, json={"server": "one"}, headers=right)).status_code == 200


@pytest.mark.parametrize(("name", "password"), [("carol", "wrong"), ("dave", PASSWORD), ("ann", "wrong")])
async def test_nobody_else_is_let_in(name: str, password: str) -> None:
    service, known = StandIn(book(group("admin"))), machine()
    async with browsing(service, machine=known) as client:
        assert "wrong=password" in (await sign_in(client, name, password)).headers["location"]
        assert (await client.get(LIST)).status_code == 401
    assert known.asked == (["carol"] if name == "carol" else []), "only members' passwords are asked about"


async def test_an_operator_comes_before_an_account_of_the_machine_with_his_name() -> None:
    service, known = StandIn(book(group("viewer")), lambda *_: []), machine()
    async with browsing(service, machine=known) as client:
        await sign_in(client, "ann")
        assert (await client.get("/api/v1/operator/list")).status_code == 200
    assert known.asked == []


@pytest.mark.parametrize("end", ["membership", "group"])
async def test_a_session_ends_with_the_membership_and_does_not_come_back(end: str) -> None:
    service, known = StandIn(book(group("viewer")), lambda *_: []), machine()
    async with browsing(service, machine=known) as client:
        await sign_in(client, "carol")
        assert (await client.get(LIST)).status_code == 200
        if end == "membership":
            known.groups["carol"] = {"users"}
        else:
            service.book = ALL
        assert (await client.get(LIST)).status_code == 401
        known.groups["carol"], service.book = {"mailadmins"}, book(group("viewer"))
        assert (await client.get(LIST)).status_code == 401


async def test_a_role_that_changes_counts_at_the_next_request() -> None:
    service = StandIn(book(group("admin")), lambda *_: [])
    async with browsing(service, machine=machine()) as client:
        await sign_in(client, "carol")
        assert (await client.get("/api/v1/operator/list")).status_code == 200
        service.book = book(group("viewer"))
        assert (await client.get("/api/v1/operator/list")).status_code == 403
        assert (await client.get(LIST)).status_code == 200


async def test_Q08_guesses_of_a_members_password_are_limited() -> None:
    known = machine()
    async with browsing(StandIn(book(group("admin"))), machine=known) as client:
        for _ in range(9):
            await sign_in(client, "carol", "wrong")
        assert "wrong=many" in (await sign_in(client, "carol")).headers["location"]
    assert len(known.asked) == 5


async def test_where_pam_cannot_be_asked_nobody_is_let_in_and_the_event_says_why() -> None:
    causes: list[str] = []

    class Told(StandIn):
        async def ask(self, operation: str, arguments: Mapping[str, object], by: By) -> Any:
            causes.append(str(arguments.get("cause", "")))
            return await super().ask(operation, arguments, by)

    known = machine()
    known.broken = "there is no /etc/pam.d/mailroot-admin"
    async with browsing(Told(book(group("admin"))), machine=known) as client:
        answer = await sign_in(client, "carol")
    assert "wrong=password" in answer.headers["location"]
    assert known.broken not in str(answer.headers)
    assert any(known.broken in cause for cause in causes)


async def test_refusals_take_equally_long_where_members_are_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def even(answer: Any, refuses: Any, seconds: float) -> Any:
        found = await answer
        waited.append(seconds if refuses(found) else 0.0)
        return found

    monkeypatch.setattr("mailroot.admin.access.access.even", even)
    async with browsing(StandIn(book(group("admin"))), machine=machine()) as client:
        for name, password in (("carol", "wrong"), ("ann", "wrong"), ("nobody", "x"), ("carol", PASSWORD)):
            await sign_in(client, name, password)
    assert len(waited) == 4


@only_root
async def test_pam_is_asked_by_rules_of_its_own(tmp_path: Path) -> None:
    with pam_service(tmp_path) as rules:
        asked = MachineOperators(rules)
        assert await asked.admits("bob", "sesame") is True
        assert await asked.admits("bob", "wrong") is False
    assert MachineOperators()._service == "mailroot-admin"


# -- the own password


class Renewing(StandIn):
    """A service that changes the password of an operator."""

    async def ask(self, operation: str, arguments: Mapping[str, object], by: By) -> Any:
        if operation == "operator.renew":
            self.asked.append((operation, dict(arguments), by))
            known = self.book.operator(str(arguments["name"]))
            assert known is not None
            self.book = self.book.changed(dataclasses.replace(known, hashed="another"))
            return {"operator": known.name}
        return await super().ask(operation, arguments, by)


async def test_who_changes_his_password_stays_signed_in_here_and_nowhere_else() -> None:
    service = Renewing(ALL, lambda *_: [])
    async with browsing(service, pages=Pages([router])) as client:
        elsewhere = (await sign_in(client, "vic")).cookies["mailroot"]
        client.cookies.clear()
        first = (await sign_in(client, "vic")).cookies["mailroot"]
        access: Access = client._transport.app.state.access  # type: ignore[attr-defined]
        found = access._sessions.find(first)
        assert found is not None
        form = {"csrf": found.csrf, "present": PASSWORD, "password": "a new long one", "again": "a new long one"}
        page = await client.get("/password")
        assert "Present password" in page.text
        answer = await client.post("/password", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        second = answer.cookies["mailroot"]
        assert len({elsewhere, first, second}) == 3
        for secret, code in ((elsewhere, 401), (first, 401), (second, 200)):
            client.cookies.clear()
            client.cookies.set("mailroot", secret)
            assert (await client.get(LIST)).status_code == code
    ((_, arguments, by),) = [one for one in service.asked if one[0] == "operator.renew"]
    assert (arguments["name"], arguments["present"], by.name) == ("vic", PASSWORD, "vic")


async def test_two_new_passwords_that_differ_change_nothing() -> None:
    service = Renewing(ALL, lambda *_: [])
    async with browsing(service, pages=Pages([router])) as client:
        await sign_in(client, "vic")
        form = {"csrf": await csrf(client), "present": PASSWORD, "password": "one long one", "again": "another one"}
        answer = await client.post("/password", data=form)
    assert (answer.status_code, "differ" in answer.text) == (422, True)
    assert "operator.renew" not in [name for name, _, _ in service.asked]


async def test_a_member_has_no_password_here() -> None:
    service = Renewing(book(group("viewer")), lambda *_: [])
    async with browsing(service, machine=machine(), pages=Pages([router])) as client:
        await sign_in(client, "carol")
        assert "kept by this machine" in (await client.get("/password")).text
        form = {"csrf": await csrf(client), "present": PASSWORD, "password": "one long one", "again": "one long one"}
        assert "kept by this machine" in (await client.post("/password", data=form)).text
    assert "operator.renew" not in [name for name, _, _ in service.asked]


async def test_sessions_that_end_meanwhile_are_none() -> None:
    service = Renewing(ALL, lambda *_: [])
    async with browsing(service) as client:
        access: Access = client._transport.app.state.access  # type: ignore[attr-defined]
        assert await access.begin_anew("planted") == ("", "")
