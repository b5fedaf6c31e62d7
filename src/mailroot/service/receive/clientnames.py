"""The search for the names of clients: PTR records, confirmed by the names' own addresses.

One search for each client and purpose, however many sessions wait for it. Not responsible for what names mean
(`policy.access`, `policy.trace`). Answers are kept by the resolver, not here.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any, Protocol

from mailroot.mail.address import domain_key
from mailroot.policy.client import Address, NameFinding, Names
from mailroot.routing.answers import Addresses, Finding, Pointers
from mailroot.settings.places import is_name

# Seconds that a client may be kept waiting for its names.
PATIENCE = 5.0
# Searches under way: each may hold a socket. Others wait, within their own patience.
_MOST = 100
# Of them, those for clients of one network: whoever owns a reverse zone that never answers must leave room for others.
_MOST_OF_A_NETWORK = 20
# An address may have any number of names; so many that are of interest are confirmed.
_CONFIRMED = 10
# What one owner usually has: a /24 or a /48.
_HOST_BITS = {4: 8, 6: 80}


class ReverseResolver(Protocol):
    """Asks the domain name system. Never raises: what went wrong is in the answer."""

    async def pointers(self, address: str) -> Pointers:
        """The names of an address."""

    async def addresses_like(self, name: str, address: str) -> Addresses:
        """The addresses of a host that are of the same family as this one."""

    async def close(self) -> None:
        """End what is still being asked."""


class ClientNames:
    """Searches for names under one revision of the rules. `of_interest`: whether a list could hold a name.

    The futures that it gives end within `PATIENCE` seconds, and are shared: nobody may cancel them.
    """

    def __init__(self, resolver: ReverseResolver, of_interest: Callable[[str], bool] | None) -> None:
        self._resolver = resolver
        self._of_interest = of_interest or _none
        self._searches: dict[tuple[Address, str | None], asyncio.Task[Names]] = {}
        self._room = _Room()

    def listed(self, address: Address) -> asyncio.Future[Names]:
        """The names of a client that the lists could hold."""
        return self._search((address, None), self._of_interest)

    def greeted_as(self, address: Address, hello: str) -> asyncio.Future[Names]:
        """Whether what the client calls itself is a name of its address: it is confirmed then."""
        key = domain_key(hello)
        return self._search((address, key), lambda name: name == key)

    def begin(self, address: Address) -> None:
        """Have the PTR records looked up, for whoever will ask."""
        self._search((address, ""), _none)

    async def close(self) -> None:
        """End all searches."""
        tasks = list(self._searches.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._resolver.close()

    def _search(self, key: tuple[Address, str | None], of_interest: Callable[[str], bool]) -> asyncio.Task[Names]:
        task = self._searches.get(key)
        if task is None:
            search: Coroutine[Any, Any, Names] = self._bounded(key[0], of_interest)
            task = self._searches[key] = asyncio.create_task(search, name=f"names of {key[0]}")
            task.add_done_callback(lambda _: self._searches.pop(key, None))
        return task

    async def _bounded(self, address: Address, of_interest: Callable[[str], bool]) -> Names:
        try:
            async with asyncio.timeout(PATIENCE), self._room.taken(address):
                return await self._found(address, of_interest)
        except TimeoutError:
            return Names(NameFinding.FAILED, detail="time-out")

    async def _found(self, address: Address, of_interest: Callable[[str], bool]) -> Names:
        pointers = await self._resolver.pointers(str(address))
        if pointers.finding is Finding.FAILED:
            return Names(NameFinding.FAILED, detail=pointers.detail)
        claimed = tuple(name for name in pointers.names if is_name(name))
        if not claimed:
            return Names(NameFinding.NO_NAME)
        wanted = [name for name in claimed if of_interest(name)][:_CONFIRMED]
        if not wanted:
            return Names(NameFinding.UNWANTED, claimed=claimed)
        return await self._confirmed(address, claimed, wanted)

    async def _confirmed(self, address: Address, claimed: tuple[str, ...], wanted: list[str]) -> Names:
        confirmed, failure = [], None
        for name in wanted:
            answer = await self._resolver.addresses_like(name, str(address))
            if any(ip_address(text) == address for text in answer.ipv4 + answer.ipv6):
                confirmed.append(name)
            elif answer.finding is Finding.FAILED:
                failure = answer.detail
        if confirmed:
            return Names(NameFinding.CONFIRMED, tuple(confirmed), claimed)
        if failure is not None:
            return Names(NameFinding.FAILED, claimed=claimed, detail=failure)
        return Names(NameFinding.UNCONFIRMED, claimed=tuple(wanted))


def _none(_name: str) -> bool:
    return False


class _Room:
    """How many searches may be under way, in all and for the clients of one network."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(_MOST)
        self._networks: dict[tuple[int, int], asyncio.Semaphore] = {}
        self._users: Counter[tuple[int, int]] = Counter()

    @asynccontextmanager
    async def taken(self, address: Address) -> AsyncIterator[None]:
        """Wait for room, and hold it while the block runs."""
        key = (address.version, int(address) >> _HOST_BITS[address.version])
        network = self._networks.setdefault(key, asyncio.Semaphore(_MOST_OF_A_NETWORK))
        self._users[key] += 1
        try:
            async with network, self._all:
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key], self._networks[key]
