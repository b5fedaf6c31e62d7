"""The second half of a message's life: lease -> route -> deliver -> settle -> report.

Every stage is one short method. What waits in the queue is claimed when it is due and there is room; what was just
committed is delivered from memory. Only a settlement takes a recipient out of the queue.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from mailroot.mail.events import EVENTS
from mailroot.mail.faults import StoreFailed, Unavailable
from mailroot.mail.message import Content
from mailroot.mail.status import Disposition, Status
from mailroot.queue.entry import Pending, QueueEntry, Settlement
from mailroot.queue.recovery import hopeless, suspect
from mailroot.queue.settle import Settled, settle
from mailroot.queue.store import QueueStore
from mailroot.routing.route import DropRoute, RelayRoute
from mailroot.service.delivery import Delivery
from mailroot.service.drop import DropCarrier
from mailroot.service.ends import Ends
from mailroot.service.remote import RemoteCarrier
from mailroot.service.room import MOST_ENTRIES, Room
from mailroot.service.rules import Rules

_CLAIM_AT_ONCE = 500
_LONGEST_SLEEP = 60.0
_STORE_PATIENCE = 1.0
_AFTER_MISTAKE = timedelta(minutes=5)


@dataclass(slots=True)
class Carriers:
    """What takes deliveries on, by the kind of their route. A reload replaces `remote`."""

    drop: DropCarrier
    remote: RemoteCarrier


class Dispatcher:
    """Works through one store of one virtual server. `rules` gives those in force at each attempt."""

    def __init__(self, store: QueueStore, rules: Callable[[], Rules], carriers: Carriers, ends: Ends) -> None:
        self._store = store
        self._rules = rules
        self._carriers = carriers
        self._ends = ends
        self._emit, self._now = ends.emit, ends.now
        self._work: set[asyncio.Task[None]] = set()
        self._room = Room(time.monotonic)
        self._wake = asyncio.Event()
        self._alone = asyncio.Lock()
        self._stopping = False

    # -- room: what is in memory has a cap

    def room(self, content: Content) -> bool:
        """Whether one more message may be worked on from memory."""
        return not self._stopping and self._room.fits(content)

    def begin(self, entry: QueueEntry) -> None:
        """Start to work on an entry whose recipients are leased to us."""
        self._room.enter(entry.content)
        task = asyncio.get_running_loop().create_task(self._life(entry))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def wake(self, _entry: QueueEntry | None = None) -> None:
        """Something may be due: a hint, never needed for correctness."""
        self._wake.set()

    # -- claims: what the queue holds and is due

    async def run(self) -> None:
        """Claim what is due, for as long as the virtual server runs."""
        while not self._stopping:
            self._wake.clear()
            try:
                claimed = await self._claim()
                pause = 0.0 if claimed else await self._until_next()
            except StoreFailed as fault:
                self._ends.store_failed(fault)
                return
            except Unavailable:
                pause = _STORE_PATIENCE
            if pause:
                await self._sleep(pause)

    async def _claim(self) -> bool:
        limit = min(_CLAIM_AT_ONCE, self._room.left)
        if limit <= 0:
            await self._sleep(_STORE_PATIENCE)
            return True
        leases = await self._store.claim(self._now(), limit)
        for lease in leases:
            self.begin(lease.entry)
        return bool(leases)

    async def _until_next(self) -> float:
        due = await self._store.next_due()
        if due is None:
            return _LONGEST_SLEEP
        return min(max((due - self._now()).total_seconds(), 0.01), _LONGEST_SLEEP)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    # -- one entry

    async def _life(self, entry: QueueEntry) -> None:
        """All deliveries of an entry, side by side."""
        try:
            if suspect(entry):
                async with self._alone:
                    await self._on_probation(entry)
            else:
                await self._deliver_all(entry)
        finally:
            self._room.leave(entry.content)
            if self._room.entries < MOST_ENTRIES // 2:
                self._wake.set()

    async def _deliver_all(self, entry: QueueEntry) -> None:
        deliveries = self._deliveries(entry)
        if len(deliveries) == 1:
            await self._guarded(deliveries[0])
        else:
            await asyncio.gather(*(self._guarded(delivery) for delivery in deliveries))

    async def _guarded(self, delivery: Delivery) -> None:
        """A delivery whose mistakes end in the queue, never in a loss."""
        try:
            await self._deliver(delivery)
        except StoreFailed as fault:
            self._ends.store_failed(fault)
        except Exception as mistake:  # the task supervisor of a delivery (design: errors)
            await self._after_mistake(delivery, mistake)

    def _deliveries(self, entry: QueueEntry) -> list[Delivery]:
        pending = entry.pending
        routes = self._rules().plan.group([one.recipient.address for one in pending])
        return [Delivery(entry, tuple(pending[place] for place in places), route) for route, places in routes.items()]

    async def _deliver(self, delivery: Delivery) -> None:
        """One attempt and its settlement."""
        route = delivery.route
        if isinstance(route, RelayRoute):
            content = delivery.entry.content
            if not self._room.take(route.destination, content):
                await self._give_back(delivery, route.destination)
                return
            try:
                outcome = await self._carriers.remote.carry(delivery)
            finally:
                self._room.give(route.destination, content)
        elif isinstance(route, DropRoute):
            outcome = await self._carriers.drop.carry(delivery)
        else:
            outcome = {one.number: route.status for one in delivery.pending}
        await self._settle(delivery, outcome)

    async def _give_back(self, delivery: Delivery, destination: str) -> None:
        """A destination that has its share of the room gets the surplus from the queue later."""
        numbers = [one.number for one in delivery.pending]
        wait = timedelta(seconds=self._room.surplus_wait(destination))
        await self._store.release(delivery.entry.key, numbers, self._now() + wait)

    async def _settle(self, delivery: Delivery, outcome: Mapping[int, Status]) -> None:
        """Make the outcome durable, together with the reports that it makes due."""
        entry, rules, now = delivery.entry, self._rules(), self._now()
        retry = rules.local_retry if isinstance(delivery.route, DropRoute) else rules.remote_retry
        settled = settle(entry, delivery.pending, outcome, now, retry)
        drafts = await self._ends.report(rules, entry, settled, entry.arrived + retry.expiration)
        served = tuple(one.number for one, _ in settled.final)
        await self._settled(Settlement(entry.key, served, settled.deferred, drafts))
        self._tell(rules, entry, settled)
        if settled.deferred:
            self._wake.set()

    async def _settled(self, settlement: Settlement) -> None:
        """Apply a settlement; while the disk is full it is tried again, and the lease stays ours."""
        while True:
            try:
                reports = await self._store.settle(settlement)
            except StoreFailed:
                raise
            except Unavailable:
                await asyncio.sleep(_STORE_PATIENCE)
            else:
                for report in reports:
                    self.begin(report)
                return

    def _tell(self, rules: Rules, entry: QueueEntry, settled: Settled) -> None:
        about = {"server": rules.key, "entry": entry.key, "message_id": entry.message_id}
        for one, status in settled.final:
            recipient = str(one.recipient.address)
            if status.disposition is Disposition.FAILED:
                reason = status.reply or status.reason
                self._emit(EVENTS.failed, **about, recipient=recipient, status=status.code, reason=reason)
            else:
                self._emit(EVENTS.delivered, **about, recipient=recipient, remote=status.remote, reply=status.reply)
        for one in settled.deferred:
            self._tell_deferred(about, one)

    def _tell_deferred(self, about: Mapping[str, str], one: Pending) -> None:
        last = one.last
        self._emit(
            EVENTS.deferred,
            **about,
            recipient=str(one.recipient.address),
            status=last.code if last else "",
            reason=(last.reply or last.reason) if last else "",
            due=one.due.isoformat(timespec="seconds"),
        )

    # -- entries that make us fail (guarantee G6)

    async def _on_probation(self, entry: QueueEntry) -> None:
        """A suspect is worked on alone, and its failure is counted before the try: a crash cannot hide it."""
        entry = replace(entry, failures=await self._store.failed(entry.key))
        if hopeless(entry):
            await self._set_aside(entry, f"Working on it made the service fail {entry.failures - 1} times.")
        else:
            await self._deliver_all(entry)

    async def _after_mistake(self, delivery: Delivery, mistake: Exception) -> None:
        entry = delivery.entry
        self._emit(EVENTS.task_failed, server=self._rules().key, task=f"entry {entry.key}", cause=repr(mistake))
        entry = replace(entry, failures=await self._store.failed(entry.key), pending=delivery.pending)
        if hopeless(entry):
            await self._set_aside(entry, f"Working on it made the service fail {entry.failures} times: {mistake!r}")
            return
        numbers = [one.number for one in entry.pending]
        await self._store.release(entry.key, numbers, self._now() + _AFTER_MISTAKE)

    async def _set_aside(self, entry: QueueEntry, cause: str) -> None:
        await self._ends.set_aside(entry, cause)
        await self._settled(Settlement(entry.key, tuple(one.number for one in entry.pending)))

    # -- the end

    def resume(self) -> None:
        """Begin again after a stop."""
        self._stopping = False

    async def stop(self, patience: float) -> None:
        """Begin nothing more; let what is under way end for `patience` seconds, then leave it to the queue."""
        self._stopping = True
        self._wake.set()
        if self._work:
            await asyncio.wait(self._work, timeout=patience)
        for task in list(self._work):
            task.cancel()
        if self._work:
            await asyncio.wait(self._work, timeout=1.0)
