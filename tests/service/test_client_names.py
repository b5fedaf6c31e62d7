"""The search for clients' names: confirmed by forward look-ups, shared, bounded in time and number."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from mailroot.policy.client import NameFinding
from mailroot.routing.answers import Addresses, Finding, Pointers
from mailroot.service.receive import clientnames
from mailroot.service.receive.clientnames import ClientNames
from tests.service.working import until

CLIENT = ip_address("192.0.2.9")


@dataclass
class FakeResolver:
    """Answers from `names` and `hosts`; what is in `silent` is never answered, what is in `failing` fails."""

    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    hosts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)
    waiting: int = 0

    async def pointers(self, address: str) -> Pointers:
        finding = await self._answer(address, self.names)
        return Pointers(finding, self.names.get(address, ()), "SERVFAIL" if finding is Finding.FAILED else "")

    async def addresses_like(self, name: str, address: str) -> Addresses:
        finding = await self._answer(name, self.hosts)
        return Addresses(finding, self.hosts.get(name, ()), detail="SERVFAIL" if finding is Finding.FAILED else "")

    async def _answer(self, name: str, known: dict[str, tuple[str, ...]]) -> Finding:
        self.asked[name] += 1
        if name in self.silent or "*" in self.silent:
            self.waiting += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.waiting -= 1
        await asyncio.sleep(0)
        if name in self.failing:
            return Finding.FAILED
        return Finding.FOUND if name in known else Finding.NO_NAME

    async def close(self) -> None:
        pass


def partner(name: str) -> bool:
    return name.endswith("partner.example")


def searching(resolver: FakeResolver) -> ClientNames:
    return ClientNames(resolver, partner)


async def test_a_name_counts_once_its_own_addresses_include_the_clients() -> None:
    resolver = FakeResolver({"192.0.2.9": ("mail.partner.example",)}, {"mail.partner.example": ("192.0.2.9",)})
    names = await searching(resolver).listed(CLIENT)
    assert (names.finding, names.confirmed) == (NameFinding.CONFIRMED, ("mail.partner.example",))


async def test_a_forged_name_is_not_confirmed() -> None:
    resolver = FakeResolver({"192.0.2.9": ("mail.partner.example",)}, {"mail.partner.example": ("198.51.100.1",)})
    names = await searching(resolver).listed(CLIENT)
    assert (names.finding, names.confirmed) == (NameFinding.UNCONFIRMED, ())
    assert "mail.partner.example" in str(names)


async def test_a_name_without_addresses_is_not_confirmed() -> None:
    resolver = FakeResolver({"192.0.2.9": ("mail.partner.example",)})
    assert (await searching(resolver).listed(CLIENT)).finding is NameFinding.UNCONFIRMED


async def test_ipv6_addresses_are_compared_as_addresses() -> None:
    resolver = FakeResolver({"2001:db8::1": ("mail.partner.example",)}, {"mail.partner.example": ("2001:DB8:0::1",)})
    assert (await searching(resolver).listed(ip_address("2001:db8::1"))).finding is NameFinding.CONFIRMED


async def test_names_of_no_interest_cost_no_question() -> None:
    resolver = FakeResolver({"192.0.2.9": ("a.elsewhere.example", "b.elsewhere.example")})
    names = await searching(resolver).listed(CLIENT)
    assert names.finding is NameFinding.UNWANTED
    assert resolver.asked == {"192.0.2.9": 1}


async def test_of_many_names_the_ones_of_interest_are_found_and_a_bounded_number_is_confirmed() -> None:
    many = (*(f"n{number:02}.elsewhere.example" for number in range(40)), "z.partner.example")
    resolver = FakeResolver({"192.0.2.9": many}, {"z.partner.example": ("192.0.2.9",)})
    assert (await searching(resolver).listed(CLIENT)).confirmed == ("z.partner.example",)
    resolver = FakeResolver({"192.0.2.9": tuple(f"n{number:02}.partner.example" for number in range(50))})
    assert (await searching(resolver).listed(CLIENT)).finding is NameFinding.UNCONFIRMED
    assert len(resolver.asked) == 11


@pytest.mark.parametrize("pointer", ["two words.partner.example", "a\\010b.partner.example", "*.partner.example", "."])
async def test_H13_what_is_no_name_is_no_claim(pointer: str) -> None:
    resolver = FakeResolver({"192.0.2.9": (pointer,)}, {pointer: ("192.0.2.9",)})
    assert (await searching(resolver).listed(CLIENT)).finding is NameFinding.NO_NAME


async def test_no_ptr_record_differs_from_a_look_up_that_failed() -> None:
    assert (await searching(FakeResolver()).listed(CLIENT)).finding is NameFinding.NO_NAME
    failed = await searching(FakeResolver(failing={"192.0.2.9"})).listed(CLIENT)
    assert (failed.failed, failed.detail) == (True, "SERVFAIL")
    resolver = FakeResolver({"192.0.2.9": ("mail.partner.example",)}, failing={"mail.partner.example"})
    assert (await searching(resolver).listed(CLIENT)).failed


async def test_H13_silence_ends_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clientnames, "PATIENCE", 0.05)
    names = await searching(FakeResolver(silent={"*"})).listed(CLIENT)
    assert (names.failed, names.detail) == (True, "time-out")


async def test_one_search_serves_all_sessions_of_a_client() -> None:
    resolver = FakeResolver({"192.0.2.9": ("mail.partner.example",)}, {"mail.partner.example": ("192.0.2.9",)})
    search = searching(resolver)
    assert len({search.listed(CLIENT) for _ in range(50)}) == 1
    await search.listed(CLIENT)
    assert set(resolver.asked.values()) == {1}


async def test_the_name_of_hello_is_looked_for_whatever_the_lists_say() -> None:
    resolver = FakeResolver({"192.0.2.9": ("a.far.example", "b.far.example")}, {"b.far.example": ("192.0.2.9",)})
    search = searching(resolver)
    assert (await search.greeted_as(CLIENT, "B.far.example")).confirmed == ("b.far.example",)
    assert (await search.greeted_as(CLIENT, "c.far.example")).confirmed == ()
    assert (await search.greeted_as(CLIENT, "")).confirmed == ()


async def test_one_network_cannot_take_all_the_room() -> None:
    resolver = FakeResolver({"203.0.113.1": ("x.far.example",)}, silent={f"192.0.2.{host}" for host in range(256)})
    search = searching(resolver)
    stuck = [search.listed(ip_address(f"192.0.2.{host}")) for host in range(200)]
    await until(lambda: resolver.waiting == 20)
    async with asyncio.timeout(60):
        assert (await search.listed(ip_address("203.0.113.1"))).finding is NameFinding.UNWANTED
    assert resolver.waiting == 20
    await search.close()
    assert all(one.cancelled() for one in stuck)
    assert search._room._networks == {}


async def test_so_many_searches_are_under_way_and_no_more() -> None:
    resolver = FakeResolver(silent={"*"})
    search = searching(resolver)
    for number in range(2000):
        search.begin(ip_address(0x0A000000 + (number << 8)))
    await until(lambda: resolver.waiting == 100)
    await asyncio.sleep(0)
    assert resolver.waiting == 100
    await search.close()
