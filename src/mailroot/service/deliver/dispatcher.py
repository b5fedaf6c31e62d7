"""The second half of a message's life: lease -> route -> deliver -> settle -> report.

Every stage is one short method. What waits in the queue is claimed when it is due and there is room; what was just
committed is delivered from memory. Only a settlement takes a recipient out of the queue.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from mailroot.mail.events import EVENTS
from mailroot.mail.faults import Fault, StoreFailed, Unavailable
from mailroot.mail.message import Content
from mailroot.mail.status import Status
from mailroot.queue.entry import Pending, QueueEntry, SealedDraft, Settlement
from mailroot.queue.recovery import hopeless, suspect
from mailroot.queue.settle import Settled, settle
from mailroot.queue.store import QueueStore
from mailroot.routing.route import DropRoute, RelayRoute
from mailroot.service.deliver.delivery import Delivery
from mailroot.service.deliver.drop import DropCarrier
from mailroot.service.deliver.leases import Leases
from mailroot.service.deliver.probation import Probation
from mailroot.service.deliver.room import MOST_ENTRIES, Room
from mailroot.service.deliver.told import tell_settled
from mailroot.service.relay.remote import RemoteCarrier
from mailroot.service.report.ends import Ends, no_report_is_due, untold
from mailroot.service.rules import Rules

_CLAIM_AT_ONCE = 500
_DROP_AT_ONCE = 64
_DROP_GATHERS = 0.01
_LONGEST_SLEEP = 60.0
_STORE_PATIENCE = 1.0
_AFTER_MISTAKE = timedelta(minutes=5)

_Attempt = tuple[Delivery, Mapping[int, Status]]


@dataclass(slots=True)
class Carriers:
    """What takes deliveries on, by the kind of their route. A reload replaces `remote`."""

    drop: DropCarrier
    remote: RemoteCarrier


class Dispatcher:
    """Works through one store of one virtual server. `rules` gives those in force at each attempt.

    `probation` is one for all dispatchers of the worker.
    """

    def __init__(
        self, store: QueueStore, rules: Callable[[], Rules], carriers: Carriers, ends: Ends, probation: Probation
    ) -> None:
        self._store = store
        self._rules = rules
        self._carriers = carriers
        self._ends = ends
        self._emit, self._now = ends.emit, ends.now
        self._work: set[asyncio.Task[None]] = set()
        self._room = Room(time.monotonic)
        self._wake = asyncio.Event()
        self._leases = Leases(store, ends.now, self.wake)
        self._probation = probation
        self._loop = asyncio.get_running_loop()
        self._drops: list[Delivery] = []
        self._dropping: asyncio.Task[None] | None = None
        self._stopping = False

    # -- room: what is in memory has a cap

    def room(self, content: Content) -> bool:
        """Whether one more message may be worked on from memory."""
        return not self._stopping and self._room.fits(content)

    def begin(self, entry: QueueEntry) -> None:
        """Start to work on an entry whose recipients are leased to us. Never raises: it may have been committed."""
        if self._stopping:
            self._leases.abandon(entry)
            return
        self._room.enter(entry.content)
        try:
            deliveries = self._deliveries(entry)
        except Exception as mistake:  # the task supervisor of an entry (design: errors)
            self._start(self._put_off(entry, mistake))
            return
        if len(deliveries) == 1 and isinstance(deliveries[0].route, DropRoute) and not suspect(entry):
            self._drops.append(deliveries[0])
            if self._dropping is None:
                self._dropping = self._start(self._drop_all())
        else:
            self._start(self._life(entry, deliveries))

    def _end(self, entry: QueueEntry) -> None:
        self._room.leave(entry.content)
        if self._room.entries == MOST_ENTRIES // 2:
            self._wake.set()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def wake(self) -> None:
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
        await self._leases.give_back()

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

    # -- deliveries

    def _deliveries(self, entry: QueueEntry) -> list[Delivery]:
        """Route: the entry's recipients by their way."""
        pending, plan = entry.pending, self._rules().plan
        if len(pending) == 1:
            return [Delivery(entry, pending, plan.route(pending[0].recipient.address.domain))]
        routes = plan.group([one.recipient.address for one in pending])
        return [Delivery(entry, tuple([pending[place] for place in places]), route) for route, places in routes]

    async def _drop_all(self) -> None:
        """Entries that only go into Drop are delivered and settled in groups, which share their syncs."""
        try:
            while self._drops:
                if len(self._drops) < _DROP_AT_ONCE and not self._stopping:
                    await asyncio.sleep(_DROP_GATHERS)  # the clients have had their answers: a larger group costs less
                await self._probation.enter()
                group, self._drops = self._drops[:_DROP_AT_ONCE], self._drops[_DROP_AT_ONCE:]
                await self._drop_group(group)
        except asyncio.CancelledError:
            self._let_go([delivery.entry for delivery in self._drops])
            self._drops.clear()
            raise
        finally:
            self._dropping = None

    async def _drop_group(self, group: list[Delivery]) -> None:
        try:
            outcomes = await self._carriers.drop.carry_all(group)
        except asyncio.CancelledError:
            self._probation.leave()
            self._let_go([delivery.entry for delivery in group])
            raise
        except Exception:  # the mistake is that of one delivery: each is tried alone, and the one is found
            self._probation.leave()
            for delivery in group:
                self._start(self._life(delivery.entry, [delivery]))
            return
        self._start(self._settle_group(list(zip(group, outcomes, strict=True))))

    async def _settle_group(self, attempts: list[_Attempt]) -> None:
        """While a group is settled, the next one is written."""
        try:
            await self._settle(attempts, patient=True)
        except asyncio.CancelledError:
            self._leases.abandon(*(delivery.entry for delivery, _ in attempts))
            raise
        except StoreFailed as fault:
            self._ends.store_failed(fault)
        except Exception:  # the mistake is that of one delivery: the others must not be made again for it
            await self._each_alone(attempts)
        finally:
            self._probation.leave()
            for delivery, _ in attempts:
                self._end(delivery.entry)

    async def _each_alone(self, attempts: list[_Attempt]) -> None:
        for delivery, outcome in attempts:
            try:
                await self._settle([(delivery, outcome)])
            except Exception as mistake:  # the task supervisor of a delivery (design: errors)
                await self._after_mistake(delivery.entry, mistake)

    async def _life(self, entry: QueueEntry, deliveries: list[Delivery]) -> None:
        """All that is done with an entry; whatever goes wrong, it stays in the queue."""
        try:
            if suspect(entry):
                async with self._probation.alone():
                    await self._on_probation(entry, deliveries)
            else:
                await self._in_company(deliveries)
        except asyncio.CancelledError:
            self._leases.abandon(entry)
            raise
        except Exception as mistake:  # of Badmail or the store: without this the lease would last
            await self._after_mistake(entry, mistake)
        finally:
            self._end(entry)

    async def _in_company(self, deliveries: list[Delivery]) -> None:
        await self._probation.enter()
        try:
            await self._deliver_all(deliveries)
        finally:
            self._probation.leave()

    async def _deliver_all(self, deliveries: list[Delivery]) -> None:
        """The deliveries of an entry, side by side."""
        if len(deliveries) == 1:
            await self._guarded(deliveries[0])
        else:
            await asyncio.gather(*(self._guarded(delivery) for delivery in deliveries))

    async def _guarded(self, delivery: Delivery) -> None:
        """A delivery whose mistakes end in the queue, never in a loss."""
        try:
            await self._deliver(delivery)
        except Exception as mistake:  # the task supervisor of a delivery (design: errors)
            await self._after_mistake(replace(delivery.entry, pending=delivery.pending), mistake)

    async def _deliver(self, delivery: Delivery) -> None:
        """One attempt and its settlement."""
        route = delivery.route
        if isinstance(route, RelayRoute):
            content = delivery.entry.content
            if not self._room.take(route.destination, content):
                await self._give_back(delivery.entry.key, delivery.pending, route)
                return
            try:
                outcome = await self._carriers.remote.carry(delivery)
            finally:
                self._room.give(route.destination, content)
        elif isinstance(route, DropRoute):
            outcome = await self._carriers.drop.carry(delivery)
        else:
            outcome = {one.number: route.status for one in delivery.pending}
        await self._settle([(delivery, outcome)])

    async def _give_back(self, key: str, pending: Sequence[Pending], route: RelayRoute) -> None:
        """A destination that has its share of the room gets the surplus from the queue later."""
        await self._leases.release(key, pending, timedelta(seconds=self._room.surplus_wait(route.destination)))

    # -- settlements

    async def _settle(self, attempts: list[_Attempt], patient: bool = False) -> None:
        """Make outcomes durable, together with the reports that they make due."""
        rules = self._rules()
        both = [await self._consequences(rules, delivery, outcome) for delivery, outcome in attempts]
        await self._apply([settlement for _, settlement in both], patient)
        for (delivery, _), (settled, _) in zip(attempts, both, strict=True):
            tell_settled(self._emit, rules.key, delivery.entry, settled)
            if settled.deferred:
                self._wake.set()

    async def _consequences(
        self, rules: Rules, delivery: Delivery, outcome: Mapping[int, Status]
    ) -> tuple[Settled, Settlement]:
        """What an attempt changes. Where its reports cannot be made, those who failed wait; the others are served."""
        entry, plan = delivery.entry, rules.retry(delivery.route)
        settled = settle(entry, delivery.pending, outcome, self._now(), plan)
        reports: tuple[SealedDraft, ...] = ()
        if not no_report_is_due(settled):
            try:
                reports = await self._ends.report(rules, entry, settled, entry.arrived + plan.expiration)
            except Fault as fault:  # Badmail or the content cannot be used: nothing that was delivered is repeated
                settled = untold(settled, fault, self._now() + _AFTER_MISTAKE)
        served = tuple([one.number for one, _ in settled.final])
        return settled, Settlement(entry.key, served, settled.deferred, reports)

    async def _apply(self, settlements: list[Settlement], patient: bool = False) -> None:
        for report in await self._leases.settle(settlements, patient):
            self.begin(report)

    # -- entries that make us fail (guarantee G6)

    async def _on_probation(self, entry: QueueEntry, deliveries: list[Delivery]) -> None:
        """A suspect is worked on alone, and its failure is counted before the try: a crash cannot hide it.

        What could not be tried at all is given back before: it must not be counted.
        """
        for route in [delivery.route for delivery in deliveries]:
            if isinstance(route, RelayRoute) and not self._room.shares(route.destination):
                await self._give_back(entry.key, entry.pending, route)
                return
        entry = replace(entry, failures=await self._leases.failed(entry.key))
        if hopeless(entry):
            await self._set_aside(entry, f"Working on it made the service fail {entry.failures - 1} times.")
        else:
            await self._deliver_all(deliveries)

    async def _put_off(self, entry: QueueEntry, mistake: Exception) -> None:
        try:
            await self._after_mistake(entry, mistake)
        except asyncio.CancelledError:
            self._leases.abandon(entry)
            raise
        finally:
            self._end(entry)

    async def _after_mistake(self, entry: QueueEntry, mistake: Exception) -> None:
        """Count the failure and leave `entry.pending` to the queue for a while, in the end to Badmail. Never raises."""
        try:
            if isinstance(mistake, StoreFailed):
                raise mistake
            self._emit(EVENTS.task_failed, server=self._rules().key, task=f"entry {entry.key}", cause=repr(mistake))
            if not await self._given_up(entry, mistake):
                await self._leases.release(entry.key, entry.pending, _AFTER_MISTAKE)
        except StoreFailed as fault:
            self._ends.store_failed(fault)

    async def _given_up(self, entry: QueueEntry, mistake: Exception) -> bool:
        """Count a failure; whether it was the last one, and the entry is in Badmail now."""
        entry = replace(entry, failures=await self._leases.failed(entry.key))
        if not hopeless(entry):
            return False
        cause = f"Working on it made the service fail {entry.failures} times: {mistake!r}"
        try:
            await self._set_aside(entry, cause)
        except StoreFailed:
            raise
        except Exception as fault:  # the task supervisor of an entry; a Badmail that cannot be written is no end
            self._emit(EVENTS.task_failed, server=self._rules().key, task=f"badmail {entry.key}", cause=repr(fault))
            return False
        return True

    async def _set_aside(self, entry: QueueEntry, cause: str) -> None:
        await self._ends.set_aside(entry, cause)
        await self._apply([Settlement(entry.key, tuple(one.number for one in entry.pending))])

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
            await asyncio.sleep(0)  # a task that never began could not say what it leaves
        for task in list(self._work):
            task.cancel()
        if self._work:
            await asyncio.wait(self._work, timeout=1.0)
        await self._leases.give_back()

    def _let_go(self, entries: list[QueueEntry]) -> None:
        """Work on these has been given up."""
        self._leases.abandon(*entries)
        for entry in entries:
            self._end(entry)
