"""What Pickup's messages become: the same envelope rules and header fields as for mail that came by SMTP.

Pickup is trusted: whoever may write into the folder may send as anybody to anybody, as in the predecessor (facts 2).
"""

from collections.abc import Mapping
from typing import Any

from mailroot import __version__
from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Body, Envelope, Recipient
from mailroot.mail.header import Trace, stamp
from mailroot.mail.reply import Reply
from mailroot.policy.recipient import stamped_recipient
from mailroot.policy.sender import stamped_sender
from mailroot.queue.entry import QueueEntry
from mailroot.service.intake import Intake, Taking
from mailroot.service.pickup.pickup import PickedUp, Receipt, Refused, Taken
from mailroot.service.receive.decisions import decide_header
from mailroot.service.rules import Rules
from mailroot.wire.extensions import MAIL_PARAMETERS, RCPT_PARAMETERS, Parameter, parse_parameters

_EMPTY_LINE = b"\r\n"


def receipt(rules: Rules, intake: Intake, picked: PickedUp) -> Receipt:
    """The message with its envelope and header completed, or why it is not taken."""
    sender = stamped_sender(picked.head.sender, rules.domains.default)
    trace = Trace(rules.fqdn, __version__)
    stamped = stamp(picked.head.header + _EMPTY_LINE, trace, intake.made(sender))
    refuse = decide_header(rules, stamped)
    if refuse is not None:
        return Refused(refuse.cause)
    said = _parameters(picked.head.sender_said, MAIL_PARAMETERS)
    recipients = tuple(_recipient(rules, address, picked.head.said[address]) for address in picked.head.recipients)
    international = not all(one.address.ascii for one in recipients) or not (sender is None or sender.ascii)
    body = Body.EIGHT_BIT if picked.eight_bit or stamped.eight_bit else Body.SEVEN_BIT
    ret, envid = said.get("ret"), said.get("envid")
    envelope = Envelope(sender, recipients, body, smtputf8=international, ret=ret, envid=envid)
    return Taken(envelope, stamped.head, stamped.message_id)


def by_pickup(entry: QueueEntry) -> Taking:
    """Why a message was taken that came by Pickup."""
    taking = Taking()
    for recipient in entry.envelope.recipients:
        taking.add(str(recipient.address), "whoever may write into Pickup may send to anybody")
    return taking


def _recipient(rules: Rules, address: Mailbox, parameters: str) -> Recipient:
    placed = address if address.domain else address.at(rules.domains.default)
    said = _parameters(parameters, RCPT_PARAMETERS)
    return stamped_recipient(Recipient(placed, said.get("notify"), said.get("orcpt")), rules.place(placed.domain))


def _parameters(text: str, known: Mapping[str, Parameter]) -> Mapping[str, Any]:
    """What parameters say. Faulty ones say nothing: there is nobody to whom they could be refused."""
    values = parse_parameters(text, known) if text else {}
    return {} if isinstance(values, Reply) else values
