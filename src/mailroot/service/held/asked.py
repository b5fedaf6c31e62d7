"""What sessions may ask of the mail that is held, whichever worker has it."""

from dataclasses import dataclass
from typing import Protocol

from mailroot.edge.outgoing import Connection
from mailroot.routing.held import Patterns


@dataclass(frozen=True, slots=True)
class Turned:
    """A connection on which its client is the server from now on, and what it is to have.

    `name` is what it called itself, `address` where it is; `tls` is the version that protects the connection, "" none.
    """

    connection: Connection
    session: str
    name: str
    address: str
    user: str
    tls: str
    patterns: Patterns


class HeldMail(Protocol):
    """The held mail of one virtual server, of all workers. Raises `Unavailable` where a worker cannot be asked."""

    async def waiting(self, patterns: Patterns) -> int:
        """How many recipients are held for these domains."""

    async def start(self, patterns: Patterns) -> int:
        """Have what is held for these domains tried, on connections of our own; how many recipients that are."""

    async def hand_over(self, turned: Turned) -> None:
        """Deliver what is held on a turned connection, say goodbye, and end it. Raises nothing."""
