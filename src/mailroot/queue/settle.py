"""What an attempt changes: who is served, who waits and until when, who is owed a notice."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from mailroot.mail.status import Disposition, Status
from mailroot.queue.entry import Pending, QueueEntry
from mailroot.queue.schedule import RetryPlan, exhausted, expired, held_until, next_attempt, notice_due

# RFC 3463 section 3.5: delivery time expired.
EXPIRED = "4.4.7"
_HELD = Status(Disposition.DELAYED, "4.3.0", "The message is held.")


@dataclass(frozen=True, slots=True)
class Settled:
    """The consequences of one attempt on some recipients of an entry.

    `final` leave the entry, each with its outcome (delivered, relayed, expanded, failed; a recipient that expired is
    failed). `deferred` stay, as they are from now on. `delayed` are those of `deferred` whose sender is owed a delay
    notice now; `delay_reported` is already set in them.
    """

    key: str
    final: tuple[tuple[Pending, Status], ...]
    deferred: tuple[Pending, ...]
    delayed: tuple[Pending, ...]


def settle(
    entry: QueueEntry, pending: Iterable[Pending], outcome: Mapping[int, Status], now: datetime, plan: RetryPlan
) -> Settled:
    """The consequences of an attempt on `pending`, recipients of `entry`; `outcome` has each one's status by number.

    A recipient expires only here, together with an attempt that was made after its time: a clock that jumps forward
    makes attempts early, it gives nobody up untried. Attempts are counted in all that is returned. Who is held was
    tried because the domain's server asked, and waits until it asks again.
    """
    final: list[tuple[Pending, Status]] = []
    deferred: list[Pending] = []
    delayed: list[Pending] = []
    for recipient in pending:
        status = outcome[recipient.number]
        attempts = recipient.attempts + 1
        tried = Pending(
            recipient.number,
            recipient.recipient,
            recipient.due,
            attempts,
            recipient.delay_reported,
            status,
            recipient.held,
            recipient.via,
            recipient.added,
        )
        if status.final:
            final.append((tried, status))
        elif exhausted(tried.attempts, plan) or expired(entry.arrived, now, plan):
            final.append((tried, given_up(status)))
        else:
            notice = notice_due(tried, entry.arrived, now, plan)
            reported = tried.delay_reported or notice
            if tried.held:
                due = held_until(reported, entry.arrived, plan)
            else:
                due = next_attempt(tried.attempts, entry.arrived, now, plan)
            waiting = replace(tried, due=due, delay_reported=reported)
            deferred.append(waiting)
            if notice:
                delayed.append(waiting)
    return Settled(entry.key, tuple(final), tuple(deferred), tuple(delayed))


def settle_held(entry: QueueEntry, pending: Iterable[Pending], now: datetime, plan: RetryPlan) -> Settled:
    """What becomes of recipients that are held, at a moment when something is due; none of them was tried.

    `Pending.last` has what their senders are told, in the end too: here the clock alone gives a message up.
    """
    final: list[tuple[Pending, Status]] = []
    deferred: list[Pending] = []
    delayed: list[Pending] = []
    for recipient in pending:
        if expired(entry.arrived, now, plan):
            final.append((recipient, given_up(recipient.last or _HELD)))
            continue
        notice = notice_due(recipient, entry.arrived, now, plan)
        reported = recipient.delay_reported or notice
        due = held_until(reported, entry.arrived, plan)
        waiting = replace(recipient, due=due, delay_reported=reported)
        deferred.append(waiting)
        if notice:
            delayed.append(waiting)
    return Settled(entry.key, tuple(final), tuple(deferred), tuple(delayed))


def given_up(last: Status) -> Status:
    """Failure by time: 4.4.7, with what the last attempt was told."""
    return replace(last, disposition=Disposition.FAILED, code=EXPIRED)
