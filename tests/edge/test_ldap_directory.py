"""A directory that stalls, resets, lies and goes: what is asked of it ends, in time, with an answer or a cause."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from mailroot.edge.dns import DnsResolver
from mailroot.edge.ldap.directory import LdapDirectory
from mailroot.mail.address import Mailbox
from mailroot.routing.directory.questions import Answer, ByAddress, ByName, NoAnswer
from mailroot.settings.ldap import LdapRouting, LdapTls
from mailroot.settings.places import parse_directory_server
from tests.peers.dns import Names
from tests.peers.fakeldap import Asked, FakeDirectory, answer, entry, person, result

ANN = ByAddress((Mailbox("ann", "example.test"),))
FOUND = [person("cn=ann", "ann@example.test")]


def asking(*urls: str, wait: int = 1, resolver: DnsResolver | None = None, **more: Any) -> LdapDirectory:
    known: dict[str, Any] = {"base": "dc=x", "tls": LdapTls.OFF, "connections": 2, **more}
    routing = LdapRouting(
        enabled=True,
        servers=tuple(parse_directory_server(url) for url in urls),
        timeout=timedelta(seconds=wait),
        **known,
    )
    return LdapDirectory(
        routing, resolver or DnsResolver([], asyncio.get_running_loop().time), asyncio.get_running_loop().time
    )


def cause(found: Answer) -> str:
    assert isinstance(found, NoAnswer), found
    return found.cause


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


async def test_questions_share_a_connection() -> None:
    async with FakeDirectory(lambda _: FOUND) as fake:
        directory = asking(fake.url)
        answers = await asyncio.gather(*(directory.ask(ANN) for _ in range(10)))
        assert all(isinstance(one, tuple) and str(one[0].mailbox) == "ann@example.test" for one in answers)
        assert fake.connections == 1
        directory.close()
        await until(lambda: fake.open == 0)


async def test_many_questions_open_more_but_never_more_than_allowed() -> None:
    async with FakeDirectory(lambda _: FOUND) as fake:
        directory = asking(fake.url)
        for _ in range(5):
            await asyncio.gather(*(directory.ask(ANN) for _ in range(300)))
        assert fake.connections == 2
        directory.close()


async def test_N04_silence_ends_in_time_and_the_line_is_left() -> None:
    async with FakeDirectory(lambda _: None) as fake:
        directory = asking(fake.url)
        found = await asyncio.gather(*(directory.ask(ANN) for _ in range(3)))
        assert all("did not answer in time" in cause(one) for one in found)
        await until(lambda: fake.open == 0)
        directory.close()


async def test_N04_the_next_server_stands_in_and_the_first_is_gone_back_to() -> None:
    async with FakeDirectory(lambda _: FOUND) as first, FakeDirectory(lambda _: FOUND) as second:
        directory = asking(first.url, second.url)
        assert await directory.ask(ANN)
        assert (first.connections, second.connections) == (1, 0)
        await first.leave()
        assert isinstance(await directory.ask(ANN), tuple)
        assert second.connections == 1
        directory.close()


async def test_a_server_that_refuses_us_is_passed_over() -> None:
    async with FakeDirectory(lambda _: FOUND, refuse=49) as first, FakeDirectory(lambda _: FOUND) as second:
        directory = asking(first.url, second.url)
        assert isinstance(await directory.ask(ANN), tuple)
        directory.close()
        alone = asking(first.url)
        assert "does not take the user name or the password" in cause(await alone.ask(ANN))
        assert await alone.check()
        alone.close()


async def test_a_connection_that_was_ended_while_idle_costs_nothing() -> None:
    async with FakeDirectory(lambda _: FOUND) as fake:
        directory = asking(fake.url)
        for turn in range(1, 4):
            assert isinstance(await directory.ask(ANN), tuple)
            assert fake.connections == turn
            fake.reset()
            await until(lambda: fake.open == 0)
        directory.close()


async def test_a_reset_under_a_question_is_no_answer_at_last() -> None:
    def die(_: Asked) -> None:
        fake.reset()

    async with FakeDirectory(die) as fake:
        directory = asking(fake.url)
        assert "dropped" in cause(await directory.ask(ANN))
        assert fake.connections == 3
        directory.close()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (lambda number: b"HTTP/1.1 400 Bad Request\r\n", "does not speak LDAP"),
        (lambda number: b"\x30\x84\x7f\xff\xff\xff", "are taken"),
        (lambda number: answer(number, b"\x64\x03abc"), "does not speak LDAP"),
        (lambda number: answer(0, result(0x78, 52, "going down")), "said goodbye: going down"),
        (lambda number: answer(number, result(0x65, 10, "", b"\xa3\x08\x04\x06ldap:/")), "referrals are not followed"),
        (lambda number: answer(number, result(0x65, 1, "bind first")), "result 1): bind first"),
        (lambda number: answer(number, result(0x65, 32)), "no dc=x to search in"),
        (lambda number: answer(number, result(0x65, 50)), "may not read dc=x"),
        (lambda number: answer(number, result(0x65, 51)), "did not answer"),
        (lambda number: b"".join(answer(number, entry(f"cn={one}", {})) for one in range(2000)), "more than was asked"),
    ],
)
async def test_N04_nonsense_is_no_answer(said: Callable[[int], bytes], words: str) -> None:
    async with FakeDirectory(lambda _: said) as fake:
        directory = asking(fake.url)
        assert words in cause(await directory.ask(ANN))
        directory.close()


async def test_N04_a_million_results_are_not_waited_for() -> None:
    def flood(number: int) -> bytes:
        return answer(number, entry("cn=one", {"mail": [b"x" * 1000]})) * 5000

    async with FakeDirectory(lambda _: flood) as fake:
        directory = asking(fake.url, wait=5)
        assert "more than was asked for" in cause(await directory.ask(ANN))
        directory.close()


async def test_parts_of_the_answer_that_are_elsewhere_are_left_out() -> None:
    def said(number: int) -> bytes:
        elsewhere = answer(number, b"\x73\x10\x04\x0eldap://other/x")
        return (
            elsewhere
            + answer(number, entry("cn=ann", {"mail": [b"ann@example.test"]}))
            + elsewhere
            + answer(number, result(0x65))
        )

    async with FakeDirectory(lambda _: said) as fake:
        directory = asking(fake.url)
        found = await directory.ask(ANN)
        assert isinstance(found, tuple)
        assert len(found) == 1
        assert fake.connections == 1
        directory.close()


@pytest.mark.parametrize("code", [10, 32, 34])
async def test_a_name_that_leads_nowhere_is_nobody(code: int) -> None:
    async with FakeDirectory(lambda _: lambda number: answer(number, result(0x65, code))) as fake:
        directory = asking(fake.url)
        assert await directory.ask(ByName("cn=gone,dc=x")) == ()
        directory.close()


async def test_members_that_come_in_ranges_are_read_to_the_end() -> None:
    members = [f"cn=m{number}".encode() for number in range(3700)]

    def find(asked: Asked) -> list[tuple[str, dict[str, Any]]]:
        ranged = [name for name in asked.attributes if ";range=" in name]
        start = int(ranged[0].partition("=")[2].partition("-")[0]) if ranged else 0
        end = start + 1500
        last = "*" if end >= len(members) else str(end - 1)
        return [("cn=g", {"objectClass": [b"group"], f"member;range={start}-{last}": members[start:end]})]

    async with FakeDirectory(find) as fake:
        directory = asking(fake.url)
        found = await directory.ask(ANN)
        assert isinstance(found, tuple)
        assert found[0].members == tuple(one.decode() for one in members)
        assert len(fake.searches) == 3
        directory.close()


async def test_without_a_base_the_directory_is_asked_for_its_own() -> None:
    def find(asked: Asked) -> list[tuple[str, dict[str, Any]]]:
        return FOUND if asked.base == "dc=own" else [("", {"defaultNamingContext": [b"dc=own"]})]

    async with FakeDirectory(find) as fake:
        directory = asking(fake.url, base="")
        assert isinstance(await directory.ask(ANN), tuple)
        assert [one.base for one in fake.searches] == ["", "dc=own"]
        directory.close()


async def test_a_directory_that_tells_no_base_says_what_to_do() -> None:
    async with FakeDirectory(lambda _: []) as fake:
        directory = asking(fake.url, base="")
        assert "write ldap_routing.base" in cause(await directory.ask(ANN))
        directory.close()


async def test_StartTLS_that_is_not_offered_is_never_gone_without() -> None:
    async with FakeDirectory(lambda _: FOUND) as fake:
        directory = asking(fake.url, tls=LdapTls.VERIFY)
        assert "does not offer StartTLS" in cause(await directory.ask(ANN))
        assert not fake.binds
        directory.close()


async def test_the_servers_are_found_by_DNS_in_their_order() -> None:
    async with FakeDirectory(lambda _: FOUND) as first, FakeDirectory(lambda _: FOUND) as second:
        zone = {
            ("_ldap._tcp.dc._msdcs.corp.example", "SRV"): [
                f"20 0 {second.port} dc2.corp.example.",
                f"10 0 {first.port} dc1.corp.example.",
            ],
            ("dc1.corp.example", "A"): ["127.0.0.1"],
            ("dc2.corp.example", "A"): ["127.0.0.1"],
        }
        async with Names(zone) as names:
            resolver = DnsResolver([("127.0.0.1", names.port)], asyncio.get_running_loop().time)
            directory = asking(resolver=resolver, domain="corp.example")
            assert isinstance(await directory.ask(ANN), tuple)
            assert (first.connections, second.connections) == (1, 0)
            await first.leave()
            assert isinstance(await directory.ask(ANN), tuple)
            directory.close()
            nowhere = asking(resolver=resolver, domain="nowhere.example")
            assert "DNS names no directory for nowhere.example" in cause(await nowhere.ask(ANN))
            nowhere.close()


async def test_a_password_is_asked_for_on_a_connection_of_its_own() -> None:
    async with FakeDirectory(lambda _: FOUND) as fake:
        directory = asking(fake.url)
        await directory.ask(ANN)
        assert await directory.admits("cn=ann", "right") is True
        fake.refuse = 49
        assert await directory.admits("cn=ann", "wrong") is False
        assert await directory.admits("cn=ann", "") is False
        assert fake.binds == ["", "cn=ann", "cn=ann"]
        assert isinstance(await directory.ask(ANN), tuple)  # still as who we are
        directory.close()
