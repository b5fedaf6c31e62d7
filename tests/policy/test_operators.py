"""Operators, groups and tokens as values: what a member of groups may, and what is left when a server is deleted."""

import itertools
import json

import pytest

from mailroot.mail.faults import Conflict, Misconfigured, Missing
from mailroot.policy.operators import (
    NOWHERE,
    Group,
    Operator,
    OperatorBook,
    Right,
    Role,
    book_text,
    read_book,
)

ADMINS = Group("mailadmins", Right(Role.ADMINISTRATOR))
ONE = Group("one-operators", Right(Role.OPERATOR, ("one",)))
TWO = Group("two-operators", Right(Role.OPERATOR, ("two", "one")))
ALL_SERVERS = Group("operators", Right(Role.OPERATOR))
VIEWERS = Group("EXAMPLE\\domain users", Right(Role.VIEWER))
BOOK = OperatorBook(groups=(VIEWERS, ADMINS, ONE, TWO, ALL_SERVERS))


def test_who_is_in_no_group_is_nobody() -> None:
    assert BOOK.member("carol", ()) is None
    assert BOOK.member("carol", {"users", "mailadmin"}) is None


@pytest.mark.parametrize(
    ("groups", "right", "named"),
    [
        ({VIEWERS.name}, Right(Role.VIEWER), VIEWERS.name),
        ({ONE.name}, Right(Role.OPERATOR, ("one",)), ONE.name),
        ({ONE.name, TWO.name}, Right(Role.OPERATOR, ("one", "two")), f"{ONE.name}, {TWO.name}"),
        ({ONE.name, ALL_SERVERS.name}, Right(Role.OPERATOR), f"{ONE.name}, {ALL_SERVERS.name}"),
        ({ONE.name, VIEWERS.name}, Right(Role.OPERATOR, ("one",)), ONE.name),
        ({ONE.name, VIEWERS.name, ADMINS.name}, Right(Role.ADMINISTRATOR), ADMINS.name),
    ],
)
def test_the_greatest_role_counts_at_all_of_its_servers(groups: set[str], right: Right, named: str) -> None:
    member = BOOK.member("carol", groups)
    assert member is not None
    assert (member.right, member.group) == (right, named)


def test_a_group_is_kept_and_read_again() -> None:
    assert read_book(book_text(BOOK)) == BOOK


def test_a_book_without_groups_is_one_that_older_versions_read() -> None:
    assert json.loads(book_text(OperatorBook()))["format"] == 1
    assert json.loads(book_text(BOOK))["format"] == 2


@pytest.mark.parametrize("name", ["", " x", "x ", "a:b", "a,b", "a\nb", "a\tb", "x" * 129])
def test_what_is_no_name_of_a_group_is_refused(name: str) -> None:
    with pytest.raises(Misconfigured, match="no name of a group"):
        OperatorBook().added(Group(name, Right(Role.VIEWER)))


def test_a_group_is_changed_and_removed_like_an_operator() -> None:
    book = BOOK.changed(Group(ADMINS.name, Right(Role.VIEWER))).without(Group, ONE.name)
    assert book.member("carol", {ADMINS.name, ONE.name}).right == Right(Role.VIEWER)  # type: ignore[union-attr]
    with pytest.raises(Conflict, match="already"):
        BOOK.added(ADMINS)
    with pytest.raises(Missing, match="no group 'x'"):
        BOOK.changed(Group("x", Right(Role.VIEWER)))
    with pytest.raises(Missing, match="no group 'x'"):
        BOOK.without(Group, "x")


def test_groups_of_administrators_make_no_first_administrator() -> None:
    assert OperatorBook(groups=(ADMINS,)).unclaimed


# -- virtual servers that are deleted


def test_a_deleted_server_leaves_every_right() -> None:
    left = BOOK.at({"two", "three"})
    assert [one.right.servers for one in left.groups if one.right.servers] == [NOWHERE, ("two",)]
    assert BOOK.at({"one", "two"}) == BOOK
    assert not BOOK.lost({"one", "two"})
    assert [(one.name, right.servers) for one, right in BOOK.lost({"two"})] == [
        (ONE.name, NOWHERE),
        (TWO.name, ("two",)),
    ]


def test_who_is_of_a_deleted_server_alone_never_becomes_one_of_all() -> None:
    alone = OperatorBook((Operator("bob", Right(Role.OPERATOR, ("one",)), "x"),)).at({"two"})
    again = alone.at({"one", "two"})  # a new one of that name
    for book in (alone, again, read_book(book_text(again))):
        (bob,) = book.operators
        assert bob.right.nowhere
        assert bob.right.servers == NOWHERE


@pytest.mark.parametrize("servers", list(itertools.permutations([NOWHERE, ("one",)])))
def test_a_group_of_nowhere_adds_nothing(servers: tuple[tuple[str, ...], ...]) -> None:
    book = OperatorBook(groups=tuple(Group(str(n), Right(Role.VIEWER, one)) for n, one in enumerate(servers)))
    assert book.member("carol", {"0", "1"}).right == Right(Role.VIEWER, ("one",))  # type: ignore[union-attr]
    assert book.member("carol", {str(servers.index(NOWHERE))}).right.nowhere  # type: ignore[union-attr]
