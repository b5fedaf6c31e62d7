"""Deliveries that must wait for their turn, because their destination's pace is used up (`service.relay.turns`)."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from mailroot.mail.status import Status
from mailroot.queue.entry import Pending
from mailroot.queue.schedule import is_overdue
from mailroot.service.deliver.delivery import Delivery
from mailroot.service.relay.remote import RemoteCarrier
from mailroot.service.rules import Rules


def turn_of(
    delivery: Delivery, carrier: RemoteCarrier, now: datetime, rules: Rules
) -> timedelta | Mapping[int, Status] | None:
    """None where a delivery may go now, and is counted. Otherwise how long it waits in the queue.

    One that has waited until its sender must hear of it has an outcome instead, as after an attempt: mail expires, and
    its delay is told of, whether a server or a pace held it up.
    """
    wait = carrier.wait_for_turn(delivery)
    if not wait:
        return None
    if any(_is_overdue(one, delivery.entry.arrived, now, rules) for one in delivery.pending):
        status = carrier.held_up(delivery)
        return {one.number: status for one in delivery.pending}
    return timedelta(seconds=wait)


def _is_overdue(pending: Pending, arrived: datetime, now: datetime, rules: Rules) -> bool:
    return is_overdue(pending, arrived, now, rules.retry_for(pending.recipient.address.domain))
