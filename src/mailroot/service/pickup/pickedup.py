"""What Pickup's messages become: the same envelope rules and header fields as for mail that came by SMTP.

Pickup is trusted: whoever may write into the folder may send as anybody to anybody, as in the predecessor (facts 2).
"""

from mailroot import __version__
from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Body, Envelope, Recipient
from mailroot.mail.header import Trace, stamp
from mailroot.policy.recipient import stamped_recipient
from mailroot.policy.sender import stamped_sender
from mailroot.queue.entry import QueueEntry
from mailroot.service.intake import Intake, Taking
from mailroot.service.pickup.pickup import PickedUp, Receipt, Refused, Taken
from mailroot.service.receive.decisions import decide_header
from mailroot.service.rules import Rules

_EMPTY_LINE = b"\r\n"


def receipt(rules: Rules, intake: Intake, picked: PickedUp) -> Receipt:
    """The message with its envelope and header completed, or why it is not taken."""
    sender = stamped_sender(picked.head.sender, rules.domains.default)
    trace = Trace(rules.fqdn, __version__)
    stamped = stamp(picked.head.header + _EMPTY_LINE, trace, intake.made(sender))
    refuse = decide_header(rules, stamped)
    if refuse is not None:
        return Refused(refuse.cause)
    recipients = tuple(_recipient(rules, address) for address in picked.head.recipients)
    international = not all(one.address.ascii for one in recipients) or not (sender is None or sender.ascii)
    body = Body.EIGHT_BIT if picked.eight_bit or stamped.eight_bit else Body.SEVEN_BIT
    envelope = Envelope(sender, recipients, body, smtputf8=international)
    return Taken(envelope, stamped.head, stamped.message_id)


def by_pickup(entry: QueueEntry) -> Taking:
    """Why a message was taken that came by Pickup."""
    taking = Taking()
    for recipient in entry.envelope.recipients:
        taking.add(str(recipient.address), "whoever may write into Pickup may send to anybody")
    return taking


def _recipient(rules: Rules, address: Mailbox) -> Recipient:
    placed = address if address.domain else address.at(rules.domains.default)
    return stamped_recipient(Recipient(placed), rules.place(placed.domain))
