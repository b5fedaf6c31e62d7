"""What waits, added up by the domain of its recipients: a part of a queue at a time, without a row for each of them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from mailroot.mail.address import domain_key
from mailroot.queue.entry import UNRESOLVED, Listed


class Sum(NamedTuple):
    """The recipients of one domain that wait for one way (`via` as in `Pending`).

    `first` and `last` are the keys of the first and the last of their `messages`. Each recipient counts in one of the
    numbers from `unresolved` to `untried`: held until a directory answers, held otherwise, leased, tried in vain and
    waiting, waiting for its first attempt. `oldest` is when the oldest message arrived; `due` the earliest next attempt
    of those that wait for one. `attempts` is the most that one of them has; `said` the outcome of an attempt on one of
    those that were tried latest, "" where nobody was.
    """

    domain: str
    via: str
    first: str
    last: str
    messages: int
    unresolved: int
    held: int
    leased: int
    tried: int
    untried: int
    oldest: datetime
    due: datetime | None
    attempts: int
    said: str

    @property
    def recipients(self) -> int:
        """How many they are."""
        return self.unresolved + self.held + self.leased + self.tried + self.untried


class Summed(NamedTuple):
    """The sums of a part of a queue, and the cursor of the part to come, "" where this was the last one."""

    sums: Sequence[Sum]
    next: str


def summed(rows: Iterable[Listed]) -> list[Sum]:
    """The sums of some rows."""
    ordered = sorted(rows, key=_way)
    return [_sum(domain, via, list(group)) for (domain, via), group in groupby(ordered, _way)]


def _way(row: Listed) -> tuple[str, str]:
    return domain_key(row.recipient.rpartition("@")[2]), row.via


def _sum(domain: str, via: str, rows: list[Listed]) -> Sum:
    keys = {row.key for row in rows}
    free = [row for row in rows if not row.held and not row.leased]
    tried = [row for row in rows if row.last]
    return Sum(
        domain,
        via,
        min(keys),
        max(keys),
        len(keys),
        unresolved=sum(row.held == UNRESOLVED for row in rows),
        held=sum(row.held not in ("", UNRESOLVED) for row in rows),
        leased=sum(row.leased and not row.held for row in rows),
        tried=sum(row.attempts > 0 for row in free),
        untried=sum(not row.attempts for row in free),
        oldest=min(row.arrived for row in rows),
        due=min((row.due for row in free if row.due is not None), default=None),
        attempts=max(row.attempts for row in rows),
        said=max(tried, key=_latest).last if tried else "",
    )


def _latest(row: Listed) -> tuple[bool, float]:
    """Who was tried latest is mostly who is due latest."""
    return row.due is None, 0.0 if row.due is None else row.due.timestamp()
