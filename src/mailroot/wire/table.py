"""What the table of verbs is made of: the states of a connection, and a row. The rows stand in `verbs`."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailroot.mail.reply import REPLIES, Reply

if TYPE_CHECKING:
    from mailroot.wire.dialogue import Dialogue

COMMAND_LIMIT = 512  # RFC 5321 section 4.5.3.1.4
_TOO_LONG: Reply = REPLIES.line_too_long()


class State(enum.Enum):
    """Where a connection stands."""

    FRESH = enum.auto()
    """Not greeted yet, or in a TLS handshake: nothing is read."""
    GREETED = enum.auto()
    """No HELO or EHLO yet."""
    READY = enum.auto()
    """No transaction is open."""
    MAIL = enum.auto()
    """A sender was accepted."""
    RCPT = enum.auto()
    """At least one recipient was accepted."""
    CHUNKS = enum.auto()
    """Between the chunks of a message."""
    FAILED = enum.auto()
    """A chunk was refused: the transaction is over, but its client may have sent more chunks."""
    DATA = enum.auto()
    """Content up to CRLF.CRLF, and the answer to it."""
    CHUNK = enum.auto()
    """Content of a counted chunk, and the answer to it."""
    AUTH = enum.auto()
    """The next line is a response to a challenge, and no command."""


# Python 3.11 takes 400 ns to find a member by its class and runs Python code to hash it: hence names, and tuples.
FRESH, GREETED, READY, MAIL, RCPT, CHUNKS, FAILED, DATA, CHUNK, AUTH = State

NO_TRANSACTION = (READY, FAILED)
IN_TRANSACTION = (MAIL, RCPT, CHUNKS)
IN_CONTENT = (DATA, CHUNK)
ALWAYS = (GREETED, *NO_TRANSACTION, *IN_TRANSACTION)

NEEDED: dict[State, Reply] = {
    GREETED: REPLIES.hello_first(),
    READY: REPLIES.need_mail(),
    FAILED: REPLIES.need_mail(),
    MAIL: REPLIES.need_rcpt(),
    CHUNKS: REPLIES.bad_sequence(),
}
"""What a verb that came too early is answered."""


@dataclass(frozen=True, slots=True)
class Row:
    """What a verb may do.

    `legal`: the states in which it may come; elsewhere it is answered `otherwise`, or by what the state needs first.
    `then`: the state after a positive reply; None where it does not change. `ends_group`: RFC 2920 section 3.1;
    `alone`: input behind it breaks the rules (`strict_pipelining`). `parse` reads the argument; `act` obeys, and
    answers or asks; `answered` follows the caller's reply where `act` asked. `longest`: octets of its line with CRLF;
    a longer one is answered `too_long`. `clear`: it may come unencrypted even where TLS is required. `secret`: its
    argument is never shown to anybody.
    """

    verb: str
    source: str
    legal: tuple[State, ...]
    parse: Callable[[bytes, bool], Any]
    act: Callable[["Dialogue", Any], None]
    answered: Callable[["Dialogue", Reply], None] | None = None
    then: State | None = None
    otherwise: Reply | None = None
    ends_group: bool = False
    alone: bool = False
    longest: int = COMMAND_LIMIT
    too_long: Reply = _TOO_LONG
    clear: bool = False
    secret: bool = False
