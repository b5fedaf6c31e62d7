"""Who is in which group of the machine, as the system says."""

import grp
import os
import pwd

import pytest

from mailroot.edge.operatorgroups import MachineOperators, Peers, groups_of, there_is_group
from mailroot.policy.operators import Group, OperatorBook, Right, Role

ROOTS = grp.getgrgid(0).gr_name


def test_an_account_is_in_its_first_group_and_in_those_that_list_it(monkeypatch: pytest.MonkeyPatch) -> None:
    name = pwd.getpwuid(0).pw_name
    assert groups_of(name, [ROOTS, "no-such-group"]) == {ROOTS}
    other = next(one for one in grp.getgrall() if one.gr_gid != 0 and name not in one.gr_mem)
    assert groups_of(name, [other.gr_name]) == frozenset()
    monkeypatch.setattr(os, "getgrouplist", lambda _account, first: [first, other.gr_gid])
    assert groups_of(name, [other.gr_name, ROOTS]) == {other.gr_name, ROOTS}


@pytest.mark.parametrize("account", ["", "no-such-account", "a\0b", "\udcff", "x" * 5000, "0"])
def test_what_is_no_account_is_in_none(account: str) -> None:
    assert groups_of(account, [ROOTS]) == frozenset()


@pytest.mark.parametrize(
    ("name", "known"), [(ROOTS, True), ("no-such-group", False), ("\udcff", False), ("a\0b", False)]
)
def test_a_group_is_known_or_not(name: str, known: bool) -> None:
    assert there_is_group(name) is known


async def test_an_account_is_known_by_its_number() -> None:
    book, peers = OperatorBook(groups=(Group(ROOTS, Right(Role.VIEWER)),)), Peers()
    account, member = await peers.member(0, book)
    assert account == pwd.getpwuid(0).pw_name
    assert member is not None
    assert (member.name, member.group, member.right) == (account, ROOTS, Right(Role.VIEWER))
    assert await peers.member(0, OperatorBook()) == (account, None)
    assert await peers.member(3_999_999_999, book) == ("3999999999", None)
    assert await peers.knows(ROOTS)
    assert not await peers.knows("no-such-group")


async def test_a_member_has_the_right_of_his_group() -> None:
    book, machine = OperatorBook(groups=(Group(ROOTS, Right(Role.VIEWER)),)), MachineOperators()
    member = await machine.member(pwd.getpwuid(0).pw_name, book)
    assert member is not None
    assert (member.group, member.right) == (ROOTS, Right(Role.VIEWER))
    assert await machine.member("no-such-account", book) is None
    assert await machine.member(pwd.getpwuid(0).pw_name, OperatorBook()) is None
