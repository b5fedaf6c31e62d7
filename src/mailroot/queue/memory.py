"""The queue in memory: the contract of `queue.store` without a disk. What it keeps ends with its process.

It is the reference for every other store, and serves tests and dry runs. Nothing in it waits.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from mailroot.queue.entry import AWAITED, UNRESOLVED, Lease, Listed, Pending, QueueEntry, SealedDraft, Settlement
from mailroot.queue.ordering import By, Ordered, Ordering, Position
from mailroot.queue.schedule import CLOCK_SLACK
from mailroot.queue.selection import Change, Selection, effect, of_domain
from mailroot.queue.store import Changed, Taken
from mailroot.queue.summary import Summed, summed

_UNTIL = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class _Kept:
    """An entry, its waiting recipients by number, and which of them are leased."""

    entry: QueueEntry
    waiting: dict[int, Pending]
    leased: set[int]


class MemoryQueue:
    """A queue that keeps everything in memory, for one event loop."""

    def __init__(self, now: Callable[[], datetime], tag: str = "memory", longest_wait: timedelta | None = None) -> None:
        """`tag` begins the keys; `longest_wait` is the longest retry interval (4 hours unless given)."""
        self._now = now
        self._tag = tag
        self._longest_wait = longest_wait or timedelta(hours=4)
        self._count = 0
        self._kept: dict[str, _Kept] = {}
        self._claims: set[str] = set()

    async def commit(self, draft: SealedDraft) -> QueueEntry | None:
        """See `QueueStore.commit`."""
        return self._add(draft)

    def _add(self, draft: SealedDraft) -> QueueEntry | None:
        if draft.claim is not None:
            if draft.claim in self._claims:
                return None
            self._claims.add(draft.claim)
        self._count += 1
        key = f"{self._tag}{self._count:010x}"
        recipients = draft.envelope.recipients
        pending = tuple(Pending(number, recipient, draft.arrived) for number, recipient in enumerate(recipients))
        entry = QueueEntry(key, draft.envelope, draft.content, draft.origin, draft.arrived, draft.message_id, pending)
        numbers = set(range(len(pending))) if draft.lease else set()
        self._kept[key] = _Kept(entry, {one.number: one for one in pending}, numbers)
        return entry

    async def claim(self, now: datetime, limit: int) -> Sequence[Lease]:
        """See `QueueStore.claim`."""
        horizon = now + self._longest_wait + CLOCK_SLACK
        free = list(self._free())
        due = [(key, pending) for key, pending in free if pending.due <= now]
        misdated = [(key, pending) for key, pending in free if pending.due > horizon and not pending.held]
        return self._lease((sorted(due, key=_due) + sorted(misdated, key=_due))[:limit])

    def _lease(self, chosen: list[tuple[str, Pending]]) -> list[Lease]:
        grouped: dict[str, list[Pending]] = {}
        for key, pending in chosen:
            self._kept[key].leased.add(pending.number)
            grouped.setdefault(key, []).append(pending)
        return [
            Lease(replace(self._kept[key].entry, pending=tuple(sorted(pending, key=_number))), _UNTIL)
            for key, pending in grouped.items()
        ]

    async def claim_held(self, domain: str, after: str, limit: int) -> Taken:
        """See `QueueStore.claim_held`."""
        held = {(key, pending.number) for key, pending in self._held(domain)}
        rows = [row for row in self._from(after, await self.depth()) if _place(row) in held][:limit]
        leases = self._lease([(kept.entry.key, pending) for kept, pending in rows])
        return Taken(leases, 0, _cursor(rows, limit))

    async def count_held(self, domain: str) -> int:
        """See `QueueStore.count_held`."""
        return sum(of_domain(domain, awaited) for awaited in self._awaited())

    async def held_domains(self) -> Sequence[str]:
        """See `QueueStore.held_domains`."""
        return sorted(set(self._awaited()))

    def _awaited(self) -> list[str]:
        return [
            pending.recipient.address.domain_key
            for kept in self._kept.values()
            for pending in kept.waiting.values()
            if pending.held == AWAITED
        ]

    async def thaw(self, domain: str, now: datetime) -> int:
        """See `QueueStore.thaw`."""
        held = self._held(domain)
        for key, pending in held:
            self._kept[key].waiting[pending.number] = replace(pending, held="", due=now)
        return len(held)

    def _held(self, domain: str) -> list[tuple[str, Pending]]:
        return [(key, pending) for key, pending in self._free() if _is_held(pending, domain)]

    def _free(self) -> Iterator[tuple[str, Pending]]:
        for key, kept in self._kept.items():
            for number, pending in kept.waiting.items():
                if number not in kept.leased:
                    yield key, pending

    async def settle(self, *settlements: Settlement, patient: bool = False) -> Sequence[QueueEntry]:  # noqa: ARG002
        """See `QueueStore.settle`."""
        for settlement in settlements:
            kept = self._kept.get(settlement.key)
            if kept is not None:
                self._apply(kept, settlement)
        added = [self._add(report) for settlement in settlements for report in settlement.reports]
        return [entry for entry in added if entry is not None]

    def _apply(self, kept: _Kept, settlement: Settlement) -> None:
        for number in settlement.served:
            kept.waiting.pop(number, None)
            kept.leased.discard(number)
        for pending in settlement.deferred:
            if pending.number in kept.waiting:
                former = kept.waiting[pending.number]
                kept.waiting[pending.number] = replace(pending, held=pending.held or former.held, via=former.via)
                kept.leased.discard(pending.number)
                self._expect(pending)
        for pending in settlement.added:
            recipients = kept.entry.envelope.recipients
            kept.waiting[len(recipients)] = replace(pending, number=len(recipients), added=True)
            envelope = replace(kept.entry.envelope, recipients=(*recipients, pending.recipient))
            kept.entry = replace(kept.entry, envelope=envelope)
            self._expect(pending)
        if not kept.leased:
            kept.entry = replace(kept.entry, failures=0)
        self._drop_empty(settlement.key)

    def _expect(self, pending: Pending) -> None:
        if not pending.held:
            self._longest_wait = max(self._longest_wait, pending.due - self._now())

    def _drop_empty(self, key: str) -> None:
        if not self._kept[key].waiting:
            del self._kept[key]

    async def release(self, key: str, numbers: Sequence[int], due: datetime) -> None:
        """See `QueueStore.release`."""
        kept = self._kept.get(key)
        if kept is None:
            return
        self._longest_wait = max(self._longest_wait, due - self._now())
        for number in kept.leased.intersection(numbers):
            kept.leased.discard(number)
            kept.waiting[number] = replace(kept.waiting[number], due=due)

    async def next_due(self) -> datetime | None:
        """See `QueueStore.next_due`."""
        dues = [pending.due for _, pending in self._free()]
        if not dues:
            return None
        now = self._now()
        misdated = [one for _, one in self._free() if not one.held and one.due > now + self._longest_wait + CLOCK_SLACK]
        return now if misdated else min(dues)

    async def failed(self, key: str) -> int:
        """See `QueueStore.failed`; 0 where there is no such entry."""
        kept = self._kept.get(key)
        if kept is None:
            return 0
        kept.entry = replace(kept.entry, failures=kept.entry.failures + 1)
        return kept.entry.failures

    async def page(self, after: str, limit: int, key: str = "") -> Sequence[Listed]:
        """See `QueueStore.page`."""
        return [_listed(kept, pending) for kept, pending in self._from(after, limit, key)]

    def _from(self, after: str, limit: int, key: str = "") -> list[tuple[_Kept, Pending]]:
        """Waiting recipients from the one after a cursor, all or of one entry."""
        last, _, number = after.partition("/")
        cursor = (last, int(number) if number.isdecimal() else -1)
        rows = [
            (kept, pending)
            for kept in self._kept.values()
            for pending in kept.waiting.values()
            if (kept.entry.key, pending.number) > cursor and key in ("", kept.entry.key)
        ]
        return sorted(rows, key=_place)[:limit]

    async def ordered(self, ordering: Ordering, position: str, limit: int, key: str = "") -> Ordered:
        """See `QueueStore.ordered`."""
        start = ordering.start(position)
        rows = [(_position(row, ordering.by), _listed(*row)) for row in self._from("", await self.depth(), key)]
        listed = [row for row in rows if _stands(row[1], ordering.by)]
        beyond = [row for row in listed if (row[0] > start if ordering.upwards else row[0] < start)]
        page = sorted(beyond, key=lambda row: row[0], reverse=not ordering.upwards)[:limit]
        return Ordered(page, page[-1][0] if len(page) == limit else None)

    async def summed(self, after: str, limit: int) -> Summed:
        """See `QueueStore.summed`."""
        rows = self._from(after, limit)
        return Summed(summed([_listed(*row) for row in rows]), _cursor(rows, limit))

    async def entry(self, key: str) -> QueueEntry | None:
        """See `QueueStore.entry`."""
        kept = self._kept.get(key)
        return None if kept is None else replace(kept.entry, pending=tuple(sorted(kept.waiting.values(), key=_number)))

    async def change(self, selection: Selection, change: Change, after: str, limit: int) -> Changed:
        """See `QueueStore.change`."""
        rows = self._from(after, limit, selection.key)
        effects = effect([_listed(kept, pending) for kept, pending in rows], selection, change)
        for row in effects.changed:
            waiting = self._kept[row.key].waiting
            pending = waiting[row.recipient_number]
            due = pending.due if row.leased or row.due is None else row.due
            waiting[row.recipient_number] = replace(pending, due=due, held=row.held, via=row.via)
        for row in effects.removed:
            del self._kept[row.key].waiting[row.recipient_number]
            self._drop_empty(row.key)
        entries = effects.entries
        return Changed(sum(entries.values()), effects.in_delivery, _cursor(rows, limit), entries)

    async def take(self, selection: Selection, after: str, limit: int) -> Taken:
        """See `QueueStore.take`."""
        rows = self._from(after, limit, selection.key)
        meant = [(kept, pending) for kept, pending in rows if selection.means(_listed(kept, pending))]
        free = [(kept.entry.key, pending) for kept, pending in meant if pending.number not in kept.leased]
        return Taken(self._lease(free), len(meant) - len(free), _cursor(rows, limit))

    async def depth(self) -> int:
        """See `QueueStore.depth`."""
        return sum(len(kept.waiting) for kept in self._kept.values())

    async def forget(self, claims: Sequence[str]) -> None:
        """See `QueueStore.forget`."""
        self._claims.difference_update(claims)

    async def close(self) -> None:
        """See `QueueStore.close`."""
        for kept in self._kept.values():
            for number in kept.leased:
                kept.waiting[number] = replace(kept.waiting[number], due=self._now())
            kept.leased.clear()


def _is_held(pending: Pending, domain: str) -> bool:
    if not domain:
        return pending.held == UNRESOLVED
    return pending.held == AWAITED and of_domain(domain, pending.recipient.address.domain)


def _listed(kept: _Kept, pending: Pending) -> Listed:
    entry, last, leased = kept.entry, pending.last, pending.number in kept.leased
    return Listed(
        key=entry.key,
        sender=entry.envelope.sender_text,
        recipient=str(pending.recipient.address),
        size=entry.content.size,
        arrived=entry.arrived,
        due=None if leased else pending.due,
        attempts=pending.attempts,
        status="" if last is None else last.code,
        last="" if last is None else last.words,
        message_id=entry.message_id,
        recipient_number=pending.number,
        held=pending.held,
        via=pending.via,
        delay_reported=pending.delay_reported,
        leased=leased,
    )


def _place(row: tuple[_Kept, Pending]) -> tuple[str, int]:
    kept, pending = row
    return kept.entry.key, pending.number


def _position(row: tuple[_Kept, Pending], by: By) -> Position:
    kept, pending = row
    value = {By.ARRIVED: 0, By.DUE: int(pending.due.timestamp() * 1_000_000), By.ATTEMPTS: pending.attempts}[by]
    return Position(value, (int(kept.entry.key[-10:], 16) << 24) + pending.number)


def _stands(row: Listed, by: By) -> bool:
    """Whether a recipient stands in a list of this order."""
    return {By.ARRIVED: True, By.DUE: not row.leased and not row.held, By.ATTEMPTS: row.attempts > 0}[by]


def _cursor(rows: Sequence[tuple[_Kept, Pending]], limit: int) -> str:
    """The cursor after a full page; "" where nothing can follow."""
    if len(rows) < limit:
        return ""
    key, number = _place(rows[-1])
    return f"{key}/{number}"


def _number(pending: Pending) -> int:
    return pending.number


def _due(row: tuple[str, Pending]) -> tuple[datetime, str, int]:
    key, pending = row
    return pending.due, key, pending.number
