"""Where a message's life can end beside its delivery: a report to its sender, or Badmail."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Fault, StoreFailed
from mailroot.mail.status import Disposition, Status
from mailroot.queue.entry import Pending, QueueEntry, SealedDraft
from mailroot.queue.settle import Settled
from mailroot.service.measure.progress import Progress
from mailroot.service.report.badmail import Badmail
from mailroot.service.report.reports import Made, Reported, Reporting, Undeliverable
from mailroot.service.rules import Rules

_FAILED = Disposition.FAILED


@dataclass(frozen=True, slots=True)
class Ends:
    """Makes reports and keeps Badmail for one virtual server.

    `reporting` gives what makes reports under the rules in force. `store_failed` hears that a store is beyond use.
    """

    reporting: Callable[[], Reporting]
    badmail: Badmail
    emit: Emit
    now: Callable[[], datetime]
    store_failed: Callable[[StoreFailed], None]
    progress: Progress = field(default_factory=Progress)

    async def report(self, rules: Rules, entry: QueueEntry, settled: Settled) -> tuple[SealedDraft, ...]:
        """The reports that are due now, to be committed with the settlement; Badmail is written before it."""
        reporting = self.reporting()

        def expires(pending: Pending) -> datetime:
            return entry.arrived + rules.retry_for(pending.recipient.address.domain).expiration

        if entry.content.in_memory:
            reported = reporting.reports_for(entry, settled, self.now(), expires)
        else:
            reported = await asyncio.to_thread(reporting.reports_for, entry, settled, self.now(), expires)
        if reported.badmail:
            await self._keep(entry, reported.badmail)
        if reported.storm:
            self.emit(EVENTS.report_storm, server=rules.key, sender=reported.storm)
        self._tell(rules, entry, reported)
        return reported.drafts

    async def set_aside(self, entry: QueueEntry, cause: str) -> None:
        """Put an entry that our own program cannot work on into Badmail."""
        await self.badmail.keep_entry(entry, entry.pending, cause)

    async def _keep(self, entry: QueueEntry, failed: tuple[Undeliverable, ...]) -> None:
        """Keep the message whose sender cannot be told, with the recipients that failed together."""
        first = failed[0]
        pending = tuple(replace(one.pending, last=one.status) for one in failed)
        text = f"{first.cause}. {first.status.reply or first.status.reason}"
        await self.badmail.keep_entry(replace(entry, pending=pending), pending, text)

    def _tell(self, rules: Rules, entry: QueueEntry, reported: Reported) -> None:
        about = {"server": rules.key, "message_id": entry.message_id}
        for made in reported.made:
            self._tell_report(about, entry, made)
        for pending, cause in reported.unreported:
            recipient = str(pending.recipient.address)
            self.emit(EVENTS.not_reported, **about, entry=entry.key, recipient=recipient, cause=cause)

    def _tell_report(self, about: dict[str, str], entry: QueueEntry, made: Made) -> None:
        for pending in made.about:
            self.emit(
                EVENTS.reported,
                server=about["server"],
                entry=entry.key,
                message_id=made.draft.message_id,
                about=entry.message_id,
                recipient=str(pending.recipient.address),
                kind=made.kind.value,
            )


def no_report_is_due(settled: Settled) -> bool:
    """Whether all that happened are successes that nobody asked to hear of: by far the most frequent end."""
    if settled.delayed:
        return False
    for pending, status in settled.final:
        if pending.recipient.notify is not None or status.disposition is _FAILED:
            return False
    return True


def untold(settled: Settled, fault: Fault, due: datetime) -> Settled:
    """The consequences where reports could not be made: who failed stays until `due`, and notices are still owed."""
    last = Status(Disposition.DELAYED, "4.3.0", f"The failure could not be reported: {fault}")
    failed = [replace(one, due=due, last=last) for one, status in settled.final if status.disposition is _FAILED]
    final = tuple((one, status) for one, status in settled.final if status.disposition is not _FAILED)
    notified = {one.number for one in settled.delayed}
    deferred = [replace(one, delay_reported=False) if one.number in notified else one for one in settled.deferred]
    return Settled(settled.key, final, (*deferred, *failed), ())
