"""What became of a recipient (RFC 3464 section 2.3, RFC 3463)."""

import enum
from dataclasses import dataclass


class Disposition(enum.Enum):
    """The action of a delivery status (RFC 3464 section 2.3.3)."""

    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"
    DELAYED = "delayed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Status:
    """The outcome of one attempt for one recipient.

    `code` is an enhanced status code, "5.1.1". `reason` is a sentence for people. `reply` is what a remote server
    said, without line breaks, "550 5.1.1 No such user"; "" where no server answered. `remote` is that server's name;
    "" where there was none. `dsn_passed_on` is True where the next server promised to report by itself (RFC 3461).
    """

    disposition: Disposition
    code: str
    reason: str = ""
    reply: str = ""
    remote: str = ""
    dsn_passed_on: bool = False

    @property
    def words(self) -> str:
        """What an operator is shown: the reply, with our reason before it where it did not speak of the message.

        Such a reply is of another class than the code: a sign-in that was refused for good only delays the mail.
        """
        if self.reply.startswith(self.code[:1]):
            return self.reply
        return " ".join(part for part in (self.reason, self.reply) if part) or self.code

    @property
    def final(self) -> bool:
        """Whether the recipient needs no further attempt."""
        return self.disposition is not Disposition.DELAYED
