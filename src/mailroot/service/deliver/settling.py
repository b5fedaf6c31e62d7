"""Settlements: outcomes are made durable, together with the reports that they make due."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from mailroot.mail.faults import Fault
from mailroot.mail.status import Disposition, Status
from mailroot.queue.entry import AWAITED, FROZEN, UNRESOLVED, Pending, QueueEntry, SealedDraft, Settlement
from mailroot.queue.schedule import RetryPlan
from mailroot.queue.settle import Settled, settle, settle_held
from mailroot.routing.route import HoldRoute
from mailroot.service.deliver.delivery import Delivery
from mailroot.service.deliver.leases import Leases
from mailroot.service.deliver.resolving import Resolution
from mailroot.service.deliver.round import Round
from mailroot.service.deliver.told import tell_settled
from mailroot.service.report.ends import Ends, no_report_is_due, untold
from mailroot.service.rules import Rules

Attempt = tuple[Delivery, Mapping[int, Status]]

_AFTER_FAULT = timedelta(minutes=5)
_FROZEN = Status(Disposition.DELAYED, "4.3.0", "An operator of this mail server holds the message back.")
_UNRESOLVED = Status(Disposition.DELAYED, "4.4.3", "The directory that knows who gets the mail does not answer.")
_AWAITED = Status(Disposition.DELAYED, "4.4.0", "The message waits until the server of its domain asks for its mail.")


class Settling:
    """Settles for one dispatcher; `begin` is given the entries of reports, which are leased."""

    def __init__(
        self, rules: Callable[[], Rules], leases: Leases, ends: Ends, begin: Callable[[QueueEntry], None]
    ) -> None:
        self._rules = rules
        self._leases = leases
        self._ends = ends
        self._begin = begin

    async def settle(self, attempts: Sequence[Attempt], patient: bool = False) -> bool:
        """Make outcomes durable; whether somebody waits now."""
        rules, now = self._rules(), self._ends.now()
        both = [
            await self._consequences(rules, delivery.entry, _settled(rules, delivery, outcome, now))
            for delivery, outcome in attempts
        ]
        await self.apply([settlement for _, settlement in both], patient)
        waiting = False
        for (delivery, _), (settled, _) in zip(attempts, both, strict=True):
            waiting = self._tell(rules, delivery, settled) or waiting
        return waiting

    async def settle_in(self, round_: Round, attempt: Attempt) -> bool:
        """Make an outcome durable but for what `round_` keeps for later; whether somebody waits now."""
        rules, (delivery, outcome) = self._rules(), attempt
        settled = round_.keep(delivery, _settled(rules, delivery, outcome, self._ends.now()))
        if not settled.final and not settled.deferred:
            return False
        settled, settlement = await self._consequences(rules, delivery.entry, settled)
        await self.apply([settlement])
        return self._tell(rules, delivery, settled)

    async def settle_late(self, entry: QueueEntry, round_: Round) -> bool:
        """Settle what a round has kept, with one report for all failures; whether somebody waits now."""
        late = round_.take()
        if not late:
            return False
        rules = self._rules()
        joined, settlement = await self._consequences(rules, entry, _joined(entry, [settled for _, settled in late]))
        await self.apply([settlement])
        tell_settled(self._ends.emit, rules, entry, joined)
        for delivery, settled in late:
            self._ends.progress.settled(delivery, settled)
        return bool(joined.deferred)

    def _tell(self, rules: Rules, delivery: Delivery, settled: Settled) -> bool:
        tell_settled(self._ends.emit, rules, delivery.entry, settled, delivery.route)
        self._ends.progress.settled(delivery, settled)
        return bool(settled.deferred)

    async def hold(self, entry: QueueEntry, pending: Sequence[Pending]) -> None:
        """Tell the senders of those who are held what is due now, and hold them on.

        Who is not held yet is from now on, until the domain's server asks.
        """
        rules, now = self._rules(), self._ends.now()
        held = [replace(one, held=one.held or AWAITED, last=_told_of(rules, one)) for one in pending]
        parts = [settle_held(entry, some, now, plan) for plan, some in _by_plan(rules, held)]
        await self._one(rules, entry, _joined(entry, parts), Settlement(entry.key))

    async def resolved(self, entry: QueueEntry, resolution: Resolution) -> None:
        """Settle what a directory has decided, and hold who waits for it; those who are routed are not touched."""
        if resolution.waiting:
            await self.hold(entry, resolution.waiting)
        if not (resolution.outcome or resolution.replaced or resolution.added):
            return
        rules, now = self._rules(), self._ends.now()
        decided = [one for one in entry.pending if one.number in resolution.outcome]
        parts = [settle(entry, some, resolution.outcome, now, plan) for plan, some in _by_plan(rules, decided)]
        others = Settlement(entry.key, served=resolution.replaced, added=resolution.added)
        await self._one(rules, entry, _joined(entry, parts), others)

    async def apply(self, settlements: Sequence[Settlement], patient: bool = False) -> None:
        """Make settlements durable, and begin with their reports."""
        for report in await self._leases.settle(settlements, patient):
            self._begin(report)

    async def _one(self, rules: Rules, entry: QueueEntry, settled: Settled, others: Settlement) -> None:
        settled, settlement = await self._consequences(rules, entry, settled)
        served = (*settlement.served, *others.served)
        await self.apply([replace(settlement, served=served, added=others.added)])
        tell_settled(self._ends.emit, rules, entry, settled)

    async def _consequences(self, rules: Rules, entry: QueueEntry, settled: Settled) -> tuple[Settled, Settlement]:
        """What an attempt changes. Where its reports cannot be made, those who failed wait; the others are served."""
        reports: tuple[SealedDraft, ...] = ()
        if not no_report_is_due(settled):
            try:
                reports = await self._ends.report(rules, entry, settled)
            except Fault as fault:  # Badmail or the content cannot be used: nothing that was delivered is repeated
                settled = untold(settled, fault, self._ends.now() + _AFTER_FAULT)
        served = tuple([one.number for one, _ in settled.final])
        return settled, Settlement(entry.key, served, settled.deferred, reports)


def _settled(rules: Rules, delivery: Delivery, outcome: Mapping[int, Status], now: datetime) -> Settled:
    entry, pending = delivery.entry, delivery.pending
    if not rules.retries:
        return settle(entry, pending, outcome, now, rules.retry(delivery.route))
    return _joined(entry, [settle(entry, some, outcome, now, plan) for plan, some in _by_plan(rules, pending)])


def _told_of(rules: Rules, pending: Pending) -> Status:
    """What the sender of one who is held is told."""
    if pending.held == FROZEN:
        return _FROZEN
    if pending.held == UNRESOLVED:
        return _UNRESOLVED
    route = rules.plan.route(pending.recipient.address.domain)
    return route.status if isinstance(route, HoldRoute) else _AWAITED


def _by_plan(rules: Rules, pending: Iterable[Pending]) -> Iterable[tuple[RetryPlan, list[Pending]]]:
    """Recipients by how long and how often they are tried."""
    grouped: dict[RetryPlan, list[Pending]] = {}
    for one in pending:
        grouped.setdefault(rules.retry_for(one.recipient.address.domain), []).append(one)
    return grouped.items()


def _joined(entry: QueueEntry, parts: Sequence[Settled]) -> Settled:
    """The consequences for several groups of recipients of an entry in one."""
    if len(parts) == 1:
        return parts[0]
    return Settled(
        entry.key,
        tuple([each for part in parts for each in part.final]),
        tuple([each for part in parts for each in part.deferred]),
        tuple([each for part in parts for each in part.delayed]),
    )
