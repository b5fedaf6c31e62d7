"""The world of one worker: builds everything it works with, once. Nothing else builds."""

import asyncio
import itertools
import secrets
import string
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mailroot.edge.clock import LocalClock, utc_now
from mailroot.edge.dns import DnsResolver
from mailroot.edge.folder import Permissions, permissions
from mailroot.edge.logs import Log, open_log
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.sqlitequeue import SqliteQueue
from mailroot.mail.address import Mailbox
from mailroot.mail.events import EVENTS
from mailroot.mail.faults import StoreFailed
from mailroot.mail.pickuplines import Dots as PickupDots
from mailroot.routing.route import DropRoute
from mailroot.service.atwork import Current, Parts, ServerAtWork, Shard
from mailroot.service.badmail import Badmail
from mailroot.service.dispatcher import Carriers, Dispatcher
from mailroot.service.drop import DropCarrier
from mailroot.service.ends import Ends
from mailroot.service.intake import Intake
from mailroot.service.pickedup import receipt
from mailroot.service.pickup import PickupPlaces, PickupRole, PickupRules, PickupWorld
from mailroot.service.remote import RemoteCarrier, Way
from mailroot.service.reports import Identity, Naming, Reporting, StormCap
from mailroot.service.rules import Rules, rules_of
from mailroot.service.sessions import SessionCount, Sessions
from mailroot.service.slots import SharedLimit, sessions_slot
from mailroot.settings.domains import DomainType
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import VirtualServer

_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Run:
    """What is one for the whole worker. `filler` and `run` make names of this run unique."""

    number: int
    counts: SharedCounts
    emit: Log
    pool: ThreadPoolExecutor
    filler: str
    run: str
    count: Callable[[], int]


class World:
    """The virtual servers of one worker. `fail` hears why the process must end and be replaced."""

    def __init__(self, number: int, settings: Settings, counts: SharedCounts, fail: Callable[[str], None]) -> None:
        self._settings = settings
        self._fail = fail
        self._prepared: Mapping[str, Rules] = {}
        self.servers: dict[str, ServerAtWork] = {}
        self.now = utc_now
        self._run = Run(
            number=number,
            counts=counts,
            emit=open_log(settings.service.events, utc_now, f"w{number}"),
            pool=ThreadPoolExecutor(8, "files"),
            filler="".join(secrets.choice(_ALPHABET) for _ in range(19)),
            run=secrets.token_hex(8).upper(),
            count=itertools.count(1).__next__,
        )
        self.emit = self._run.emit

    async def open(self) -> None:
        """Open the queue of every virtual server; none of them works yet. Raises `Fault`."""
        for key in self._settings.servers:
            self.servers[key] = await self._built(key, rules_of(key, self._settings.servers[key]))

    async def prepare(self, settings: Settings) -> None:
        """Make the rules of new settings, without putting them in force."""
        self._settings = settings
        self._prepared = {key: rules_of(key, settings.servers[key]) for key in self.servers}

    async def swap(self) -> None:
        """Put the prepared rules in force."""
        for key, rules in self._prepared.items():
            await self.servers[key].apply(rules, self._remote(rules))
        self._prepared = {}

    async def close(self, patience: float) -> None:
        """End all roles within `patience` seconds, then close what they worked with."""
        await asyncio.gather(*(server.stop(patience) for server in self.servers.values()))
        await asyncio.gather(*(server.close() for server in self.servers.values()))
        self._run.pool.shutdown(wait=False, cancel_futures=True)
        self.emit.close()

    # -- building

    async def _built(self, key: str, rules: Rules) -> ServerAtWork:
        settings, current = rules.settings, Current(rules)
        drop = DropCarrier(
            f"{key}-w{self._run.number}",
            _drop_permissions(settings),
            lambda folder: current.rules.quotas.get(folder, 0),
        )
        await drop.prepare(_drop_folders(rules))
        badmail = Badmail(key, settings.messages.badmail, f"{key}-w{self._run.number}", self.emit)
        ends = Ends(self._reporting(current), badmail, self.emit, self.now, self._store_failed(key))
        carriers = Carriers(drop, self._remote(rules))
        shards = [
            Shard(name, store, Dispatcher(store, lambda: current.rules, carriers, ends))
            for name in self._shard_names(Path(settings.home))
            for store in [await self._store(key, name, settings)]
        ]
        intake = self._intake(key, shards[0], drop)
        prefix = f"{secrets.token_hex(3)}{self._run.number}-"
        sessions = Sessions(rules, intake, self._session_count(key), prefix)
        pickup = self._pickup(current, intake, badmail, shards[0].name) if settings.pickup.enabled else None
        return ServerAtWork(Parts(current, sessions, shards, carriers, badmail, pickup))

    async def _store(self, key: str, shard: str, settings: VirtualServer) -> SqliteQueue:
        def set_aside(entry: str, cause: str) -> None:
            self.emit(EVENTS.store_failed, server=key, shard=shard, cause=f"entry {entry}: {cause}")

        longest = max(settings.delivery.retry_intervals)
        store = await SqliteQueue.open(
            Path(settings.home), shard, now=self.now, longest_wait=longest, set_aside=set_aside
        )
        found = store.found
        self.emit(EVENTS.shard_recovered, server=key, shard=shard, recovered=found.recovered, swept=found.swept)
        return store

    def _shard_names(self, home: Path) -> list[str]:
        """Our own shard first, then our share of those whose workers are no more (design: shards)."""
        number, workers = self._run.number, self._settings.service.workers
        own = f"w{number}"
        found = sorted(path.stem for path in (home / "Queue").glob("*.db"))
        ours = {f"w{each}" for each in range(workers)}
        orphans = [name for name in found if name not in ours]
        return [own, *(name for place, name in enumerate(orphans) if place % workers == number)]

    def _intake(self, key: str, shard: Shard, drop: DropCarrier) -> Intake:
        store = shard.store
        assert isinstance(store, SqliteQueue)
        return Intake(
            key=key,
            store=store,
            create_content=store.create_content,
            dispatcher=shard.dispatcher,
            emit=self.emit,
            now=self.now,
            local_now=LocalClock(),
            over_quota=lambda route: drop.over_quota(route.folder),
            store_failed=self._store_failed(key),
            filler=self._run.filler,
            pool=self._run.pool,
            count=self._run.count,
        )

    def _pickup(self, current: Current, intake: Intake, badmail: Badmail, shard: str) -> Callable[[], PickupRole]:
        home, folder = current.rules.settings.home, current.rules.settings.pickup
        places = PickupPlaces(
            pickup=f"{home}/Pickup",
            claims=f"{home}/SortTemp/pickup-{shard}",
            lock=f"{home}/.pickup.lock",
            permissions=permissions(folder.owner, folder.group, folder.mode),
        )

        def rules() -> PickupRules:
            settings = current.rules.settings
            dots = PickupDots(settings.pickup.dots.value)
            return PickupRules(dots, settings.pickup.rescan, settings.messages.size_limit)

        world = PickupWorld(
            server=intake.key,
            store=intake.store,
            badmail=badmail,
            receive=lambda picked: receipt(current.rules, intake, picked),
            room=intake.room,
            committed=lambda entry, leased: intake.accepted(entry, len(entry.envelope.recipients), leased),
            new_content=intake.create_content,
            emit=self.emit,
            now=self.now,
        )
        return lambda: PickupRole(places, rules, world)

    def _remote(self, rules: Rules) -> RemoteCarrier:
        settings = rules.settings
        resolver = DnsResolver([(server.address, server.port) for server in settings.delivery.dns], time.monotonic)
        bindings = [
            (binding.address, binding.port)
            for server in self._settings.servers.values()
            for binding in server.general.bindings
        ]
        limit = SharedLimit(self._run.counts, self._run.number, self._settings, rules.key)
        return RemoteCarrier(Way(rules.key, settings, resolver, self.emit, bindings, limit))

    def _reporting(self, current: Current) -> Callable[[], Reporting]:
        naming = Naming(self._run.run, self._run.filler, self._run.count)
        cap = StormCap()

        def reporting() -> Reporting:
            rules = current.rules
            copy_to = rules.settings.messages.ndr_copy_to
            identity = Identity(rules.fqdn, rules.domains.default, _mailbox(copy_to))
            return Reporting(identity, naming, cap)

        return reporting

    def _session_count(self, key: str) -> SessionCount:
        counts, number, slot = self._run.counts, self._run.number, sessions_slot(self._settings, key)
        return SessionCount(lambda change: counts.add(number, slot, change), lambda: counts.total(slot))

    def _store_failed(self, key: str) -> Callable[[StoreFailed], None]:
        def failed(fault: StoreFailed) -> None:
            self.emit(EVENTS.store_failed, server=key, shard=f"w{self._run.number}", cause=str(fault))
            self._fail(str(fault))

        return failed


def _drop_permissions(settings: VirtualServer) -> Permissions:
    return permissions(settings.drop.owner, settings.drop.group, settings.drop.mode)


def _drop_folders(rules: Rules) -> list[str]:
    """Every Drop folder of a virtual server."""
    local = (name for name, domain in rules.settings.domains.items() if domain.type is not DomainType.REMOTE)
    routes = (rules.plan.route(name) for name in local)
    return sorted({route.folder for route in routes if isinstance(route, DropRoute)})


def _mailbox(text: str) -> Mailbox | None:
    local, at, domain = text.rpartition("@")
    return Mailbox(local, domain) if at else None
