"""The world of one worker: builds everything it works with, once. Nothing else builds."""

import asyncio
import itertools
import secrets
import string
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailroot.edge.clock import LocalClock, utc_now
from mailroot.edge.dns import DnsResolver
from mailroot.edge.files.folder import Permissions, check_folder, permissions
from mailroot.edge.kerberos.client import client_context
from mailroot.edge.process import most_descriptors
from mailroot.edge.sharedboard import SharedBoard
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.sqlite.queue import SqliteQueue
from mailroot.edge.tls.contexts import ServerTls
from mailroot.edge.tokenrequest import request_token
from mailroot.edge.tokens import Tokens
from mailroot.mail.address import Mailbox
from mailroot.mail.counters.layout import SLOTS, Tally
from mailroot.mail.events import EVENTS
from mailroot.mail.fanout import Fanout
from mailroot.mail.faults import StoreFailed
from mailroot.policy.access import names_of_interest
from mailroot.routing.route import DropRoute
from mailroot.service.deliver.carriers import Carriers
from mailroot.service.deliver.dispatcher import Dispatcher
from mailroot.service.deliver.drop import DropCarrier
from mailroot.service.deliver.probation import Probation
from mailroot.service.held.collecting import Collector
from mailroot.service.held.household import Household
from mailroot.service.intake import Intake
from mailroot.service.life.atwork import Current, Parts, ServerAtWork, Shard, drop_permissions
from mailroot.service.life.daycounts import DayCounts, turns_of
from mailroot.service.life.protocollogs import ProtocolLogs
from mailroot.service.life.slots import SharedLimit, guesses_slot, sessions_slot
from mailroot.service.life.telling import telling
from mailroot.service.measure.latest import LatestRefusals
from mailroot.service.measure.looks import Looks
from mailroot.service.measure.notes import NoteWriter
from mailroot.service.measure.past import past_of
from mailroot.service.measure.progress import Progress
from mailroot.service.pickup.pickedup import by_pickup, receipt
from mailroot.service.pickup.pickup import PickupPlaces, PickupRole, PickupRules, PickupWorld
from mailroot.service.receive.clientnames import ClientNames
from mailroot.service.receive.entrances import Entrances
from mailroot.service.receive.securing import Handshakes, Securing
from mailroot.service.receive.sessions import SessionCount, Sessions
from mailroot.service.relay.remote import RemoteCarrier, Way
from mailroot.service.relay.signin import Wallet
from mailroot.service.relay.signing import Signer
from mailroot.service.report.badmail import Badmail
from mailroot.service.report.ends import Ends
from mailroot.service.report.reports import Identity, Naming, Reporting, StormCap
from mailroot.service.resolve.building import Directories
from mailroot.service.resolve.entries import resolver_of
from mailroot.service.rules import Rules, rules_of
from mailroot.settings.domains import DomainType
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import VirtualServer

# Seconds for one question about a client's name; and how long an answer may give a right, whatever its TTL says.
_NAME_LIFETIME, _LONGEST_NAME = 5.0, 3600.0
# Seconds in which a protocol log's database may take what waits, when all others have taken their time to end.
_LEAST_FAREWELL = 0.5
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Shared:
    """The memory that all processes of the service share."""

    counts: SharedCounts
    board: SharedBoard


@dataclass(frozen=True, slots=True)
class Run:
    """What is one for the whole worker. `filler` and `run` make names of this run unique."""

    number: int
    counts: SharedCounts
    emit: Fanout
    pool: ThreadPoolExecutor
    filler: str
    run: str
    count: Callable[[], int]
    most_sessions: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """New settings, and the rules that they make, before they are in force."""

    settings: Settings
    rules: Mapping[str, Rules]


class World:
    """The virtual servers of one worker. `fail` hears why the process must end and be replaced."""

    def __init__(
        self,
        number: int,
        settings: Settings,
        shared: Shared,
        tls: Mapping[str, ServerTls],
        fail: Callable[[str], None],
        ask: Callable[..., Awaitable[Any]],
    ) -> None:
        self.number = number
        self._settings = settings
        self._handshakes = Handshakes()
        self.tls = tls
        self._fail = fail
        self._prepared: Prepared | None = None
        self.servers: dict[str, ServerAtWork] = {}
        self.now = utc_now
        self.refusals = LatestRefusals()
        self._probation = Probation()
        counts, self._tallies = shared.counts, shared.board.tallies(number)
        self._run = Run(
            number=number,
            counts=counts,
            emit=telling(settings, f"w{number}", self._tallies, self.refusals),
            pool=ThreadPoolExecutor(8, "files"),
            filler="".join(secrets.choice(_ALPHABET) for _ in range(19)),
            run=secrets.token_hex(8).upper(),
            count=itertools.count(1).__next__,
            most_sessions=most_descriptors() * 3 // 4,  # the rest is for files and outgoing connections
        )
        self.emit = self._run.emit
        self.household = Household(number, counts.workers, self.emit, ask)
        self._directories = Directories(self.emit, self._tallies)
        self._logs = ProtocolLogs(settings, self._run.filler, self.emit)
        self._entrances = Entrances(settings.service.run_as, counts, number, guesses_slot(settings), self.emit)
        self._day_counts = DayCounts(settings, turns_of(settings, counts, number), self._run.pool, self.emit)
        self.looks = Looks(self.servers, utc_now)
        self._notes = NoteWriter(shared.board, number, self.servers, self.looks, utc_now)
        self._past = past_of(settings, shared.counts, shared.board, self._run.pool) if number == 0 else None
        self._wallet = Wallet(Tokens(request_token, time.monotonic, self._token_failed), client_context, utc_now)

    async def open(self) -> None:
        """Open the queue of every virtual server; none of them works yet. Raises `Fault`."""
        self._logs.check(self._settings)
        await self._logs.apply(self._settings)
        for key in self._settings.servers:
            rules = self._rules(key, self._settings.servers[key])
            self.servers[key] = await self._built(key, rules)
            self.household.follow(rules)
        self._notes.start()
        if self._past is not None:
            self._past.start()
        if self.number == 0:
            self._day_counts.start()

    @property
    def patience(self) -> float:
        """How long an end in good order may take, in seconds."""
        return self._settings.service.shutdown_timeout.total_seconds()

    async def prepare(self, settings: Settings) -> None:
        """Make what new settings need, without putting them in force. Raises `Fault` where a folder cannot be used."""
        rules = {key: self._rules(key, settings.servers[key]) for key in self.servers}
        self._logs.check(settings)
        for one in rules.values():
            await self._check_folders(one)
        self._prepared = Prepared(settings, rules)

    def forget(self) -> None:
        """The prepared settings will not come."""
        self._prepared = None

    async def swap(self, settings: Settings) -> None:
        """Put settings in force; a worker that was born after they were prepared prepares them now."""
        if self._prepared is None or self._prepared.settings.revision != settings.revision:
            await self.prepare(settings)
        assert self._prepared is not None
        rules, self._prepared = self._prepared.rules, None
        rebound = _bindings(self._settings) != _bindings(settings)
        self._settings = settings
        await self._logs.apply(settings)
        for key, server in self.servers.items():
            if rebound or rules[key].settings != server.parts.current.rules.settings:
                server.apply(rules[key], self._remote(rules[key]))
                self.household.follow(rules[key])
        self._directories.keep(settings.servers)

    async def _check_folders(self, rules: Rules) -> None:
        """Make the folders that settings name, and see whether we may write there."""
        settings, loop = rules.settings, asyncio.get_running_loop()
        wanted = [(folder, drop_permissions(settings)) for folder in _drop_folders(rules)]
        for folder, given in [*wanted, (settings.messages.badmail, Permissions())]:
            await loop.run_in_executor(self._run.pool, check_folder, folder, given)

    async def close(self, patience: float) -> None:
        """End all roles within `patience` seconds, then close what they worked with."""
        until = time.monotonic() + patience
        await asyncio.gather(*(server.stop(patience) for server in self.servers.values()))
        await self._notes.stop()
        if self._past is not None:
            await self._past.stop()
        await self._day_counts.stop()
        await asyncio.gather(*(server.close() for server in self.servers.values()))
        self._run.pool.shutdown(wait=False, cancel_futures=True)
        await self._entrances.close()
        await self._directories.close()
        # It tells of losses, and is through before the supervisor loses its patience.
        await self._logs.close(max(until - time.monotonic(), _LEAST_FAREWELL))
        self.emit.close()

    # -- building

    def _rules(self, key: str, settings: VirtualServer) -> Rules:
        directory = self._directories.of(key, settings)
        entrance = self._entrances.of(key, settings, directory)
        resolving = directory if settings.ldap_routing.enabled else None
        rules = rules_of(key, settings, _client_names(settings, self._tallies[key]), entrance, resolving)
        return self.household.governed(rules)

    async def _built(self, key: str, rules: Rules) -> ServerAtWork:
        settings, current = rules.settings, Current(rules)
        await self._check_folders(rules)
        writer = f"{key}-w{self._run.number}"
        progress = Progress(self._tallies[key])
        quota = lambda folder: current.rules.quotas.get(folder, 0)  # noqa: E731 - a name for an argument
        drop = DropCarrier(writer, drop_permissions(settings), quota, progress)
        await drop.prepare(_drop_folders(rules))
        badmail = Badmail(key, settings.messages.badmail, writer, self.emit)
        ends = Ends(self._reporting(current), badmail, self.emit, self.now, self._store_failed(key), progress)
        carriers = Carriers(drop, self._remote(rules), resolver_of(rules, self.emit))
        shards = [
            Shard(name, store, Dispatcher(store, lambda: current.rules, carriers, ends, self._probation))
            for name in self._shard_names(Path(settings.home))
            for store in [await self._store(key, name, rules)]
        ]
        self.household.keeper(rules).work_with(shards, lambda: carriers.remote)
        intake = self._intake(key, shards[0], drop)
        prefix = f"{secrets.token_hex(3)}{self._run.number}-"
        securing = Securing(key, self.tls[key], self._handshakes, self.emit)
        sessions = Sessions(rules, intake, self._session_count(key), prefix, securing, self._logs[key])
        pickups = [self._pickup(current, self._intake(key, one, drop), badmail, one.name) for one in shards]
        collector = Collector(lambda: current.rules, sessions, lambda: carriers.remote, self.emit)
        parts = Parts(current, sessions, shards, carriers, badmail, pickups, self.emit, collector)
        return ServerAtWork(parts, schedules=self.number == 0)

    async def _store(self, key: str, shard: str, rules: Rules) -> SqliteQueue:
        def set_aside(entry: str, cause: str) -> None:
            self.emit(EVENTS.store_failed, server=key, shard=shard, cause=f"entry {entry}: {cause}")

        longest = max(plan.longest_wait for plan in rules.retry_plans)
        store = await SqliteQueue.open(
            Path(rules.settings.home), shard, now=self.now, longest_wait=longest, set_aside=set_aside
        )
        found = store.found
        self.emit(EVENTS.shard_recovered, server=key, shard=shard, recovered=found.recovered, swept=found.swept)
        return store

    def _shard_names(self, home: Path) -> list[str]:
        """Our own shard first, then our share of those whose workers are no more (design: shards)."""
        number, workers = self._run.number, self._run.counts.workers
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
            tally=self._tallies[key],
        )

    def _pickup(self, current: Current, intake: Intake, badmail: Badmail, shard: str) -> Callable[[], PickupRole]:
        home = current.rules.settings.home

        def places() -> PickupPlaces:
            folder = current.rules.settings.pickup
            return PickupPlaces(
                pickup=f"{home}/Pickup",
                claims=f"{home}/SortTemp/pickup-{shard}",
                lock=f"{home}/.pickup.lock",
                permissions=permissions(folder.owner, folder.group, folder.mode),
            )

        def rules() -> PickupRules:
            settings = current.rules.settings
            return PickupRules(settings.pickup.dots, settings.pickup.rescan, settings.messages.size_limit)

        world = PickupWorld(
            server=intake.key,
            store=intake.store,
            badmail=badmail,
            receive=lambda picked: receipt(current.rules, intake, picked),
            room=intake.room,
            committed=lambda entry, leased: intake.accepted(entry, leased, by_pickup(entry)),
            new_content=intake.create_content,
            emit=self.emit,
            now=self.now,
            store_failed=intake.store_failed,
        )
        return lambda: PickupRole(places(), rules, world)

    def _remote(self, rules: Rules) -> RemoteCarrier:
        settings = rules.settings
        tally = self._tallies[rules.key]
        resolver = DnsResolver(_dns_servers(settings), time.monotonic, asked=tally.counter(SLOTS.dns_queries))
        limit = SharedLimit(self._run.counts, self._run.number, self._settings, rules.key)
        bindings = _bindings(self._settings)
        signer = Signer(rules.key, settings, self.emit, self.now)
        turns, log = self._day_counts.turns, self._logs[rules.key]
        way = Way(rules.key, settings, resolver, self.emit, bindings, limit, self._wallet, turns, signer, tally, log)
        return RemoteCarrier(way)

    def _token_failed(self, source: str, cause: str) -> None:
        self.emit(EVENTS.token_failed, source=source, cause=cause)

    def _reporting(self, current: Current) -> Callable[[], Reporting]:
        naming = Naming(self._run.run, self._run.filler, self._run.count)
        cap = StormCap()

        def reporting() -> Reporting:
            rules = current.rules
            copy_to = rules.settings.messages.ndr_copy_to
            domain = rules.settings.delivery.masquerade_domain or rules.domains.default
            identity = Identity(rules.fqdn, domain, _mailbox(copy_to))
            return Reporting(identity, naming, cap)

        return reporting

    def _session_count(self, key: str) -> SessionCount:
        counts, number, slot = self._run.counts, self._run.number, sessions_slot(self._settings, key)
        return SessionCount(lambda change: counts.add(number, slot, change), lambda: counts.total(slot), self._room)

    def _room(self) -> bool:
        """Whether there may be one more session in this worker."""
        return sum(len(server.parts.sessions) for server in self.servers.values()) < self._run.most_sessions

    def _store_failed(self, key: str) -> Callable[[StoreFailed], None]:
        def failed(fault: StoreFailed) -> None:
            self.emit(EVENTS.store_failed, server=key, shard=f"w{self._run.number}", cause=str(fault))
            self._fail(str(fault))

        return failed


def _client_names(settings: VirtualServer, tally: Tally) -> ClientNames | None:
    """What searches for clients' names. It has a resolver of its own, which what clients ask cannot crowd."""
    of_interest = names_of_interest(settings.access.connection, settings.access.relay)
    if of_interest is None and not settings.delivery.reverse_dns:
        return None
    resolver = DnsResolver(
        _dns_servers(settings), time.monotonic, _NAME_LIFETIME, _LONGEST_NAME, tally.counter(SLOTS.dns_queries)
    )
    return ClientNames(resolver, of_interest)


def _dns_servers(settings: VirtualServer) -> list[tuple[str, int]]:
    return [(server.address, server.port) for server in settings.delivery.dns]


def _bindings(settings: Settings) -> list[tuple[str, int]]:
    """Every address and port on which this service listens."""
    return [
        (binding.address, binding.port) for server in settings.servers.values() for binding in server.general.listening
    ]


def _drop_folders(rules: Rules) -> list[str]:
    """Every Drop folder of a virtual server."""
    local = (name for name, domain in rules.settings.domains.items() if domain.type is not DomainType.REMOTE)
    routes = (rules.plan.route(name) for name in local)
    return sorted({route.folder for route in routes if isinstance(route, DropRoute)})


def _mailbox(text: str) -> Mailbox | None:
    local, at, domain = text.rpartition("@")
    return Mailbox(local, domain) if at else None
