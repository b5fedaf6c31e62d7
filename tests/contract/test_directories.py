"""What everything that answers for a directory owes those who ask (`service.resolve.directory.Source`)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from mailroot.edge.dns import DnsResolver
from mailroot.edge.ldap.directory import LdapDirectory
from mailroot.mail.address import Mailbox
from mailroot.routing.directory.entry import Entry, address_key
from mailroot.routing.directory.questions import ByAddress, ByName
from mailroot.service.resolve.directory import Source
from mailroot.settings.ldap import LdapRouting, LdapTls
from mailroot.settings.places import parse_directory_server
from tests.peers.directory import BASE, PEOPLE, group, person, slapd
from tests.service import test_directory as memory

Program = Callable[[str], str]
Opened = Callable[[Program], AbstractAsyncContextManager[Source]]
ANN, STAFF = Mailbox("ann", "local.test"), Mailbox("staff", "local.test")


@contextlib.asynccontextmanager
async def in_memory(_program: Program) -> AsyncIterator[Source]:
    """The one that the tests of the service ask."""
    keys = frozenset({address_key(ANN), "a.smith@local.test"})
    ann = Entry(f"cn=ann,{PEOPLE}", ANN, keys)
    staff = Entry(f"cn=staff,{PEOPLE}", STAFF, frozenset({address_key(STAFF)}), True, (ann.dn,))
    yield memory.Source([ann, staff])


@contextlib.asynccontextmanager
async def by_ldap(program: Program) -> AsyncIterator[Source]:
    """OpenLDAP's slapd."""
    ldif = person("ann", str(ANN), proxyAddresses=["smtp:a.smith@local.test"], userPassword="right")
    with slapd(program, ldif + group("staff", str(STAFF), ["ann"])) as made:
        servers = (parse_directory_server(made.url),)
        routing = LdapRouting(enabled=True, servers=servers, base=BASE, tls=LdapTls.OFF)
        moment = asyncio.get_running_loop().time
        directory = LdapDirectory(routing, DnsResolver([], moment), moment)
        try:
            yield directory
        finally:
            directory.close()


each_directory = pytest.mark.parametrize("opened", [pytest.param(in_memory), pytest.param(by_ldap)])


@each_directory
async def test_an_address_leads_to_its_entry_whatever_its_case_and_to_nobody_else(
    opened: Opened, program: Program
) -> None:
    async with opened(program) as source:
        for name in ("ann", "ANN", "a.smith"):
            found = await source.ask(ByAddress((Mailbox(name, "local.test"),)))
            assert isinstance(found, tuple)
            assert [(one.dn, one.mailbox, one.group) for one in found] == [(f"cn=ann,{PEOPLE}", ANN, False)]
        for name in ("an", "*", "ann)(mail=*", "", "\udcff"):
            assert await source.ask(ByAddress((Mailbox(name, "local.test"),))) == (), name


@each_directory
async def test_several_addresses_are_one_question(opened: Opened, program: Program) -> None:
    async with opened(program) as source:
        found = await source.ask(ByAddress((ANN, STAFF)))
        assert isinstance(found, tuple)
        assert sorted(one.dn for one in found) == [f"cn=ann,{PEOPLE}", f"cn=staff,{PEOPLE}"]


@each_directory
async def test_a_group_has_the_names_of_its_members_and_they_lead_to_them(opened: Opened, program: Program) -> None:
    async with opened(program) as source:
        found = await source.ask(ByAddress((STAFF,)))
        assert isinstance(found, tuple)
        (staff,) = found
        assert (staff.group, staff.members) == (True, (f"cn=ann,{PEOPLE}",))
        member = await source.ask(ByName(staff.members[0]))
        assert isinstance(member, tuple)
        assert member[0].mailbox == ANN
        for name in (f"cn=gone,{PEOPLE}", "no name", "", "dc=elsewhere"):
            assert await source.ask(ByName(name)) == (), name


@each_directory
async def test_it_answers_and_lets_in_who_has_the_password(opened: Opened, program: Program) -> None:
    async with opened(program) as source:
        assert await source.check() == ""
        assert await source.admits(f"cn=ann,{PEOPLE}", "right") is True
        assert await source.admits(f"cn=ann,{PEOPLE}", "wrong") is False
        assert await source.admits(f"cn=gone,{PEOPLE}", "right") is False
