"""What members of groups may do at the control socket: each operation with each role, and nothing more."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from mailroot.admin.access.local import allowed_locally
from mailroot.admin.operations import OPERATIONS, Operation, Permission, Scope
from mailroot.mail.by import By, is_by, member_name
from mailroot.mail.faults import Unavailable
from mailroot.policy.operators import NOWHERE, Group, Member, OperatorBook, Right, Role
from mailroot.service.life.dispatch import Dispatch
from mailroot.service.life.localaccess import LocalAccess
from tests.admin.test_permissions import MAY, needed

CAROL, EVE = 1001, 1002
NAMES = {CAROL: "carol", EVE: "eve"}
SERVERS = {"one": "First", "two": "Second", "three": "Third"}
GROUPS = {
    "admin": Group("admins", Right(Role.ADMINISTRATOR)),
    "operator": Group("operators", Right(Role.OPERATOR)),
    "viewer": Group("viewers", Right(Role.VIEWER)),
}
LIMITED = Group("of-one", Right(Role.OPERATOR, ("one",)))
OF_TWO = Group("of-two", Right(Role.OPERATOR, ("one", "two")))
OF_NONE = Group("of-none", Right(Role.OPERATOR, NOWHERE))

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)


@dataclass
class Machine:
    """The machine as far as its groups go: everybody is in `groups`."""

    groups: set[str]
    broken: str = ""

    async def member(self, user: int, book: OperatorBook) -> tuple[str, Member | None]:
        if self.broken:
            raise Unavailable(self.broken)
        return NAMES[user], book.member(NAMES[user], self.groups)


@dataclass
class Local:
    """Asks as the account carol. `asked` is what reached the service, `recorded` what counts as a change."""

    groups: tuple[Group, ...]
    result: Any = "done"
    asked: list[tuple[str, Mapping[str, Any], By]] = field(default_factory=list)
    recorded: list[tuple[str, By, str]] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.machine = Machine({one.name for one in self.groups})
        dispatch = Dispatch({one.name: self._perform(one.name) for one in OPERATIONS}, self._emit, self)
        self.access = LocalAccess(dispatch, self._book, lambda: SERVERS, allowed_locally, self._emit, self.machine)

    async def ask(self, operation: str, **arguments: object) -> dict[str, Any]:
        line = json.dumps({"operation": operation, "arguments": arguments}).encode() + b"\n"
        return await self.access.answer(line, CAROL)

    async def changed(self, operation: str, _arguments: Mapping[str, Any], by: By, outcome: str) -> None:
        self.recorded.append((operation, by, outcome))

    async def _book(self) -> OperatorBook:
        return OperatorBook(groups=self.groups)

    def _perform(self, name: str) -> Any:
        async def perform(arguments: Mapping[str, Any], by: By) -> object:
            self.asked.append((name, arguments, by))
            return self.result

        return perform

    def _emit(self, row: Any, **fields: Any) -> None:
        self.told.append((row.name, fields["who"]))


@each_operation
@pytest.mark.parametrize("role", GROUPS)
async def test_a_member_may_what_the_role_of_the_group_may(operation: Operation, role: str) -> None:
    local = Local((GROUPS[role],))
    answer = await local.ask(operation.name, **needed(operation))
    allowed = operation.permission in MAY[role] and (role == "admin" or not operation.local)
    assert answer["ok"] is allowed
    assert [name for name, _, _ in local.asked] == ([operation.name] if allowed else [])
    if not allowed:
        assert answer["kind"] == "forbidden"
        assert local.told == [("operator_refused", f"carol (group {GROUPS[role].name})")]


@each_operation
async def test_Q06_a_member_of_a_limited_group_reaches_no_other_server(operation: Operation) -> None:
    local = Local((LIMITED,), {"server": "one", "rows": [{"server": "one"}, {"server": "three"}]})
    for more in ({}, {"server": "three"} if operation.scope is Scope.SERVER else {}):
        answer = await local.ask(operation.name, **needed(operation, **more))
        if answer["ok"] and operation.scope is not Scope.OWN:
            assert {"server": "three"} not in answer["result"]["rows"]
    for _, arguments, _ in local.asked:
        assert operation.scope in (Scope.ANSWER, Scope.OWN) or arguments["server"] == "one"


@pytest.mark.parametrize(
    "arguments",
    [
        {"among": ["three"]},
        {"server": ["three"]},
        {"server": {"three": 1}},
        {"server": 3},
        {"server": "one", "among": ["three"]},
    ],
    ids=str,
)
@pytest.mark.parametrize("group", [LIMITED, OF_TWO], ids=lambda group: group.name)
async def test_Q06_arguments_that_no_operation_has_are_refused(group: Group, arguments: dict[str, object]) -> None:
    local = Local((group,), {"rows": []})
    answer = await local.ask("queue.list", **arguments)
    assert (answer["ok"], answer["kind"], local.asked) == (False, "unsound", [])


@each_operation
async def test_whose_servers_were_all_deleted_sees_and_does_nothing(operation: Operation) -> None:
    rows = [{"server": "one", "key": "one"}, {"key": "three"}]
    local = Local((OF_NONE,), rows)
    answer = await local.ask(operation.name, **needed(operation))
    if operation.scope is Scope.OWN:
        return
    assert not answer["ok"] or answer["result"] == []
    assert all(operation.permission is Permission.READ for _ in local.asked)


async def test_nothing_is_done_to_everybody_where_nobody_is_named() -> None:
    local = Local((LIMITED,), {"ended": 1})
    answer = await local.ask("queue.remove")
    assert (answer["ok"], local.asked) == (False, [])
    assert "give a key" in answer["error"]


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.local], ids=lambda one: one.name)
async def test_nobody_but_an_administrator_has_files_written_by_the_services_account(operation: Operation) -> None:
    answer = await Local((GROUPS["operator"],)).ask(operation.name, **needed(operation))
    assert "for administrators" in answer["error"]


async def test_what_is_no_operation_of_the_table_is_refused() -> None:
    for name in ("access.book", "access.claim", "x" * 9000, ""):
        answer = await Local((GROUPS["admin"],)).ask(name)
        assert (answer["ok"], answer["kind"]) == (False, "forbidden")
        assert len(answer["error"]) < 300


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"[]\n", b"x\n", b'{"operation": "status", "arguments": [1]}\n'])
async def test_what_is_no_request_is_refused(line: bytes) -> None:
    assert (await Local((GROUPS["admin"],)).access.answer(line, CAROL))["kind"] == "request"


async def test_the_record_names_the_account_and_the_group() -> None:
    local = Local((GROUPS["operator"],))
    assert (await local.ask("server.pause", server="one"))["ok"]
    ((operation, by, outcome),) = local.recorded
    assert (operation, by, outcome) == ("server.pause", By("carol (group operators)", "cli", ""), "done")
    assert is_by(by.name, "carol")
    assert is_by(by.name, member_name("carol", "operators"))
    assert not is_by(by.name, "car")
    assert not is_by(by.name, "operators")


@pytest.mark.parametrize("end", ["membership", "group", "role"])
async def test_what_ends_a_right_ends_it_at_the_next_request(end: str) -> None:
    local = Local((GROUPS["operator"],))
    assert await local.access.admits(CAROL)
    assert (await local.ask("server.pause", server="one"))["ok"]
    if end == "membership":
        local.machine.groups.clear()
    elif end == "group":
        local.groups = ()
    else:
        local.groups = (Group("operators", Right(Role.VIEWER)),)
    answer = await local.ask("server.pause", server="one")
    assert (answer["ok"], answer["kind"]) == (False, "forbidden")
    assert len(local.asked) == 1
    assert await local.access.admits(CAROL) is (end == "role")


async def test_a_stranger_is_told_once_in_the_event_log() -> None:
    local = Local(())
    assert [await local.access.admits(EVE) for _ in range(9)] == [False] * 9
    assert local.told == [("operator_refused", "eve")]


async def test_where_the_system_cannot_tell_the_groups_nobody_is_let_in() -> None:
    local = Local((GROUPS["admin"],))
    local.machine.broken = "the directory does not answer"
    assert not await local.access.admits(CAROL)
    answer = await local.ask("status")
    assert (answer["ok"], answer["kind"], local.asked) == (False, "unavailable", [])
