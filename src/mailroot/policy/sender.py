"""What MAIL may say."""

from mailroot.mail.address import Mailbox
from mailroot.mail.reply import REPLIES
from mailroot.policy.client import Client
from mailroot.policy.verdict import Accept, Refuse, Verdict
from mailroot.settings.access import Access


def may_send(client: Client, access: Access) -> Verdict:
    """Whether the client may begin a mail transaction (facts 5.4: anonymous access)."""
    if client.user or access.anonymous:
        return Accept(f"signed in as {client.user}" if client.user else "access.anonymous is on")
    return Refuse(REPLIES.anonymous_not_allowed(), "the client is anonymous, and access.anonymous is off")


def stamped_sender(sender: Mailbox | None, default_domain: str) -> Mailbox | None:
    """The sender with the default domain where it came without a domain (facts 5.4)."""
    if sender is None or sender.domain:
        return sender
    return sender.at(default_domain)
