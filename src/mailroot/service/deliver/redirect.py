"""What a trap's address has of a delivery: the message once, with the names of those that it was for.

Not responsible for where it goes (`routing.plan`): whoever carries a delivery redirects it.
"""

from collections.abc import Mapping
from dataclasses import replace

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Notify, Recipient
from mailroot.mail.message import Preceded
from mailroot.mail.status import Status
from mailroot.service.deliver.delivery import Delivery


def redirected(delivery: Delivery, address: Mailbox) -> Delivery:
    """The delivery to this address alone; X-Original-To names each recipient. Its server is to report to nobody."""
    entry, first = delivery.entry, delivery.pending[0]
    fields = "".join(f"X-Original-To: {one.recipient.address}\r\n" for one in delivery.pending).encode()
    pending = (replace(first, recipient=Recipient(address, Notify.NEVER)),)
    envelope = replace(entry.envelope, smtputf8=entry.envelope.smtputf8 or not fields.isascii())
    changed = replace(entry, content=Preceded(fields, entry.content), envelope=envelope, pending=pending)
    return Delivery(changed, pending, delivery.route)


def shared(outcome: Mapping[int, Status], delivery: Delivery) -> dict[int, Status]:
    """The one outcome of a redirected delivery, for every recipient of the delivery that it was."""
    (status,) = outcome.values()
    status = replace(status, dsn_passed_on=False)
    return {one.number: status for one in delivery.pending}
