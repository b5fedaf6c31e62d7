"""What operators are told of an attempt: one event for each recipient."""

from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.status import Disposition
from mailroot.queue.entry import QueueEntry
from mailroot.queue.settle import Settled


def tell_settled(emit: Emit, server: str, entry: QueueEntry, settled: Settled) -> None:
    """Tell what became of each recipient that was tried."""
    about = {"server": server, "entry": entry.key, "message_id": entry.message_id}
    for one, status in settled.final:
        recipient = str(one.recipient.address)
        if status.disposition is Disposition.FAILED:
            emit(EVENTS.failed, **about, recipient=recipient, status=status.code, reason=status.words)
        elif status.disposition is not Disposition.EXPANDED:  # whoever asked the directory has told of it
            emit(EVENTS.delivered, **about, recipient=recipient, remote=status.remote, reply=status.reply)
    for one in settled.deferred:
        last = one.last
        emit(
            EVENTS.deferred,
            **about,
            recipient=str(one.recipient.address),
            status=last.code if last else "",
            reason=last.words if last else "",
            due=one.due.isoformat(timespec="seconds"),
        )
