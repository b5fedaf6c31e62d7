"""Guarantee G6: what a mistake of ours leaves of an entry. It stays in the queue, in the end in Badmail.

Not responsible for suspects (`service.deliver.probation`).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from mailroot.mail.events import EVENTS
from mailroot.mail.faults import StoreFailed
from mailroot.queue.entry import QueueEntry, Settlement
from mailroot.queue.recovery import hopeless
from mailroot.service.deliver.leases import Leases
from mailroot.service.deliver.settling import Settling
from mailroot.service.report.ends import Ends
from mailroot.service.rules import Rules

_AFTER_MISTAKE = timedelta(minutes=5)


class Mistakes:
    """For one dispatcher: counts what went wrong by our own fault, and gives the entry back or up."""

    def __init__(self, rules: Callable[[], Rules], leases: Leases, ends: Ends, settling: Settling) -> None:
        self._rules = rules
        self._leases = leases
        self._ends = ends
        self._settling = settling

    async def after(self, entry: QueueEntry, mistake: Exception) -> None:
        """Count the failure and leave `entry.pending` to the queue for a while, in the end to Badmail. Never raises."""
        try:
            if isinstance(mistake, StoreFailed):
                raise mistake
            self._tell(f"entry {entry.key}", mistake)
            if not await self._given_up(entry, mistake):
                await self._leases.release(entry.key, entry.pending, _AFTER_MISTAKE)
        except StoreFailed as fault:
            self._ends.store_failed(fault)

    async def on_probation(self, entry: QueueEntry) -> bool:
        """Count the failure of a suspect before the try, so that a crash cannot hide it; whether to try."""
        entry = replace(entry, failures=await self._leases.failed(entry.key))
        if not hopeless(entry):
            return True
        await self._set_aside(entry, f"Working on it made the service fail {entry.failures - 1} times.")
        return False

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
            self._tell(f"badmail {entry.key}", fault)
            return False
        return True

    async def _set_aside(self, entry: QueueEntry, cause: str) -> None:
        await self._ends.set_aside(entry, cause)
        await self._settling.apply([Settlement(entry.key, tuple(one.number for one in entry.pending))])

    def _tell(self, task: str, mistake: Exception) -> None:
        self._ends.emit(EVENTS.task_failed, server=self._rules().key, task=task, cause=repr(mistake))
