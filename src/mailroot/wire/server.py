"""The server's side of SMTP (RFC 5321) without I/O: bytes in, events out; replies in, bytes out.

It refuses by itself what needs no opinion: syntax, sequence, sizes, counts. Everything else is asked by an event that
owes a reply. One table, `verbs.TABLE`, says what each verb may do, and when. `events` are its words. Guarantees:

- one reply for each command, in order; no event while a reply is owed;
- output is given out when the input is used up, or when a verb ended its group (RFC 2920 section 3.2);
- any split of the input gives the same replies and the same events (pieces of content joined), with one exception:
  `strict_pipelining` looks at what has come with a command;
- nothing that a peer sends raises; only a caller's mistake does, with `Misuse`;
- memory is bounded by `full`, whatever the peer sends.

How it is driven::

    engine.feed(octets)
    while event := engine.next_event():
        ...                                   # engine.reply(...) if the event owes one
    write(engine.output())                    # then close, if engine.closing

Strict pipelining. RFC 2920 section 3.1 lets EHLO and DATA only end a group, and allows groups only after EHLO. So what
came together with EHLO, HELO, STARTTLS, AUTH or DATA, or with any command after HELO, is answered 554 5.5.0, and the
connection is closed: who sends it does not read our replies, or is not the author of what he sends. QUIT alone may
always follow. NOOP and VRFY, which should end a group as well, only flush: refusing there would protect nobody. What
follows the final dot is not refused either: many a client sends QUIT with it.
"""

from collections.abc import Mapping

from mailroot.mail.reply import REPLIES, Reply
from mailroot.wire.auth import end_exchange, refuse_long_response, take_response
from mailroot.wire.commands import Chunk, Odd, parse_nothing
from mailroot.wire.content import read_chunk, read_data, skip_chunk
from mailroot.wire.dialogue import Dialogue
from mailroot.wire.events import Disconnected, Event, Fault
from mailroot.wire.journal import ANYTHING, LEADING, LONGEST, Journal, has_sign_in, is_misspelt_auth, shown
from mailroot.wire.lines import STARVED, TLS_HANDSHAKE, NoLine
from mailroot.wire.profile import ServerProfile
from mailroot.wire.starttls import begin_secured
from mailroot.wire.table import (
    AUTH,
    CHUNK,
    COMMAND_LIMIT,
    DATA,
    FRESH,
    GREETED,
    IN_CONTENT,
    IN_TRANSACTION,
    MAIL,
    NEEDED,
    Row,
)
from mailroot.wire.verbs import TABLE, TLS_FIRST

__all__ = ["Misuse", "ServerEngine", "ServerProfile"]

_HTTP = frozenset({b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"DELETE", b"PATCH", b"TRACE", b"PRI"})
_NO_VALID_RECIPIENTS = REPLIES.no_valid_recipients()


class Misuse(RuntimeError):
    """The caller did what the engine does not allow: a programming mistake."""


class ServerEngine:
    """One connection's SMTP dialogue, seen from the server."""

    __slots__ = ("_dialogue",)

    def __init__(self, profile: ServerProfile, journal: Journal | None = None) -> None:
        self._dialogue = Dialogue(profile, _rows(profile), journal)

    def greet(self, reply: Reply) -> None:
        """Open the dialogue: with 220, or with a refusal, after which the connection closes."""
        dialogue = self._dialogue
        if dialogue.closing:
            return  # aborted before
        if dialogue.state is not FRESH:
            raise Misuse("greet() was called twice")
        dialogue.state = GREETED
        if not reply.positive:
            dialogue.close(reply)
        elif dialogue.input.octets and dialogue.profile.strict_pipelining:
            _refuse_early_talk(dialogue)
        else:
            dialogue.say(reply)
            dialogue.flush = True

    def secured(self, profile: ServerProfile) -> None:
        """The handshake that a positive reply to `TlsRequested` asked for is done: everything begins anew.

        `profile` is that of the encrypted connection. What was fed since the reply must have come through TLS.
        """
        dialogue = self._dialogue
        if dialogue.closing:
            return
        if dialogue.state is not FRESH or not profile.secured:
            raise Misuse("secured() without a reply to STARTTLS, or with the profile of a clear connection")
        dialogue.profile, dialogue.rows = profile, _rows(profile)
        begin_secured(dialogue)

    def feed(self, data: bytes) -> None:
        """Take input. b"" is nothing, not the end. What comes after the engine has closed is ignored."""
        if data and not self._dialogue.closing:
            self._dialogue.input.append(data)

    def end_of_input(self) -> None:
        """The peer will send nothing more. What it sent is still answered."""
        self._dialogue.ended = True

    def next_event(self) -> Event | None:
        """The next event; None if more input is needed, a reply is owed, or the connection is closing."""
        dialogue = self._dialogue
        events = dialogue.events
        while not events:
            if dialogue.owed is not None:
                return None
            nothing = not dialogue.input.octets and not dialogue.ended  # as after nearly every command
            if nothing or dialogue.closing or not _step(dialogue):
                dialogue.flush = True
                return None
        return events.popleft()

    def reply(self, reply: Reply) -> None:
        """Answer the last event that owes a reply. After `abort` the answer comes too late and is dropped."""
        dialogue = self._dialogue
        row = dialogue.owed
        if row is None or row.answered is None:
            if dialogue.closing:
                return
            raise Misuse(f"no reply is owed, but {reply.text!r} was given")
        if dialogue.events:
            raise Misuse(f"{reply.text!r} answers an event that was not taken yet")
        dialogue.owed = None
        if row.then is not None and reply.positive:
            dialogue.state = row.then
        row.answered(dialogue, reply)

    def output(self) -> bytes:
        """What is to be written now; b"" if nothing is to be flushed yet."""
        dialogue = self._dialogue
        if not dialogue.flush:
            return b""
        dialogue.flush = False
        out = dialogue.out
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def abort(self, reply: Reply) -> None:
        """Say 421 (or the like) and close, in any state. A transaction under way is the caller's to drop."""
        dialogue = self._dialogue
        if not dialogue.closing:
            dialogue.owed = None
            dialogue.close(reply)
            dialogue.events.clear()

    @property
    def closing(self) -> bool:
        """Whether the connection is to be closed once the output is written."""
        return self._dialogue.closing

    @property
    def full(self) -> bool:
        """Whether to pause reading from the peer, until `next_event` has used the input."""
        return self._dialogue.input.full

    @property
    def unread(self) -> bool:
        """Whether input waits that was not used."""
        return bool(self._dialogue.input.octets)

    @property
    def timeout(self) -> float:
        """Seconds within which `progress` must change while input is waited for (RFC 5321 section 4.5.3.2)."""
        dialogue = self._dialogue
        profile = dialogue.profile
        return profile.body_timeout if dialogue.state in IN_CONTENT else profile.command_timeout

    @property
    def progress(self) -> int:
        """Grows with each complete command and each piece of content, not with each octet of a command."""
        return self._dialogue.progress


def _rows(profile: ServerProfile) -> Mapping[bytes, Row]:
    return TLS_FIRST if profile.tls_required and not profile.secured else TABLE


def _step(dialogue: Dialogue) -> bool:
    """Use some input. False if there is not enough of it."""
    state = dialogue.state
    if dialogue.input.octets and state is not FRESH:
        if state is DATA:
            read_data(dialogue)
            return True
        if state is CHUNK:
            read_chunk(dialogue)
            return True
        if _read_response(dialogue) if state is AUTH else _read_command(dialogue):
            return True
    if not dialogue.ended:
        return False
    dialogue.events.append(Disconnected(state in IN_TRANSACTION or state in IN_CONTENT))
    dialogue.closing = True
    return True


def _read_command(dialogue: Dialogue) -> bool:
    line = dialogue.input.line()
    if line is STARVED:
        return False
    dialogue.progress += 1
    if isinstance(line, NoLine):
        _note(dialogue, b"" if line is NoLine.TLS else dialogue.input.thrown_away)
        _refuse_line(dialogue, line)
    elif line.endswith(b"\r"):
        _read_line(dialogue, line[:-1])
    elif _accepts_bare_newline(dialogue, line):
        _read_line(dialogue, line)
    return True


def _read_response(dialogue: Dialogue) -> bool:
    line = dialogue.input.line()
    if line is STARVED:
        return False
    dialogue.progress += 1
    if dialogue.journal is not None:
        dialogue.journal.append(None)
    if line is NoLine.TOO_LONG:
        refuse_long_response(dialogue)
    elif isinstance(line, NoLine):
        _refuse_line(dialogue, line)
    elif line.endswith(b"\r"):
        take_response(dialogue, line[:-1])
    elif dialogue.profile.reject_bare_newline:
        end_exchange(dialogue, REPLIES.bare_newline_in_command(), "a response without CRLF")
    else:
        take_response(dialogue, line)
    return True


def _read_line(dialogue: Dialogue, line: bytes) -> None:
    verb, _, argument = line.partition(b" ")
    row = dialogue.rows.get(verb.upper())
    journal = dialogue.journal
    if row is None:
        dialogue.hushed = dialogue.hushed or is_misspelt_auth(line)
    if journal is not None:
        usual = row is not None and not row.secret and not (argument and row.verb in ANYTHING)
        plain = usual and len(line) <= LONGEST and not dialogue.hushed
        journal.append(line if plain else shown(row, line, dialogue.hushed))
    if row is None:
        _refuse_unknown(dialogue, verb, line)
    elif len(line) + 2 > row.longest:
        dialogue.refuse(row.too_long, row.verb)
    else:
        _obey(dialogue, row, argument.strip(), line)


def _refuse_unknown(dialogue: Dialogue, verb: bytes, line: bytes) -> None:
    if verb in _HTTP:
        dialogue.break_off("not-smtp", verb.decode(), REPLIES.not_smtp())
    elif len(line) + 2 > COMMAND_LIMIT:
        dialogue.refuse(REPLIES.line_too_long(), "command")
    else:
        dialogue.refuse(REPLIES.unrecognized(), "unknown command" if dialogue.hushed else repr(verb)[2:-1])


def _obey(dialogue: Dialogue, row: Row, argument: bytes, line: bytes) -> None:
    if (row.alone or not dialogue.extended) and _has_forbidden_input(dialogue):
        dialogue.break_off("pipelining", f"input behind {row.verb}", REPLIES.talks_too_early())
        return
    if row.ends_group:
        dialogue.flush = True
    parsed = row.parse(argument, dialogue.transaction.smtputf8)
    if isinstance(parsed, Reply):
        if has_sign_in(argument):
            _hide_argument(dialogue, row)
        dialogue.refuse(parsed, row.verb)
    elif dialogue.state in row.legal:
        if dialogue.hushed:
            _show_after_all(dialogue, row, parsed, line)
        row.act(dialogue, parsed)
    else:
        _refuse_sequence(dialogue, row, parsed)


def _hide_argument(dialogue: Dialogue, row: Row) -> None:
    """A sign-in stands behind another verb: the verb alone is noted."""
    dialogue.hushed = True
    if dialogue.journal and not row.secret:
        dialogue.journal[-1] = row.verb.encode()


def _show_after_all(dialogue: Dialogue, row: Row, parsed: object, line: bytes) -> None:
    """After AUTH or DATA was refused the verb alone was noted; a command that was understood is no secret."""
    understood = row.verb not in ANYTHING and row.parse is not parse_nothing and not isinstance(parsed, Odd)
    if dialogue.journal and understood and not row.secret:
        dialogue.journal[-1] = line[:LONGEST]


def _has_forbidden_input(dialogue: Dialogue) -> bool:
    behind = dialogue.input
    return behind.octets != b"" and dialogue.profile.strict_pipelining and behind.peek(4).upper() != b"QUIT"


def _refuse_sequence(dialogue: Dialogue, row: Row, parsed: object) -> None:
    state = dialogue.state
    reply = NEEDED[state] if row.otherwise is None or state is GREETED else row.otherwise
    nobody_accepted = state is MAIL and dialogue.transaction.refused and row.otherwise is None
    if nobody_accepted:
        reply = _NO_VALID_RECIPIENTS
    if isinstance(parsed, Chunk):
        skip_chunk(dialogue, parsed, reply)
    elif nobody_accepted:
        # The usual end of a group whose recipients were all refused, and no fault of the client.
        dialogue.hushed = True  # unless it sends the content all the same
        dialogue.say_unless_junk(reply.encode())
    else:
        dialogue.refuse(reply, row.verb)


def _refuse_line(dialogue: Dialogue, why: NoLine) -> None:
    if why is NoLine.TLS:
        dialogue.break_off("tls-hello", "TLS on a plain port", REPLIES.tls_not_here())
    elif why is NoLine.TOO_LONG:
        row = dialogue.rows.get(dialogue.input.thrown_away.partition(b" ")[0].upper())
        dialogue.refuse(row.too_long if row else REPLIES.line_too_long(), row.verb if row else "command")
    else:
        dialogue.break_off("endless-line", "a command line without an end", REPLIES.line_too_long())


def _accepts_bare_newline(dialogue: Dialogue, line: bytes) -> bool:
    if dialogue.profile.reject_bare_newline:
        _note(dialogue, line)
        dialogue.refuse(REPLIES.bare_newline_in_command(), "command")
        return False
    if not dialogue.bare_line_noted:
        dialogue.bare_line_noted = True
        dialogue.events.append(Fault("bare-newline", "command lines end in LF alone"))
    return True


def _note(dialogue: Dialogue, line: bytes) -> None:
    """Note a line that is not obeyed."""
    row = dialogue.rows.get(line.partition(b" ")[0].upper())
    dialogue.hushed = dialogue.hushed or (is_misspelt_auth(line) if row is None else row.verb in LEADING)
    if dialogue.journal is not None:
        dialogue.journal.append(shown(row, line, dialogue.hushed))


def _refuse_early_talk(dialogue: Dialogue) -> None:
    first = dialogue.input.peek(8)
    if first[0] == TLS_HANDSHAKE:
        _refuse_line(dialogue, NoLine.TLS)
    elif first.partition(b" ")[0] in _HTTP:
        dialogue.break_off("not-smtp", "HTTP", REPLIES.not_smtp())
    else:
        dialogue.break_off("early-talk", "input before the greeting", REPLIES.talks_too_early())
