"""Masquerade: one domain in place of all local ones in the sender's address (facts 1.4)."""

from mailroot.mail.address import Mailbox
from mailroot.routing.domains import DomainTable
from mailroot.settings.domains import DomainType


class Masquerade:
    """The masquerade of one revision of a virtual server's settings. `domain` stands in place of local domains."""

    def __init__(self, domain: str, domains: DomainTable) -> None:
        self._domain = domain
        self._domains = domains

    def hides(self, sender: Mailbox | None) -> bool:
        """Whether the sender's domain is one that other servers are not to see."""
        if sender is None:
            return False
        match = self._domains.find(sender.domain)
        return match is not None and match.domain.type is not DomainType.REMOTE

    def sender(self, sender: Mailbox) -> Mailbox:
        """What other servers see of such a sender."""
        return sender.at(self._domain)


def is_first_hop(received: int) -> bool:
    """Whether a message entered the mail here, by the number of its Received fields, of which one is our own.

    What others have sent on to us keeps the sender that it came with (facts 1.4: "first hop only").
    """
    return received <= 1
