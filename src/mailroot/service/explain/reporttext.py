"""The text of the report that a sender would get, cut out of the report that would be sent."""

import re
from datetime import datetime
from email import message_from_bytes
from email.policy import SMTP

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Recipient
from mailroot.mail.report import Kind, Making, Original, Outcome, compose
from mailroot.mail.status import Status
from mailroot.service.rules import Rules

_BLANKS = re.compile(r"\n{3,}")


def report_text(rules: Rules, sender: Mailbox | None, recipient: Recipient, status: Status, now: datetime) -> str:
    """What people read in the report of this failure; "" where the null sender is owed none."""
    if sender is None:
        return ""
    domain = rules.settings.delivery.masquerade_domain or rules.domains.default
    original = Original(sender, "", now, b"Subject: (the message)\r\n\r\n")
    making = Making(rules.fqdn, domain, now, f"<report@{rules.fqdn}>", "0" * 16, 1)
    report = compose(Kind.FAILURE, original, [Outcome(recipient, status)], making)
    first = next(message_from_bytes(report.content, policy=SMTP).iter_parts())
    text: str = first.get_content().replace("\r\n", "\n")
    return _BLANKS.sub("\n\n", text).strip()
