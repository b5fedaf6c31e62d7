"""Golden SMTP dialogues: how `tests/transcripts/*.smtp` are read, and how one is run on the bare engine.

A file is lines. The blank ones and those that begin with `#` mean nothing.

    ! size_limit = 1000     an option: a field of ServerProfile, or one of `policy` and `cuts` below
    C: EHLO client          the client sends this and CRLF; lines that follow one another are one write
    C> abc                  the same without CRLF
    S: 250 2.0.0 OK         the server answers exactly this; `*` stands for any text
    M: Subject: x           a line of the message that was accepted just now (bare engine only)
    X: lost                 the client goes away
    T: handshake            client and server shake hands (TLS)
    S: (closes)             the server closes the connection

Escapes in `C` and `M`: \\r \\n \\t \\0 \\\\ \\xHH, and \\{600*ab} for a repeated text. `policy` is "all" (everybody is
taken, the default) or "local" (only local.test, without relay tricks). `cuts = off` runs the file in whole writes only,
because it is about what comes in one write. The server is `FQDN`, the client `CLIENT`, the default domain
`DEFAULT_DOMAIN`. The same files can be run over a socket: `read_script`, `Turn` and `matches` know no engine.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from mailroot.mail.address import Mailbox
from mailroot.mail.reply import REPLIES, Reply
from mailroot.wire.auth import challenge
from mailroot.wire.events import (
    AuthRequested,
    AuthResponse,
    BodyEnd,
    BodyFailed,
    BodyPiece,
    DataRequested,
    Disconnected,
    Event,
    MailFrom,
    QueueRequested,
    RcptTo,
    TlsRequested,
    TransactionReset,
    TurnRequested,
)
from mailroot.wire.profile import ServerProfile
from mailroot.wire.server import ServerEngine

FQDN = "mail.example.test"
CLIENT = "127.0.0.1"
DEFAULT_DOMAIN = "local.test"
GREETING = REPLIES.greeting(fqdn=FQDN, banner="Mailroot ESMTP Service", date="now")
FOLDER = Path(__file__).parent / "transcripts"

_ESCAPE = re.compile(r"\\(?:\{(\d+)\*([^}]*)\}|x([0-9a-fA-F]{2})|(.))")
_LETTERS = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


@dataclass(slots=True)
class Turn:
    """What the client sends in one write, and what must come back before it goes on."""

    send: bytes = b""
    expect: list[str] = field(default_factory=list)
    message: bytes | None = None
    lost: bool = False
    closes: bool = False
    handshake: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """A golden dialogue."""

    name: str
    turns: tuple[Turn, ...]
    settings: dict[str, int | bool | str | tuple[str, ...]]
    policy: str = "all"
    cuts: bool = True

    @property
    def profile(self) -> ServerProfile:
        return ServerProfile(
            **{"fqdn": FQDN, "client_address": CLIENT, "default_domain": DEFAULT_DOMAIN, **self.settings}  # type: ignore[arg-type]
        )

    @property
    def secured(self) -> ServerProfile:
        """The profile after a handshake: what needed TLS is offered then."""
        mechanisms = self.profile.mechanisms or (("LOGIN", "PLAIN") if self.profile.auth_needs_tls else ())
        return replace(self.profile, secured=True, starttls=False, mechanisms=mechanisms, auth_needs_tls=False)


def scripts() -> list[Script]:
    """All golden dialogues."""
    return [read_script(path) for path in sorted(FOLDER.glob("*.smtp"))]


def read_script(path: Path) -> Script:
    """The dialogue in a file. Raises ValueError with its line number where it is no dialogue."""
    options: dict[str, str] = {}
    turns = [Turn()]
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("! "):
            name, _, value = line[2:].partition("=")
            options[name.strip()] = value.strip()
            continue
        try:
            _add_line(turns, line[:2], line[3:])
        except KeyError:
            raise ValueError(f"{path}:{number}: {line!r} is no line of a dialogue") from None
    policy, cuts = options.pop("policy", "all"), options.pop("cuts", "on")
    settings = {name: _setting(name, value) for name, value in options.items()}
    return Script(path.stem, tuple(turns), settings, policy, cuts == "on")


def _add_line(turns: list[Turn], kind: str, text: str) -> None:
    if kind in {"C:", "C>", "X:", "T:"} and (turns[-1].expect or turns[-1].lost or turns[-1].handshake):
        turns.append(Turn())
    turn = turns[-1]
    if kind in {"C:", "C>"}:
        turn.send += unescape(text) + (b"\r\n" if kind == "C:" else b"")
    elif kind == "S:" and text == "(closes)":
        turn.closes = True
    elif kind == "M:":
        turn.message = (turn.message or b"") + unescape(text) + b"\r\n"
    elif kind == "X:":
        turn.lost = True
    elif kind == "T:":
        turn.handshake = True
    else:
        {"S:": turn.expect.append}[kind](text)


def _setting(name: str, value: str) -> int | bool | str | tuple[str, ...]:
    kinds = {known.name: known.type for known in fields(ServerProfile)}
    if name == "mechanisms":
        return tuple(value.split())
    if kinds[name] in {bool, "bool"}:
        return value == "true"
    return int(value) if kinds[name] in {int, "int"} else value


def unescape(text: str) -> bytes:
    """A line's octets."""

    def octets(found: re.Match[str]) -> str:
        if found[1]:
            return found[2] * int(found[1])
        return chr(int(found[3], 16)) if found[3] else _LETTERS[found[4]]

    return _ESCAPE.sub(octets, text).encode("latin-1")


def matches(expected: str, line: str) -> bool:
    """Whether a line of the server is the expected one."""
    return re.fullmatch(".*".join(re.escape(part) for part in expected.split("*")), line) is not None


class Policy:
    """Deterministic answers to the engine's questions, and a memory of what was accepted."""

    def __init__(self, name: str = "all") -> None:
        self.name = name
        self.pieces: list[bytes] = []
        self.messages: list[bytes] = []
        self.senders: list[str] = []
        self.recipients: list[str] = []
        self.events: list[Event] = []
        self._responses: list[bytes] = []
        self._prompts: list[bytes] = []

    def answer(self, event: Event) -> Reply | None:
        """The reply that the event owes; None for a statement."""
        self._note(event)
        if isinstance(event, MailFrom):
            address = _qualified(event.sender)
            self.senders.append(address)
            return REPLIES.sender_ok(address=address or "<>")
        if isinstance(event, RcptTo):
            return self._recipient(event.recipient.address)
        if isinstance(event, TlsRequested):
            return REPLIES.tls_ready()
        if isinstance(event, AuthRequested | AuthResponse):
            return self._sign_in(event)
        if isinstance(event, QueueRequested):
            return _queue(event)
        if isinstance(event, TurnRequested):
            refused = {"empty.test": REPLIES.no_mail(), "other.test": REPLIES.turn_refused()}
            return next((refused[one] for one in event.domains if one in refused), REPLIES.reversing())
        if isinstance(event, DataRequested):
            self.pieces.clear()
            return REPLIES.start_input()
        if isinstance(event, BodyEnd):
            self.messages.append(b"".join(self.pieces))
            assert event.size == len(self.messages[-1])
            return REPLIES.queued(message_id=f"<{len(self.messages)}@{FQDN}>")
        if isinstance(event, BodyPiece):
            self.pieces.append(event.data)
        elif isinstance(event, BodyFailed | TransactionReset | Disconnected):
            self.pieces.clear()
        return None

    def _note(self, event: Event) -> None:
        """Remember an event; pieces of content as one, and none of those that were dropped: their cut means nothing."""
        last = self.events[-1] if self.events else None
        if isinstance(event, BodyPiece) and isinstance(last, BodyPiece):
            self.events[-1] = BodyPiece(last.data + event.data)
        elif isinstance(event, BodyFailed) and isinstance(last, BodyPiece):
            self.events[-1] = event
        else:
            self.events.append(event)

    def _sign_in(self, event: AuthRequested | AuthResponse) -> Reply:
        """PLAIN and LOGIN, for one user."""
        if isinstance(event, AuthRequested):
            self._responses = [] if event.initial is None else [event.initial]
            self._prompts = [b"", b"", b""] if event.mechanism == "PLAIN" else [b"Username:", b"Password:", b""]
        else:
            self._responses.append(event.data)
        plain = len(set(self._prompts)) == 1
        right = [b"\0user\0right"] if plain else [b"user", b"right"]
        if len(self._responses) < len(right):
            return challenge(self._prompts[len(self._responses)])
        if plain and self._responses[0].count(b"\0") != 2:
            return REPLIES.not_base64()
        return REPLIES.signed_in() if self._responses == right else REPLIES.not_signed_in()

    def _recipient(self, mailbox: Mailbox) -> Reply:
        address = _qualified(mailbox)
        tricky = any(trick in mailbox.local for trick in "%!@") and mailbox.domain_key in {"", DEFAULT_DOMAIN}
        if self.name == "local" and (tricky or mailbox.domain_key not in {"", DEFAULT_DOMAIN}):
            return REPLIES.relay_denied(address=address)
        self.recipients.append(address)
        return REPLIES.recipient_ok(address=address)


def _queue(event: QueueRequested) -> Reply:
    """Mail waits for held.test alone."""
    node = f"{event.kind}{event.name}"
    if event.name == "held.test":
        return REPLIES.queuing_started(node=node)
    return REPLIES.node_not_allowed(node=node, reason="nothing is held for it")


def _qualified(mailbox: Mailbox | None) -> str:
    if mailbox is None:
        return ""
    return str(mailbox if mailbox.domain else mailbox.at(DEFAULT_DOMAIN))


def pump(engine: ServerEngine, policy: Policy) -> bytes:
    """Answer all that the engine asks, and take its output."""
    written = b""
    while (event := engine.next_event()) is not None:
        reply = policy.answer(event)
        if reply is not None:
            assert engine.next_event() is None, "an event came while a reply was owed"
            engine.reply(reply)
            written += engine.output()
    return written + engine.output()


Cut = Callable[[bytes], Iterator[bytes]]


def run_on_engine(script: Script, cut: Cut) -> Policy:
    """Run a dialogue with each write cut into pieces, and compare every line. Returns what the policy saw."""
    engine, policy = ServerEngine(script.profile), Policy(script.policy)
    if script.turns[0].send:
        engine.feed(script.turns[0].send)
        engine.greet(GREETING)
    else:
        engine.greet(GREETING)
    for turn in script.turns:
        written = b""
        for piece in cut(turn.send) if turn is not script.turns[0] else ():
            engine.feed(piece)
            written += pump(engine, policy)
        if turn.handshake:
            engine.secured(script.secured)
        if turn.lost:
            engine.end_of_input()
        written += pump(engine, policy)
        _compare(turn, written, engine, policy)
    return policy


def _compare(turn: Turn, written: bytes, engine: ServerEngine, policy: Policy) -> None:
    lines = written.decode().removesuffix("\r\n").split("\r\n") if written else []
    where = f"after {turn.send[:200]!r}"
    assert len(lines) == len(turn.expect), f"{where}: {lines} instead of {turn.expect}"
    for expected, line in zip(turn.expect, lines, strict=True):
        assert matches(expected, line), f"{where}: {line!r} instead of {expected!r}"
    assert engine.closing == (turn.closes or turn.lost), f"{where}: closing is {engine.closing}"
    if turn.message is not None:
        assert policy.messages, f"{where}: no message"
        assert policy.messages[-1] == turn.message
