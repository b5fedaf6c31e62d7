"""When a recipient is tried again, warned about, and given up.

Not responsible for what an attempt changes (`queue.settle`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mailroot.queue.entry import Pending

# Stores take a due further ahead than the longest wait for a clock that jumped back. A claim's moment is read before
# settlements that are made durable ahead of it; this much is no jump.
CLOCK_SLACK = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """How long and how often recipients are tried.

    `intervals` are the waits between attempts, one or more, the last one repeats. `attempts` is the most that are
    made; 0: as many as fit before the expiration. `delay_notification` and `expiration` count from the message's
    arrival. Drop routes have their own plan, from the `local_` settings.
    """

    intervals: tuple[timedelta, ...]
    attempts: int
    delay_notification: timedelta
    expiration: timedelta

    @property
    def longest_wait(self) -> timedelta:
        """The longest interval: a due further ahead was set before the clock jumped back."""
        return max(self.intervals)


def next_attempt(attempts: int, arrived: datetime, now: datetime, plan: RetryPlan) -> datetime:
    """When to try again after so many attempts, at least one: after its interval, but no later than the expiration."""
    wait = plan.intervals[min(attempts, len(plan.intervals)) - 1]
    expires = arrived + plan.expiration
    return min(now + wait, expires) if expires > now else now + wait


def expired(arrived: datetime, now: datetime, plan: RetryPlan) -> bool:
    """Whether the message has waited long enough. Asked only after an attempt: no clock alone gives up a message."""
    return now >= arrived + plan.expiration


def exhausted(attempts: int, plan: RetryPlan) -> bool:
    """Whether no further attempt is allowed."""
    return 0 < plan.attempts <= attempts


def is_overdue(pending: Pending, arrived: datetime, now: datetime, plan: RetryPlan) -> bool:
    """Whether its sender is to hear of it, as delayed or given up, though no attempt can be made now."""
    return expired(arrived, now, plan) or notice_due(pending, arrived, now, plan)


def notice_due(pending: Pending, arrived: datetime, now: datetime, plan: RetryPlan) -> bool:
    """Whether the sender is owed a delay notice: once, and never where it would not come before the expiration."""
    if pending.delay_reported or plan.delay_notification >= plan.expiration:
        return False
    return now >= arrived + plan.delay_notification


def held_until(delay_reported: bool, arrived: datetime, plan: RetryPlan) -> datetime:
    """When something happens next to a recipient that is held: its sender is told, or it is given up."""
    if delay_reported or plan.delay_notification >= plan.expiration:
        return arrived + plan.expiration
    return arrived + plan.delay_notification


def coming_attempts(pending: Pending, arrived: datetime, plan: RetryPlan, most: int) -> list[datetime]:
    """When a recipient that waits would be tried, if every attempt failed at once: up to `most`, the last one included.

    Who is held is not tried, so nothing comes.
    """
    coming: list[datetime] = []
    moment, attempts = pending.due, pending.attempts
    while not pending.held and len(coming) < most:
        coming.append(moment)
        attempts += 1
        if exhausted(attempts, plan) or expired(arrived, moment, plan):
            break
        moment = next_attempt(attempts, arrived, moment, plan)
    return coming
