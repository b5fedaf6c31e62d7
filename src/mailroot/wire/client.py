"""Our side of an SMTP session, as scripts: they yield what to write and receive the replies.

Not responsible for connections, time or content: whoever runs a script answers each step with exactly as many replies
as it asks for. A reply that cannot come any more is a `NoReply`, so a lost connection needs no path of its own.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar

from mailroot.mail.envelope import Body, Recipient
from mailroot.mail.reply import Reply
from mailroot.mail.status import Status
from mailroot.wire.offer import Mail, Offer, mail_line, offer_of, recipient_line
from mailroot.wire.outcome import status_of
from mailroot.wire.replies import NoReply, no_reply

# RFC 5321 section 4.5.3.2, in seconds.
GREETING_WAIT = 300.0
COMMAND_WAIT = 300.0
CONTENT_WAIT = 600.0
# A peer that says nothing to QUIT is left (RFC 5321 section 4.1.1.10 does not bind the client's patience).
QUIT_WAIT = 5.0


class Say(NamedTuple):
    """Write the octets at once, then bring the next replies. `wait` is the longest silence, in seconds."""

    octets: bytes
    replies: int
    wait: float


class SendContent(NamedTuple):
    """Write `lead` and the content, then bring one reply.

    `dotted` content is dot-stuffed and ended by a line with a dot (RFC 5321 section 4.5.2); otherwise it goes as it is
    (RFC 3030).
    """

    lead: bytes
    dotted: bool
    wait: float


Step: TypeAlias = Say | SendContent
T = TypeVar("T")
Script: TypeAlias = Generator[Step, list[Reply], T]


@dataclass(slots=True)
class Peer:
    """The server at the other side. Scripts keep it: `used` once a transaction began; `usable` until it is poisoned.

    `greeting` is the first line that it said; "" inside TLS, where it says none.
    """

    name: str
    offer: Offer
    used: bool = False
    usable: bool = True
    greeting: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a transaction came to.

    `statuses` has every recipient, by number. `elsewhere` means that the delayed ones may have better luck at another
    host of the same destination. `stale` means that the reused connection was no longer good for anything, and nothing
    was tried. `busy` means that the server would not begin it for now (4xx to MAIL).

    `unchunked` means that the server offered chunks and had no use for one: the message may pass as lines. Where it
    refused the chunk, the outcome is `stale` too, for nobody knows where that server would read commands again.
    """

    statuses: dict[int, Status]
    elsewhere: bool = False
    stale: bool = False
    busy: bool = False
    unchunked: bool = False


def greet(name: str, hello: str, use_helo: bool) -> Script[Peer | Reply]:
    """Wait for the greeting and introduce ourselves. Returns the peer, or the reply that refused us."""
    (greeting,) = yield Say(b"", 1, GREETING_WAIT)
    if greeting.code != 220:
        return greeting
    answer = yield from introduce(name, hello, use_helo)
    if isinstance(answer, Peer):
        answer.greeting = greeting.lines[0]
    return answer


def introduce(name: str, hello: str, use_helo: bool) -> Script[Peer | Reply]:
    """Say who we are, at the beginning and again inside TLS. Returns the peer, or the reply that refused us.

    EHLO that is refused for good is followed by HELO (RFC 5321 section 3.2).
    """
    if not use_helo:
        (answer,) = yield Say(b"EHLO %b\r\n" % hello.encode("ascii"), 1, COMMAND_WAIT)
        if answer.code == 250:
            return Peer(name, offer_of(answer.lines))
        if answer.code < 500:
            return answer
    (answer,) = yield Say(b"HELO %b\r\n" % hello.encode("ascii"), 1, COMMAND_WAIT)
    return Peer(name, Offer()) if answer.code == 250 else answer


def ask_for_tls() -> Script[Reply]:
    """Ask for TLS (RFC 3207 section 4). After 220 the handshake is next, and what was said before is forgotten."""
    return (yield Say(b"STARTTLS\r\n", 1, COMMAND_WAIT))[0]


def rehearse(peer: Peer, mail: Mail) -> Script[list[Reply]]:
    """Begin a transaction and take it back; the replies to MAIL and to each recipient, up to the first refusal."""
    replies: list[Reply] = []
    lines = [mail_line(peer.offer, mail), *(recipient_line(peer.offer, recipient) for _, recipient in mail.recipients)]
    for line in lines:
        replies += yield Say(line, 1, COMMAND_WAIT)
        if not replies[-1].positive:
            break
    yield Say(b"RSET\r\n", 1, COMMAND_WAIT)
    return replies


def hand_in(peer: Peer, mail: Mail) -> Script[Reply]:
    """Hand a message over to all recipients, or to none: the reply to the content, or the first refusal.

    The content goes by DATA. For programs that submit, and can tell their user at once.
    """
    lines = [mail_line(peer.offer, mail), *(recipient_line(peer.offer, recipient) for _, recipient in mail.recipients)]
    for line in (*lines, b"DATA\r\n"):
        (reply,) = yield Say(line, 1, COMMAND_WAIT)
        if reply.code >= 400:
            yield Say(b"RSET\r\n", 1, COMMAND_WAIT)
            return reply
    return (yield SendContent(b"", True, CONTENT_WAIT))[0]


def leave() -> Script[None]:
    """Say goodbye (RFC 5321 section 4.1.1.10)."""
    yield Say(b"QUIT\r\n", 1, QUIT_WAIT)


def transact(peer: Peer, mail: Mail) -> Script[Outcome]:
    """Hand a message over.

    Recipients beyond the number that the server takes at once (RFC 5321 section 4.5.3.1.10) follow in further
    transactions, as long as each takes some.
    """
    statuses: dict[int, Status] = {}
    waiting = mail.recipients
    while True:
        turn = _Turn(peer, mail, waiting, statuses)
        outcome = yield from turn.play()
        if outcome.stale and waiting is not mail.recipients:
            # Some were served before the connection went bad: it is not true that nothing was tried.
            return Outcome(statuses)
        if not turn.overflow or not peer.usable:
            return outcome
        waiting = turn.overflow


class _Turn:
    """One transaction: MAIL, the recipients, the content."""

    __slots__ = ("_accepted", "_mail", "_peer", "_recipients", "_statuses", "overflow")

    def __init__(
        self, peer: Peer, mail: Mail, recipients: Sequence[tuple[int, Recipient]], statuses: dict[int, Status]
    ) -> None:
        self._peer = peer
        self._mail = mail
        self._recipients = recipients
        self._statuses = statuses
        self._accepted: list[int] = []
        self.overflow: list[tuple[int, Recipient]] = []

    def play(self) -> Script[Outcome]:
        peer, chunked = self._peer, self._mail.body is Body.BINARY
        vital = 2 if peer.used else 1
        replies = yield from self._converse(self._commands(chunked), vital)
        reset_or_mail = next((reply for reply in replies[:vital] if reply.code // 100 != 2), None)
        if reset_or_mail is not None:
            if not chunked and replies[-1].code == 354:
                self._peer.usable = False  # it waits for a message all the same, and would take our commands for one
            return self._refused(reset_or_mail, stale=vital == 2 and _poisoned(replies, vital))
        invitation = None if chunked else replies[-1]
        self._judge(replies[vital : vital + len(self._recipients)])
        if not self._accepted:
            yield from self._withdraw(invitation)
            return Outcome(self._statuses, elsewhere=True)
        reply = yield from self._hand_over(invitation)
        self._settle(reply)
        if chunked and _not_understood(reply):
            self._peer.usable = False
            return Outcome(self._statuses, stale=not isinstance(reply, NoReply), unchunked=True)
        return Outcome(self._statuses)

    def _commands(self, chunked: bool) -> list[bytes]:
        mail, offer = self._mail, self._peer.offer
        group = [b"RSET\r\n"] if self._peer.used else []
        group.append(mail_line(offer, mail))
        group += [recipient_line(offer, recipient) for _, recipient in self._recipients]
        if not chunked:
            group.append(b"DATA\r\n")
        return group

    def _converse(self, group: list[bytes], vital: int) -> Script[list[Reply]]:
        """One reply for each command: all in one write where the server allows (RFC 2920), else step by step.

        Step by step, a command that has become pointless is not sent; it has the reply that made it so.
        """
        self._peer.used = True
        if self._peer.offer.pipelining:
            return (yield Say(b"".join(group), len(group), COMMAND_WAIT))
        replies: list[Reply] = []
        for number, command in enumerate(group):
            if command == b"DATA\r\n" and not any(reply.positive for reply in replies[vital:]):
                break
            replies += yield Say(command, 1, COMMAND_WAIT)
            if replies[-1].code == 421 or (number < vital and not replies[-1].positive):
                break
        return replies + [replies[-1]] * (len(group) - len(replies))

    def _refused(self, reply: Reply, stale: bool) -> Outcome:
        """RSET or MAIL failed: that is everybody's reply. What the server said to the rest counts for nothing."""
        if stale or reply.code == 421:
            self._peer.usable = False
        status = status_of(reply, self._peer.name)
        self._statuses.update((number, status) for number, _ in self._recipients)
        busy = reply.code // 100 == 4 and not stale
        return Outcome(self._statuses, elsewhere=not status.final, stale=stale, busy=busy)

    def _judge(self, replies: Sequence[Reply]) -> None:
        for place, reply in zip(self._recipients, replies, strict=True):
            if reply.code // 100 == 2:
                self._accepted.append(place[0])
            else:
                self._statuses[place[0]] = status_of(reply, self._peer.name)
                if self._accepted and _too_many(reply):
                    self.overflow.append(place)
            if reply.code == 421:
                self._peer.usable = False

    def _withdraw(self, invitation: Reply | None) -> Script[None]:
        """Nobody is to have the message; a server that wants it all the same gets none (RFC 2920 section 3.1)."""
        if invitation is not None and invitation.code == 354:
            yield Say(b".\r\n", 1, CONTENT_WAIT)

    def _hand_over(self, invitation: Reply | None) -> Script[Reply]:
        """The reply that decides: to the content, or the one that refused to take it."""
        if invitation is None:
            return (yield SendContent(b"BDAT %d LAST\r\n" % self._mail.size, False, CONTENT_WAIT))[0]
        if invitation.code == 354:
            return (yield SendContent(b"", True, CONTENT_WAIT))[0]
        if invitation.code < 400:
            return no_reply("4.5.0", "the server answered DATA with neither an invitation nor a refusal")
        return invitation

    def _settle(self, reply: Reply) -> None:
        """The reply to the content, or to DATA, is that of all accepted recipients."""
        if reply.code == 421 or reply.code // 100 == 3:
            self._peer.usable = False
        status = status_of(reply, self._peer.name, dsn_passed_on=self._peer.offer.dsn)
        for number in self._accepted:
            self._statuses[number] = status


def _poisoned(replies: Sequence[Reply], vital: int) -> bool:
    """Whether a reused connection is of no use: RSET failed, or the server closes it."""
    return replies[0].code // 100 != 2 or any(reply.code == 421 for reply in replies[:vital])


def _not_understood(reply: Reply) -> bool:
    """Whether a server that offered chunks had no use for one: it refused the command, or hung up on it."""
    return isinstance(reply, NoReply) or 500 <= reply.code <= 504


def _too_many(reply: Reply) -> bool:
    """Whether a recipient was refused only for its number (RFC 5321 section 4.5.3.1.10, which explains 552 too)."""
    return reply.enhanced in {"4.5.3", "5.5.3"} or (reply.code == 452 and not reply.enhanced)
