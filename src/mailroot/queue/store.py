"""What every queue store is, and what it guarantees; `tests/contract` holds each one to it.

G1 an entry never exists without its complete content. G2 what `commit` returned survives a power cut. G3 a recipient
leaves an entry only by `settle`, or by `change` because an operator removed it. G4 there is at most one valid lease on
a recipient. G5 a settlement and its reports are one transaction. G6 is kept by `recovery` with the failures that the
store counts.
"""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from mailroot.queue.entry import Lease, Listed, QueueEntry, SealedDraft, Settlement
from mailroot.queue.ordering import Ordered, Ordering
from mailroot.queue.selection import Change, Selection
from mailroot.queue.summary import Summed


class Changed(NamedTuple):
    """What a page of a change came to: how many recipients were changed, and how many were meant, but are in delivery.

    `next` is the cursor of the page to come, "" where this was the last one. `entries` has how many by their entries'
    keys.
    """

    recipients: int
    in_delivery: int
    next: str
    entries: Mapping[str, int]


class Taken(NamedTuple):
    """Leases on recipients that were selected; the rest as in `Changed`."""

    leases: Sequence[Lease]
    in_delivery: int
    next: str


class QueueStore(Protocol):
    """A durable queue. Every method may raise `Unavailable`; `DiskFull` and `StoreFailed` are kinds of it."""

    def commit(self, draft: SealedDraft) -> Awaitable[QueueEntry | None]:
        """Make the message durable and ours.

        When the result is there, the message survives a power cut. None: its claim was committed before, so nothing
        was done. Calls that overlap share one transaction and one sync. After `StoreFailed` the message's fate is
        unknown: answer 451; the client's repetition may double it, never lose it. With `draft.lease` the entry's
        recipients are leased to the caller until it settles or releases them or the process ends.
        """

    def claim(self, now: datetime, limit: int) -> Awaitable[Sequence[Lease]]:
        """Lease up to `limit` recipients that are due and not leased, the longest due first, grouped by entry.

        Who is held is due only when its sender is owed a notice, or the end.
        """

    def claim_held(self, domain: str, after: str, limit: int) -> Awaitable[Taken]:
        """Lease up to `limit` recipients that are held for a domain's server (`AWAITED`), from those after a cursor.

        `domain` is one, or "*.example.com" for all below it. The oldest entries of a domain come first. Who is claimed
        stays held where it is released or deferred; the cursor sees to it that nobody is claimed twice in one turn.
        """

    def count_held(self, domain: str) -> Awaitable[int]:
        """How many recipients are held for a domain's server, as in `claim_held`; leased ones included."""

    def held_domains(self) -> Awaitable[Sequence[str]]:
        """The domains, as they are compared, for whose servers somebody is held (`AWAITED`)."""

    def thaw(self, domain: str, now: datetime) -> Awaitable[int]:
        """Hold the mail for a domain (as in `claim_held`) no longer: it is due now; how many recipients that were.

        "" stands for all that waits for a directory (`UNRESOLVED`).
        """

    def settle(self, *settlements: Settlement, patient: bool = False) -> Awaitable[Sequence[QueueEntry]]:
        """Apply settlements, durably and together; the leases of the recipients that they name end with it.

        `patient` settlements may wait some milliseconds to share a transaction with what comes next: for deliveries
        whose repetition after a crash would do no harm.
        Returns the entries of their reports, each leased to the caller where its draft asks for it.
        """

    def release(self, key: str, numbers: Sequence[int], due: datetime) -> Awaitable[None]:
        """Give leases back unused; the recipients are due again at `due`. No attempt is counted."""

    def next_due(self) -> Awaitable[datetime | None]:
        """When the earliest recipient that is not leased is due; None where all are leased or none waits."""

    def failed(self, key: str) -> Awaitable[int]:
        """Count one more failure of the work on this entry, durably, and return their number (guarantee G6)."""

    def page(self, after: str, limit: int, key: str = "") -> Awaitable[Sequence[Listed]]:
        """Waiting recipients in the order of their entries, from the one after the cursor `after` ("" : the first).

        With `key`, those of this entry alone. The cursor of a row is "key/recipient_number".
        """

    def ordered(self, ordering: Ordering, position: str, limit: int, key: str = "") -> Awaitable[Ordered]:
        """Up to `limit` waiting recipients in an order, from a position on ("": where the order begins).

        With `key`, those of this entry alone, by arrival. Raises `Misconfigured` where that is no position.
        """

    def summed(self, after: str, limit: int) -> Awaitable[Summed]:
        """The sums of up to `limit` waiting recipients from the one after a cursor, "key/recipient_number"."""

    def entry(self, key: str) -> Awaitable[QueueEntry | None]:
        """The entry with all its waiting recipients; None where there is none."""

    def change(self, selection: Selection, change: Change, after: str, limit: int) -> Awaitable[Changed]:
        """Look at up to `limit` waiting recipients from the one after the cursor; change those that are meant.

        Each page is one transaction. Who is leased is not removed, and keeps its lease.
        """

    def take(self, selection: Selection, after: str, limit: int) -> Awaitable[Taken]:
        """Look at up to `limit` waiting recipients from the one after the cursor; lease those that are meant."""

    def depth(self) -> Awaitable[int]:
        """How many recipients wait, leased ones included."""

    def forget(self, claims: Sequence[str]) -> Awaitable[None]:
        """Drop the memory of claims whose sources are durably gone and so cannot be committed again."""

    def close(self) -> Awaitable[None]:
        """Finish what was begun and close. Leases that are still held are void: their recipients are due again."""
