"""What a connection has come to: its state, what is owed and what waits to be written; and how it answers.

The verbs (`verbs`) and the readers of content (`content`) work on it; `server` drives them. Not responsible for what
any command means.
"""

from collections import deque
from collections.abc import Mapping

from mailroot.mail.envelope import Body
from mailroot.mail.reply import REPLIES, Reply
from mailroot.wire.body import ChunkReader, DotReader
from mailroot.wire.commands import Chunk
from mailroot.wire.events import Event, Fault, TransactionReset
from mailroot.wire.incoming import Incoming
from mailroot.wire.journal import LEADING, Journal
from mailroot.wire.lines import Input
from mailroot.wire.profile import ServerProfile
from mailroot.wire.table import FRESH, IN_TRANSACTION, READY, Row


class Transaction:
    """What MAIL opened: the little of it that the engine itself needs. One that is not open is `CLOSED`."""

    __slots__ = ("body", "incoming", "reader", "recipients", "refused", "smtputf8")

    def __init__(self, body: Body = Body.SEVEN_BIT, smtputf8: bool = False) -> None:
        self.body = body
        self.smtputf8 = smtputf8
        self.recipients = 0
        self.refused = 0
        """Recipients that the caller refused."""
        self.incoming: Incoming | None = None
        self.reader: DotReader | ChunkReader | None = None


CLOSED = Transaction()
"""No transaction is open. Nobody changes it: what would is not legal then."""


class Dialogue:
    """The state of one connection. Its attributes are for the modules of this package alone."""

    __slots__ = (
        "attempts",
        "bare_line_noted",
        "chunk",
        "chunk_left",
        "chunk_refusal",
        "closing",
        "ended",
        "errors",
        "events",
        "extended",
        "flush",
        "hushed",
        "input",
        "journal",
        "junk",
        "out",
        "owed",
        "profile",
        "progress",
        "resume",
        "rows",
        "session_size",
        "signed_in",
        "state",
        "transaction",
    )

    def __init__(self, profile: ServerProfile, rows: Mapping[bytes, Row], journal: Journal | None = None) -> None:
        self.profile = profile
        self.journal = journal
        """Where what the client said is noted, before it is answered; None where nobody wants to know."""
        self.rows = rows
        """The table of verbs that counts now."""
        self.state = FRESH
        self.transaction = CLOSED
        self.extended = True
        """False once HELO was said: no pipelining then."""
        self.input = Input()
        self.events: deque[Event] = deque()
        self.owed: Row | None = None
        """Who waits for the caller's reply."""
        self.out: list[bytes] = []
        self.flush = self.closing = self.ended = self.bare_line_noted = False
        self.progress = self.errors = self.junk = self.attempts = 0
        self.signed_in = False
        self.hushed = False
        """AUTH or DATA was refused: what follows may be the password or the content, which some send all the same."""
        self.session_size = 0
        """Octets of the messages that were accepted."""
        self.chunk = Chunk(0, last=False)
        self.chunk_left = 0
        self.chunk_refusal: Reply | None = None
        """The answer to a chunk that is skipped."""
        self.resume = READY
        """The state after a chunk that is skipped."""

    def say(self, reply: Reply) -> None:
        """Answer."""
        self.out.append(reply.encode())

    def ask(self, event: Event, row: Row) -> None:
        """Have the caller answer: until it does, nothing else happens."""
        self.events.append(event)
        self.owed = row

    def refuse(self, reply: Reply, about: str) -> None:
        """Answer a protocol fault, unless it was one too many."""
        self.hushed = self.hushed or about in LEADING
        if not self.is_one_error_too_many():
            repeats = self.hushed and about in {"MAIL", "RCPT"}  # a word of what may be a secret, or content
            told = f"{reply.code} {reply.enhanced}" if repeats else reply.text
            self.events.append(Fault("refused", f"{about}: {told}"))
            self.say(reply)

    def say_unless_junk(self, reply: bytes) -> None:
        """Answer what brings no mail forward, unless there was too much of it."""
        if not self.is_too_much_junk():
            self.out.append(reply)

    def is_too_much_junk(self) -> bool:
        """Count a command that brings no mail forward. True if it was answered by 421."""
        self.junk += 1
        return self.junk > self.profile.junk_limit > 0 and self.is_one_error_too_many()

    def is_one_error_too_many(self) -> bool:
        """Count a fault. True if it was the last one and was answered by 421."""
        self.errors += 1
        limit = self.profile.error_limit
        if not limit or self.errors < limit:
            return False
        self.break_off("too-many-errors", f"{limit} errors", REPLIES.too_many_errors(fqdn=self.profile.fqdn))
        return True

    def reset(self, cause: str) -> None:
        """End an open transaction without a message."""
        if self.state in IN_TRANSACTION:
            self.events.append(TransactionReset(cause))
            self.state = READY
        self.transaction = CLOSED

    def break_off(self, kind: str, cause: str, reply: Reply) -> None:
        """Close because of a fault."""
        self.events.append(Fault(kind, cause))
        self.close(reply)

    def close(self, reply: Reply) -> None:
        """Say a last word. What came and is not used is forgotten."""
        incoming = self.transaction.incoming
        if self.state in IN_TRANSACTION and (incoming is None or incoming.failure is None):
            self.events.append(TransactionReset(reply.text))
        self.say(reply)
        self.flush = self.closing = True
        self.input.clear()
