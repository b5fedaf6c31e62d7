"""The pickup role: takes files from the Pickup folder and commits them to the queue, each exactly once.

A file is claimed (renamed, durably), committed with its claim, removed durably, and only then is the claim forgotten.
A run that dies in between finds the claimed file and commits it with the same claim again, which the store refuses if
it was committed before. Whatever is unavailable meanwhile, the file stays claimed and is tried again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ParamSpec, TypeVar

from mailroot.edge.files.badmail import Reason
from mailroot.edge.files.durable import fault_of
from mailroot.edge.files.folder import Permissions
from mailroot.edge.files.pickup import Busy, Claimed, PickupFolder, Unfit
from mailroot.edge.files.watch import FolderWatch
from mailroot.mail.envelope import Envelope
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Misconfigured, StoreFailed, Unavailable
from mailroot.mail.message import Content
from mailroot.mail.pickup import Malformed, PickupHead
from mailroot.mail.pickuplines import Dots
from mailroot.queue.entry import Origin, QueueEntry, SealedDraft
from mailroot.queue.store import QueueStore
from mailroot.service.pickup.content import ClaimedFile, NewContent, read_message
from mailroot.service.report.badmail import BAD_PICKUP_FILE, Badmail

_SCAN = 10_000  # names of one look into the folder
_GROUP = 200  # files that share their syncs and the store's transactions
_CHUNK = 20  # files that are claimed in one go before the loop has its turn
_SOON, _LATE = 0.25, 60.0  # seconds until what failed is tried again: the first time, at most
_UNUSABLE = 2.0  # seconds until folders that cannot be used are tried again
_REMEMBERED = 100_000  # odd names that are remembered so as to be told once

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class PickedUp:
    """A message as it was found: what the lines in front of it say, and the name of its file in Pickup.

    `size` is the file's; `eight_bit` tells whether its text needs 8BITMIME.
    """

    name: str
    head: PickupHead
    size: int
    eight_bit: bool
    arrived: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that is accepted: its envelope, and its header, completed, whole lines without the empty line."""

    envelope: Envelope
    header: bytes
    message_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that is not accepted; it goes to Badmail with this cause."""

    cause: str


Receipt = Taken | Refused


@dataclass(frozen=True, slots=True)
class PickupPlaces:
    """The Pickup folder, this worker's folder of claims (SortTemp/pickup-SHARD), and the lock file of the server."""

    pickup: str
    claims: str
    lock: str
    permissions: Permissions = field(default_factory=Permissions)


@dataclass(frozen=True, slots=True)
class PickupRules:
    """What the settings say: the meaning of leading dots, the time between looks, the largest message (0: any)."""

    dots: Dots = Dots.AUTO
    rescan: timedelta = timedelta(seconds=10)
    size_limit: int = 0


@dataclass(frozen=True, slots=True)
class PickupWorld:
    """What the role works with.

    `receive` completes a message's header, or refuses it. `room` tells whether a message may be leased to this worker
    with its commit; `committed` is given each new entry, and whether it was.
    `new_content` makes the file of a large content, which belongs to the store from the commit on. `store_failed` hears
    that the store is beyond use: the files stay claimed for the next process.
    """

    server: str
    store: QueueStore
    badmail: Badmail
    receive: Callable[[PickedUp], Receipt]
    room: Callable[[Content], bool]
    committed: Callable[[QueueEntry, bool], None]
    new_content: Callable[[], NewContent]
    emit: Emit
    now: Callable[[], datetime]
    store_failed: Callable[[StoreFailed], None]


@dataclass(slots=True)
class _Wait:
    """When something that failed is tried again, in the loop's seconds, and how long the next pause is."""

    until: float
    pause: float = _SOON


class PickupRole:
    """Takes the files of one Pickup folder, as one worker of several."""

    def __init__(self, places: PickupPlaces, rules: Callable[[], PickupRules], world: PickupWorld) -> None:
        self._places = places
        self._rules = rules
        self._world = world
        self._thread = ThreadPoolExecutor(1, "pickup")
        self._later: dict[str, _Wait] = {}
        self._odd: set[str] = set()
        self._unfinished: dict[str, tuple[Claimed, _Wait]] = {}

    async def run(self) -> None:
        """Recover what a former run claimed, then take files for ever.

        Only one worker of a server takes files at a time; the others wait for it to end.
        """
        await self._lasting(self._take_files)

    async def recover(self) -> None:
        """Finish what a worker that is no more has claimed."""
        await self._lasting(self._finish_claims)

    async def _lasting(self, work: Callable[[PickupFolder], Awaitable[None]]) -> None:
        """Work on the folders to the end; where they cannot be used (a full disk), say so, wait and begin again."""
        try:
            while True:
                try:
                    return await self._opened(work)
                except OSError as fault:
                    cause = str(fault_of(fault, "Pickup"))
                    self._world.emit(EVENTS.pickup_failed, server=self._world.server, cause=cause)
                    await asyncio.sleep(_UNUSABLE)
        finally:
            self._thread.shutdown(wait=False)

    async def _opened(self, work: Callable[[PickupFolder], Awaitable[None]]) -> None:
        places = self._places
        folder = PickupFolder(places.pickup, places.claims, places.lock, places.permissions)
        try:
            self._unfinished = {claimed.claim: (claimed, _Wait(0.0)) for claimed in folder.unfinished()}
            await work(folder)
        finally:
            folder.close()

    async def _take_files(self, folder: PickupFolder) -> None:
        await self._finish_unfinished(folder)
        while not folder.own():
            await asyncio.sleep(self._rules().rescan.total_seconds())
            await self._finish_unfinished(folder)
        await self._watch(folder)

    async def _finish_claims(self, folder: PickupFolder) -> None:
        await self._finish_unfinished(folder)
        while self._unfinished:
            await asyncio.sleep(self._pause())
            await self._finish_unfinished(folder)

    async def _watch(self, folder: PickupFolder) -> None:
        if folder.folder.world_writable:
            self._world.emit(EVENTS.pickup_open, server=self._world.server, folder=self._places.pickup)
        watch = FolderWatch(self._places.pickup)
        try:
            while True:
                more = await self.look(folder)
                if not more and await watch.wait(self._pause()):
                    self._later.clear()
        finally:
            watch.close()

    async def look(self, folder: PickupFolder) -> bool:
        """Take what is in the folder, oldest first; whether there may be more than one look could see."""
        await self._finish_unfinished(folder)
        now = asyncio.get_running_loop().time()
        left_out = frozenset(self._odd.union(name for name, wait in self._later.items() if wait.until > now))
        names = await self._threaded(folder.oldest, _SCAN, left_out)
        for start in range(0, len(names), _GROUP):
            await self._take_group(folder, names[start : start + _GROUP])
        self._later = {name: wait for name, wait in self._later.items() if name in names or wait.until > now}
        return len(names) == _SCAN

    async def _take_group(self, folder: PickupFolder, names: Sequence[str]) -> None:
        claimed: list[Claimed] = []
        for start in range(0, len(names), _CHUNK):
            for outcome in await self._quick(folder, folder.take, names[start : start + _CHUNK]):
                if isinstance(outcome, Claimed):
                    claimed.append(outcome)
                    self._later.pop(outcome.name, None)
                else:
                    self._leave(outcome)
            await asyncio.sleep(0)
        if claimed:
            await self._threaded(folder.sync)
            await self._serve_group(folder, claimed)

    async def _serve_group(self, folder: PickupFolder, claimed: Sequence[Claimed]) -> None:
        served = await asyncio.gather(*(self._serve(folder, one) for one in claimed))
        done = [one.claim for one, finished in zip(claimed, served, strict=True) if finished]
        if not done:
            return
        try:
            await self._quick(folder, folder.remove, done)
            await self._threaded(folder.sync)
            await self._world.store.forget(done)
        except (OSError, Unavailable):
            for one in claimed:  # committed again, they are known by their claims
                self._try_again(one)
            return
        for claim in done:
            self._unfinished.pop(claim, None)

    async def _serve(self, folder: PickupFolder, claimed: Claimed) -> bool:
        """Commit a claimed file or put it into Badmail; False where neither can be done now."""
        try:
            draft = await self._draft(folder, claimed)
            if isinstance(draft, SealedDraft):
                entry = await self._world.store.commit(draft)
                if entry is not None:
                    self._world.committed(entry, draft.lease)
            else:
                await self._refuse(folder, claimed, draft.cause)
        except FileNotFoundError:
            return True  # an operator removed it
        except StoreFailed as fault:
            self._world.store_failed(fault)
            return False
        except (OSError, Unavailable, Misconfigured):
            self._try_again(claimed)
            return False
        return True

    async def _draft(self, folder: PickupFolder, claimed: Claimed) -> SealedDraft | Malformed | Refused:
        rules, world = self._rules(), self._world
        if rules.size_limit and claimed.size > rules.size_limit:
            return Malformed(f"{claimed.size} octets are more than the limit of {rules.size_limit}")
        arrived = world.now()
        read = (
            await self._threaded(read_message, folder, claimed, rules.dots)
            if claimed.large
            else read_message(folder, claimed, rules.dots)
        )
        if isinstance(read, Malformed):
            return read
        receipt = world.receive(PickedUp(claimed.name, read.head, claimed.size, read.eight_bit, arrived))
        if isinstance(receipt, Refused):
            return receipt
        if read.body is None:
            content = await self._threaded(read.streamed, receipt.header, world.new_content)
        else:
            content = read.whole(receipt.header)
        return SealedDraft(
            receipt.envelope,
            content,
            Origin("pickup"),
            arrived,
            receipt.message_id,
            claim=claimed.claim,
            lease=world.room(content),
        )

    async def _refuse(self, folder: PickupFolder, claimed: Claimed, cause: str) -> None:
        world = self._world
        properties = {
            "origin": "pickup",
            "name": claimed.name,
            "size": claimed.size,
            "picked_up": world.now().isoformat(),
        }
        content = ClaimedFile(folder, claimed.claim, claimed.size)
        await world.badmail.keep(content, claimed.claim, Reason(cause, BAD_PICKUP_FILE), properties)
        world.emit(EVENTS.pickup_refused, server=world.server, name=claimed.name, cause=cause)

    def _leave(self, outcome: Busy | Unfit) -> None:
        """Note what cannot be taken: what never can is told once, the rest is looked at again after a while."""
        if isinstance(outcome, Busy):
            wait = self._later.setdefault(outcome.name, _Wait(0.0))
            _postpone(wait)
        elif len(self._odd) < _REMEMBERED:
            self._odd.add(outcome.name)
            self._world.emit(EVENTS.pickup_refused, server=self._world.server, name=outcome.name, cause=outcome.cause)

    def _try_again(self, claimed: Claimed) -> None:
        _, wait = self._unfinished.setdefault(claimed.claim, (claimed, _Wait(0.0)))
        _postpone(wait)

    async def _finish_unfinished(self, folder: PickupFolder) -> None:
        now = asyncio.get_running_loop().time()
        due = [claimed for claimed, wait in self._unfinished.values() if wait.until <= now]
        for start in range(0, len(due), _GROUP):
            await self._serve_group(folder, due[start : start + _GROUP])

    def _pause(self) -> float:
        """Seconds until the next look that no change asks for."""
        now = asyncio.get_running_loop().time()
        waits = [*self._later.values(), *(wait for _, wait in self._unfinished.values())]
        return min([self._rules().rescan.total_seconds(), *(max(_SOON, wait.until - now) for wait in waits)])

    async def _quick(
        self, folder: PickupFolder, call: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs
    ) -> _Result:
        """Short work on files: at once where they are local, as a busy loop delays each system call of a thread."""
        if folder.folder.trusted:
            return call(*given, **named)
        return await self._threaded(call, *given, **named)

    async def _threaded(self, call: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: call(*given, **named))


def _postpone(wait: _Wait) -> None:
    wait.until = asyncio.get_running_loop().time() + wait.pause
    wait.pause = min(wait.pause * 2, _LATE)
