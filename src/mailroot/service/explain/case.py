"""A case: the facts about a message, sent or not, from which everything else follows."""

from dataclasses import dataclass
from typing import Any

# As the client of a case where none is given.
SOMEBODY = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Case:
    """A message to ask about.

    `sender` and `recipients` are what would stand between `< >`; `sender` is "" for the null path. `client` is the
    address that it comes from; "" for the Pickup folder. `user` is the account that the client signs in to: it is taken
    to know its password. `tls`: the client asks for TLS; `implicit`: it has come by a binding where TLS comes first.
    `size` is what MAIL declares; None: nothing. `headers` are fields of the message, without line ends.
    """

    sender: str
    recipients: tuple[str, ...]
    client: str = SOMEBODY
    user: str = ""
    tls: bool = False
    implicit: bool = False
    size: int | None = None
    headers: tuple[str, ...] = ()
    hello: str = ""

    @property
    def by_pickup(self) -> bool:
        """Whether the message is a file in Pickup."""
        return not self.client

    def problem(self) -> str:
        """Why this can be no case; "" where it can."""
        every = (self.sender, *self.recipients, self.user, self.hello, *self.headers)
        if any(sign in text for text in every for sign in "\r\n\0"):
            return "no address, name or header field has line ends in it"
        return "" if self.recipients else "a message has at least one recipient"

    def facts(self) -> dict[str, Any]:
        """The case as JSON shows it."""
        return {
            "from": self.sender,
            "to": list(self.recipients),
            "client": self.client,
            "auth": self.user,
            "tls": self.tls or self.implicit,
            "size": self.size,
            "headers": list(self.headers),
        }
