"""The envelope: what MAIL and RCPT said, with their parameters."""

import enum
from dataclasses import dataclass

from mailroot.mail.address import Mailbox


class Body(enum.Enum):
    """What the client says of its content (RFC 6152, RFC 3030)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"
    BINARY = "BINARYMIME"


class Return(enum.Enum):
    """How much of the message a failure report carries (RFC 3461 section 4.3)."""

    FULL = "FULL"
    HEADERS = "HDRS"


class Notify(enum.Flag):
    """When the sender of a message wants a report (RFC 3461 section 4.1). NEVER stands alone."""

    NEVER = 0
    SUCCESS = enum.auto()
    FAILURE = enum.auto()
    DELAY = enum.auto()

    @property
    def words(self) -> str:
        """As RCPT has them."""
        return ",".join(wish.name or "" for wish in Notify if wish in self and wish.value) or "NEVER"


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient: the unit of status.

    `notify` is None where the client did not say; then failures and delays are reported (RFC 3461 section 4.1).
    `orcpt` is the original recipient as received, "rfc822;user@example.com", still in xtext; None where absent.
    """

    address: Mailbox
    notify: Notify | None = None
    orcpt: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """Sender, recipients and the parameters of MAIL.

    `sender` is None for the null reverse-path `<>` (RFC 5321 section 4.5.5). `envid` is still in xtext, None where
    absent; `ret` is None where absent.
    """

    sender: Mailbox | None
    recipients: tuple[Recipient, ...]
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False
    ret: Return | None = None
    envid: str | None = None

    @property
    def sender_text(self) -> str:
        """The reverse-path without its brackets; "" for the null path."""
        return "" if self.sender is None else str(self.sender)
