"""What the sender would be told of a recipient: the reports that live mail would make of it, and the text in them."""

import re
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.policy import SMTP

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Envelope, Recipient
from mailroot.mail.message import BytesContent
from mailroot.mail.status import Disposition, Status
from mailroot.policy.chain import Finding, Step
from mailroot.queue.entry import Origin, Pending, QueueEntry
from mailroot.queue.settle import Settled
from mailroot.service.report.reports import Identity, Naming, Reported, Reporting, StormCap
from mailroot.service.rules import Rules

_BLANKS = re.compile(r"\n{3,}")
_LATE = Status(Disposition.DELAYED, "4.4.7")


@dataclass(frozen=True, slots=True)
class Told:
    """What the sender hears of a failure: the text of a report. Where that is "", `steps` say why, and what is done."""

    text: str
    steps: tuple[Step, ...] = ()


def told_of_failure(rules: Rules, sender: Mailbox | None, recipient: Recipient, status: Status, now: datetime) -> Told:
    """What the sender hears if the recipient fails with this status."""
    reported = _reported(rules, sender, recipient, status, now)
    if reported.made:
        return Told(_text(b"".join(reported.made[0].draft.content.pieces())))
    cause = reported.unreported[0][1]
    end = "it would be put into Badmail" if reported.badmail else "it would end without a report"
    return Told("", (Step("report", Finding.NOTE, f"{cause}; if it failed, {end}"),))


def hears_of_delay(rules: Rules, sender: Mailbox | None, recipient: Recipient, now: datetime) -> bool:
    """Whether the sender gets a notice where one is due for this recipient."""
    return bool(_reported(rules, sender, recipient, _LATE, now).made)


def _reported(rules: Rules, sender: Mailbox | None, recipient: Recipient, status: Status, now: datetime) -> Reported:
    """What live mail makes of this outcome of one recipient, whose message came at `now`."""
    pending = Pending(0, recipient, now, last=status)
    content = BytesContent(b"Subject: (the message)\r\n\r\n")
    entry = QueueEntry("", Envelope(sender, (recipient,)), content, Origin("smtp"), now, "", (pending,))
    settled = Settled("", ((pending, status),), (), ()) if status.final else Settled("", (), (pending,), (pending,))
    domain = rules.settings.delivery.masquerade_domain or rules.domains.default
    reporting = Reporting(Identity(rules.fqdn, domain), Naming("0" * 16, "A" * 19, lambda: 1), StormCap())
    expiration = rules.retry_for(recipient.address.domain).expiration
    return reporting.reports_for(entry, settled, now, lambda _pending: now + expiration)


def _text(report: bytes) -> str:
    """What people read in a report."""
    first = next(message_from_bytes(report, policy=SMTP).iter_parts())
    text: str = first.get_content().replace("\r\n", "\n")
    return _BLANKS.sub("\n\n", text).strip()
