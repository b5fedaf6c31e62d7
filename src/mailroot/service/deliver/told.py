"""What operators are told of an attempt: one event for each recipient."""

from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.status import Disposition
from mailroot.queue.entry import Pending, QueueEntry
from mailroot.queue.settle import Settled
from mailroot.routing.route import Route
from mailroot.service.deliver.destinations import Destinations, led_to
from mailroot.service.rules import Rules


def tell_settled(emit: Emit, rules: Rules, entry: QueueEntry, settled: Settled, route: Route | None = None) -> None:
    """Tell what became of each recipient that was tried.

    `route` is the way of all of them; None where none was tried, or several: what the rules say then counts.
    """
    about = {"server": rules.key, "entry": entry.key, "message_id": entry.message_id}
    for one, status in settled.final:
        recipient = str(one.recipient.address)
        if status.disposition is Disposition.FAILED:
            emit(
                EVENTS.failed,
                **about,
                recipient=recipient,
                status=status.code,
                reason=status.words,
                destination=_destination(rules, one, route),
                remote=status.remote,
            )
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
            destination=_destination(rules, one, route),
            remote=last.remote if last else "",
        )


def _destination(rules: Rules, pending: Pending, route: Route | None) -> str:
    """Where a recipient goes, by the name that it has in the queue too."""
    domain = pending.recipient.address.domain_key
    return Destinations(lambda: rules.plan).name(domain, pending.via) if route is None else led_to(route, domain)
