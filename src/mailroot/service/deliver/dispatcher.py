"""The second half of a message's life: lease -> route -> deliver -> settle -> report.

Every stage is one short method. What waits in the queue is claimed when it is due and there is room; what was just
committed is delivered from memory. Only a settlement takes a recipient out of the queue.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from mailroot.mail.faults import StoreFailed
from mailroot.mail.message import Content
from mailroot.mail.status import Status
from mailroot.queue.entry import Pending, QueueEntry
from mailroot.queue.recovery import suspect
from mailroot.queue.store import QueueStore
from mailroot.routing.route import DropRoute, HoldRoute, NoRoute, RelayRoute
from mailroot.service.deliver.carriers import Carriers
from mailroot.service.deliver.claims import Claims
from mailroot.service.deliver.delivery import Carrier, Delivery, deliveries_of
from mailroot.service.deliver.leases import Leases
from mailroot.service.deliver.mistakes import Mistakes
from mailroot.service.deliver.probation import Probation
from mailroot.service.deliver.resolving import Resolution, Resolver
from mailroot.service.deliver.returns import Returns
from mailroot.service.deliver.room import MOST_ENTRIES, Room
from mailroot.service.deliver.round import Round, side_by_side
from mailroot.service.deliver.settling import Attempt, Settling
from mailroot.service.deliver.turn import turn_of
from mailroot.service.report.ends import Ends
from mailroot.service.rules import Rules

_DROP_AT_ONCE = 64
_DROP_GATHERS = 0.01


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
        self._claims = Claims(store, ends, self._room, self.begin, self._begin_hold)
        self._leases = Leases(store, ends.now, self.wake)
        self._settling = Settling(rules, self._leases, ends, self.begin)
        self._mistakes = Mistakes(rules, self._leases, ends, self._settling)
        self._probation = probation
        self._loop = asyncio.get_running_loop()
        self._drops: list[Delivery] = []
        self._dropping: asyncio.Task[None] | None = None
        self._returns = Returns(store, ends.now, self.wake)

    # -- room: what is in memory has a cap

    def room(self, content: Content) -> bool:
        """Whether one more message may be worked on from memory."""
        return not self._claims.stopping and self._room.fits(content)

    @property
    def stopping(self) -> bool:
        """Whether nothing more is begun."""
        return self._claims.stopping

    def begin(self, entry: QueueEntry) -> None:
        """Start to work on an entry whose recipients are leased to us. Never raises: it may have been committed."""
        if self._claims.stopping:
            self._leases.abandon(entry)
            return
        self._room.enter(entry.content)
        directory = self._carriers.directory
        if directory is None:
            self._route(entry)
            return
        try:  # whom the directory is known to leave as they are, those are routed at once
            found = directory.known(entry)
        except Exception as mistake:  # the task supervisor of an entry (design: errors)
            self._start(self._put_off(entry, mistake))
            return
        if found is None or len(found.pending) < len(entry.pending):
            self._start(self._resolve(entry, directory, found))
        else:
            self._route(found.routed(entry))

    async def _resolve(self, entry: QueueEntry, directory: Resolver, found: Resolution | None) -> None:
        """What the directory decides of the recipients is settled; the others are routed."""
        try:
            found = found or await directory.resolve(entry)
            await self._settling.resolved(entry, found)
            self.wake()
        except asyncio.CancelledError:
            self._let_go([entry])
            raise
        except Exception as mistake:  # the task supervisor of an entry (design: errors)
            await self._put_off(entry, mistake)
            return
        if found.pending:
            self._route(found.routed(entry))
        else:
            self._end(entry)

    def _route(self, entry: QueueEntry) -> None:
        """The entry's recipients by their way, and on it."""
        try:
            deliveries = deliveries_of(entry, self._rules().plan)
        except Exception as mistake:  # the task supervisor of an entry (design: errors)
            self._start(self._put_off(entry, mistake))
            return
        if len(deliveries) == 1 and isinstance(deliveries[0].route, DropRoute) and not suspect(entry):
            self._drops.append(deliveries[0])
            if self._dropping is None:
                self._dropping = self._start(self._drop_all())
        else:
            self._start(self._life(entry, deliveries))

    async def give_up(self, entries: Sequence[QueueEntry], status: Status) -> None:
        """Settle entries that are leased to us with a failure, and report it to their senders."""
        tasks = []
        for entry in entries:
            self._room.enter(entry.content)
            tasks.append(self._start(self._life(entry, [Delivery(entry, entry.pending, NoRoute(status))])))
        if tasks:
            await asyncio.wait(tasks)

    def _end(self, entry: QueueEntry) -> None:
        self._room.leave(entry.content)
        if self._room.entries == MOST_ENTRIES // 2:
            self.wake()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    def wake(self) -> None:
        """Something may be due: a hint, never needed for correctness."""
        self._claims.wake()

    # -- what the queue holds

    async def run(self) -> None:
        """Claim what is due, for as long as the virtual server runs."""
        await self._claims.run(lambda: self._returns.look(self._carriers.directory))
        await self._leases.give_back()

    async def serve_held(self, domain: str) -> int:
        """The server of a domain asks for its mail (ETRN): try what is held for it; how many recipients that are.

        `domain` is one, or "*.example.com" for all below it. Who cannot be served stays held. Waits while there is no
        room.
        """
        return await self._claims.serve_held(domain)

    def _begin_hold(self, entry: QueueEntry) -> None:
        self.hold(entry)

    def hold(self, entry: QueueEntry) -> asyncio.Task[None]:
        """Hold recipients that are leased to us on, and tell their senders what is due now."""
        self._room.enter(entry.content)
        return self._start(self._hold(entry))

    def attempt(self, entry: QueueEntry, carrier: Carrier) -> asyncio.Task[None]:
        """Try recipients that were claimed as held, over a line that their server opened (ATRN, TURN)."""
        self._room.enter(entry.content)
        route = self._rules().plan.route(entry.pending[0].recipient.address.domain)
        carried = Delivery(entry, entry.pending, route, carrier if isinstance(route, HoldRoute) else None)
        return self._start(self._life(entry, [carried]))

    async def _hold(self, entry: QueueEntry) -> None:
        try:
            await self._settling.hold(entry, entry.pending)
        except asyncio.CancelledError:
            self._leases.abandon(entry)
            raise
        except Exception as mistake:  # the task supervisor of an entry (design: errors)
            await self._mistakes.after(entry, mistake)
        finally:
            self._end(entry)

    # -- deliveries

    async def _drop_all(self) -> None:
        """Entries that only go into Drop are delivered and settled in groups, which share their syncs."""
        try:
            while self._drops:
                if len(self._drops) < _DROP_AT_ONCE and not self._claims.stopping:
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

    async def _settle_group(self, attempts: list[Attempt]) -> None:
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

    async def _each_alone(self, attempts: list[Attempt]) -> None:
        for delivery, outcome in attempts:
            try:
                await self._settle([(delivery, outcome)])
            except Exception as mistake:  # the task supervisor of a delivery (design: errors)
                await self._mistakes.after(delivery.entry, mistake)

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
            await self._mistakes.after(entry, mistake)
        finally:
            self._end(entry)

    async def _in_company(self, deliveries: list[Delivery]) -> None:
        await self._probation.enter()
        try:
            await self._deliver_all(deliveries)
        finally:
            self._probation.leave()

    async def _deliver_all(self, deliveries: list[Delivery]) -> None:
        """The deliveries of an entry, side by side; their sender is told of all failures together."""
        if len(deliveries) == 1:
            await self._guarded(deliveries[0], None)
            return
        entry, together = deliveries[0].entry, Round()

        async def settle_late() -> None:
            if await self._settling.settle_late(entry, together):
                self.wake()

        await side_by_side([self._guarded(delivery, together) for delivery in deliveries], settle_late)

    async def _guarded(self, delivery: Delivery, together: Round | None) -> None:
        """A delivery whose mistakes end in the queue, never in a loss."""
        try:
            await self._deliver(delivery, together)
        except Exception as mistake:  # the task supervisor of a delivery (design: errors)
            await self._mistakes.after(replace(delivery.entry, pending=delivery.pending), mistake)

    async def _deliver(self, delivery: Delivery, together: Round | None) -> None:
        """One attempt and its settlement, as far as its sender is not told later."""
        route = delivery.route
        if isinstance(route, RelayRoute):
            outcome = await self._relay(delivery, route)
            if outcome is None:
                return
        elif isinstance(route, DropRoute):
            outcome = await self._carriers.drop.carry(delivery)
        elif delivery.carrier is not None:
            outcome = await delivery.carrier.carry(delivery)
        elif isinstance(route, HoldRoute):
            await self._settling.hold(delivery.entry, delivery.pending)
            return
        else:
            outcome = {one.number: route.status for one in delivery.pending}
        if together is None:
            await self._settle([(delivery, outcome)])
        elif await self._settling.settle_in(together, (delivery, outcome)):
            self.wake()

    async def _relay(self, delivery: Delivery, route: RelayRoute) -> Mapping[int, Status] | None:
        """The outcome at another server; None for what cannot go now, and has gone back to the queue."""
        content, remote = delivery.entry.content, self._carriers.remote
        if remote.paced:
            turn = turn_of(delivery, remote, self._now(), self._rules())
            if isinstance(turn, timedelta):
                await self._leases.release(delivery.entry.key, delivery.pending, turn)
                return None
            if turn is not None:
                return turn
        if not self._room.take(route.destination, content):
            await self._give_back(delivery.entry.key, delivery.pending, route)
            return None
        try:
            return await remote.carry(delivery)
        finally:
            self._room.give(route.destination, content)

    async def _settle(self, attempts: list[Attempt], patient: bool = False) -> None:
        if await self._settling.settle(attempts, patient):
            self.wake()

    async def _give_back(self, key: str, pending: Sequence[Pending], route: RelayRoute) -> None:
        """A destination that has its share of the room gets the surplus from the queue later."""
        await self._leases.release(key, pending, timedelta(seconds=self._room.surplus_wait(route.destination)))

    async def _on_probation(self, entry: QueueEntry, deliveries: list[Delivery]) -> None:
        """A suspect is worked on alone. What could not be tried at all is given back: it must not be counted."""
        for route in [delivery.route for delivery in deliveries]:
            if isinstance(route, RelayRoute) and not self._room.shares(route.destination):
                await self._give_back(entry.key, entry.pending, route)
                return
        if await self._mistakes.on_probation(entry):
            await self._deliver_all(deliveries)

    async def _put_off(self, entry: QueueEntry, mistake: Exception) -> None:
        try:
            await self._mistakes.after(entry, mistake)
        except asyncio.CancelledError:
            self._leases.abandon(entry)
            raise
        finally:
            self._end(entry)

    # -- the end

    def resume(self) -> None:
        """Begin again after a stop."""
        self._claims.stopping = False

    async def stop(self, patience: float) -> None:
        """Begin nothing more; let what is under way end for `patience` seconds, then leave it to the queue."""
        self._claims.stop()
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
