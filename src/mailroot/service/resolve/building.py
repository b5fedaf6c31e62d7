"""Builds the directories of virtual servers, and keeps each while the settings that it comes from are in force."""

import asyncio
import time
from collections.abc import Mapping

from mailroot.edge.dns import DnsResolver
from mailroot.edge.ldap.directory import LdapDirectory
from mailroot.mail.counters.layout import Tally
from mailroot.mail.events import Emit
from mailroot.routing.directory.resolve import Terms, terms_of
from mailroot.service.measure.directorycounts import DirectoryCounts
from mailroot.service.resolve.directory import Directory
from mailroot.settings.access import AccountSource
from mailroot.settings.ldap import LdapRouting
from mailroot.settings.virtualserver import VirtualServer

# Sessions and deliveries that began under the old settings may still ask.
_GRACE = 60.0

_Made = tuple[str, LdapRouting, Terms, tuple[object, ...]]


class Directories:
    """The directories of one worker. What is remembered of answers lasts over changes of other settings."""

    def __init__(self, emit: Emit, tallies: Mapping[str, Tally]) -> None:
        """`tallies` are what the virtual servers count in."""
        self._emit = emit
        self._tallies = tallies
        self._made: dict[_Made, Directory] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def of(self, key: str, settings: VirtualServer) -> Directory | None:
        """The directory of a virtual server; None where nothing asks one."""
        if not _asks(settings):
            return None
        made = _made(key, settings)
        if made not in self._made:
            directory = self._made[made] = built(key, settings, self._emit)
            directory.tally = DirectoryCounts(self._tallies[key])
        return self._made[made]

    def keep(self, settings: Mapping[str, VirtualServer]) -> None:
        """Close those that no virtual server has by these settings any more, after a while."""
        wanted = {_made(key, one) for key, one in settings.items() if _asks(one)}
        for made in [made for made in self._made if made not in wanted]:
            directory = self._made.pop(made)
            task = asyncio.create_task(_retired(directory), name=f"the former directory of {made[0]}")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all of them."""
        for task in list(self._closing):
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        for directory in self._made.values():
            await directory.close()


def _asks(settings: VirtualServer) -> bool:
    return settings.ldap_routing.enabled or settings.access.accounts is AccountSource.LDAP


def _made(key: str, settings: VirtualServer) -> _Made:
    return key, settings.ldap_routing, _terms(settings), tuple(settings.delivery.dns)


def _terms(settings: VirtualServer) -> Terms:
    routing = settings.ldap_routing
    return terms_of(settings.domains, routing.group_limit, routing.refuse_disabled)


def built(key: str, settings: VirtualServer, emit: Emit) -> Directory:
    """A directory by a virtual server's settings."""
    return Directory(key, source_of(settings), _terms(settings), settings.ldap_routing, emit, time.monotonic)


def source_of(settings: VirtualServer) -> LdapDirectory:
    """What answers for the directory."""
    servers = [(server.address, server.port) for server in settings.delivery.dns]
    return LdapDirectory(settings.ldap_routing, DnsResolver(servers, time.monotonic), time.monotonic)


async def _retired(directory: Directory) -> None:
    try:
        await asyncio.sleep(_GRACE)
    finally:
        await directory.close()
