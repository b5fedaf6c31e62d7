"""What the server engine tells its caller. Nothing here decides anything.

Nine events owe a reply: `MailFrom`, `RcptTo`, `DataRequested`, `BodyEnd`, `TlsRequested`, `AuthRequested`,
`AuthResponse`, `QueueRequested` and `TurnRequested`. No other event follows until `ServerEngine.reply` has been called.
All others are statements.
"""

from typing import NamedTuple

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Body, Recipient, Return
from mailroot.mail.reply import Reply


class Hello(NamedTuple):
    """The client said its name; the engine has answered. `name` is "" where HELO came alone."""

    name: str
    extended: bool


class MailFrom(NamedTuple):
    """MAIL. Owes a reply: a positive one opens the transaction.

    `sender` is None for `<>`; its domain is "" where the client gave none. `size` is None where not declared; `envid`
    is still in xtext.
    """

    sender: Mailbox | None
    size: int | None = None
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False
    ret: Return | None = None
    envid: str | None = None
    auth: str | None = None
    """Who is said to have submitted the message (RFC 4954 section 5), in xtext: no more than what a client says."""


class RcptTo(NamedTuple):
    """RCPT. Owes a reply: a positive one adds the recipient."""

    recipient: Recipient


class DataRequested(NamedTuple):
    """The client wants to send the content. Owes a reply: `REPLIES.start_input()`, or a refusal.

    With `chunked` (the first BDAT) a positive reply only means yes and is not sent, because BDAT knows no 354; a
    refusal is sent after the octets of the chunk. A refusal does not end the transaction; RSET and the like do.
    """

    chunked: bool


class BodyPiece(NamedTuple):
    """More content, as it will be stored: dot-unstuffed, lines ended by CRLF unless it is BINARYMIME. Never empty."""

    data: bytes


class BodyEnd(NamedTuple):
    """The content is complete: `size` octets in all pieces. Owes a reply, the answer to the message; any reply ends
    the transaction. `bare_newlines` tells that bare CRs or LFs were made CRLF."""

    size: int
    bare_newlines: bool


class BodyFailed(NamedTuple):
    """The engine refuses the message: `reply` is what the client gets at its end. The transaction is over; what was
    stored of it is to be dropped. `BodyEnd` does not follow."""

    reply: Reply
    cause: str


class TlsRequested(NamedTuple):
    """STARTTLS. Owes a reply: after `REPLIES.tls_ready()` the caller shakes hands, then calls `ServerEngine.secured`.

    Nothing is read until then, and nothing that had come before counts.
    """


class AuthRequested(NamedTuple):
    """AUTH, with a mechanism that is offered, in capitals. `initial` is the decoded first response, None without one.

    Owes a reply: 334 (`auth.challenge`) has the client's response follow, 235 signs it in, any other ends the attempt,
    such as `REPLIES.not_signed_in()`.
    """

    mechanism: str
    initial: bytes | None

    def __repr__(self) -> str:
        return f"AuthRequested({self.mechanism!r})"  # a response may be a password


class AuthResponse(NamedTuple):
    """The client's response to a challenge, decoded. Owes a reply, as `AuthRequested` does."""

    data: bytes

    def __repr__(self) -> str:
        return "AuthResponse()"


class AuthEnded(NamedTuple):
    """The client took back its attempt to sign in, or broke it; the engine has answered."""

    cause: str


class QueueRequested(NamedTuple):
    """ETRN: mail for `name`, as it is compared, is asked for. Owes a reply.

    `kind`: "" for the domain alone, "@" for it and all below it, "#" for an entry of the settings (RFC 1985).
    """

    name: str
    kind: str


class TurnRequested(NamedTuple):
    """ATRN or TURN, from a client that has signed in. Owes a reply: after a positive one the connection is the
    caller's, who is the client on it from then on; the engine reads and says no more.

    `domains` are those that were asked for, as they are compared; none stands for all that are the client's.
    """

    verb: str
    domains: tuple[str, ...]


class TransactionReset(NamedTuple):
    """An open transaction ended without a message; what was stored of it is to be dropped."""

    cause: str


class Fault(NamedTuple):
    """The client broke the protocol, or something odd of it was accepted; for the log.

    Kinds: "refused" (a command got a 5xx from the engine), "too-many-errors", "too-many-sign-ins", "tls-hello",
    "not-smtp", "early-talk", "pipelining", "line-too-long", "endless-line", "bare-newline", "blank-before-path",
    "no-brackets", "no-hello-name". No cause shows what may be a password.
    """

    kind: str
    cause: str


class Quit(NamedTuple):
    """The client said QUIT; the engine has answered and is closing."""


class Disconnected(NamedTuple):
    """The client went away without QUIT. `in_transaction`: what was stored of a message is to be dropped."""

    in_transaction: bool


Event = (
    Hello
    | MailFrom
    | RcptTo
    | DataRequested
    | BodyPiece
    | BodyEnd
    | BodyFailed
    | TlsRequested
    | AuthRequested
    | AuthResponse
    | AuthEnded
    | QueueRequested
    | TurnRequested
    | TransactionReset
    | Fault
    | Quit
    | Disconnected
)
