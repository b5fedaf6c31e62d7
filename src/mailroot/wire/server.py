"""The server's side of SMTP (RFC 5321) without I/O: bytes in, events out; replies in, bytes out.

It refuses by itself what needs no opinion: syntax, sequence, sizes, counts. Everything else is asked by an event that
owes a reply. One table, `TABLE`, says what each verb may do, and when; adding a verb is adding a row. Guarantees:

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

Strict pipelining. RFC 2920 section 3.1 lets EHLO and DATA only end a group, and allows groups only after EHLO. So input
that came together with EHLO, HELO or DATA, or with any command but QUIT after HELO, is answered 554 5.5.0, and the
connection is closed: who sends it does not read our replies, or is not the author of what he sends. NOOP and VRFY, which
should end a group as well, only flush: refusing there would protect nobody. What follows the final dot is never refused.
"""

from collections import deque

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Body
from mailroot.mail.reply import REPLIES, Reply
from mailroot.wire import commands
from mailroot.wire.body import ChunkReader, DotReader
from mailroot.wire.commands import Addressed, Chunk
from mailroot.wire.events import (
    BodyEnd,
    DataRequested,
    Disconnected,
    Event,
    Fault,
    Hello,
    MailFrom,
    Quit,
    TransactionReset,
)
from mailroot.wire.extensions import hello_keywords
from mailroot.wire.incoming import SESSION_TOO_LARGE, Incoming
from mailroot.wire.lines import Input, NoLine
from mailroot.wire.profile import ServerProfile
from mailroot.wire.table import ALWAYS, IN_CONTENT, IN_TRANSACTION, NEEDED, NO_TRANSACTION, Row, State

__all__ = ["TABLE", "Misuse", "ServerEngine", "ServerProfile"]

_HTTP = frozenset({b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"DELETE", b"PATCH", b"TRACE", b"PRI"})
_TLS_HANDSHAKE = b"\x16"  # RFC 8446 section 5.1: the content type of a ClientHello; no command begins with it
_SMALL_CHUNK = 512  # Smaller chunks bring no mail forward; a client that sends thousands of them only costs.

_NO_VALID_RECIPIENTS = REPLIES.no_valid_recipients()
_OK = REPLIES.ok().encode()
_RESETTING = REPLIES.resetting().encode()
_TOO_MANY_RECIPIENTS = REPLIES.too_many_recipients().encode()
# The predecessor's list and order, of the verbs that are built.
_HELP = Reply(214, "", (*REPLIES.help().lines, "HELO EHLO RCPT DATA RSET MAIL QUIT HELP BDAT VRFY")).encode()


class Misuse(RuntimeError):  # noqa: N818
    """The caller did what the engine does not allow: a programming mistake."""


class ServerEngine:
    """One connection's SMTP dialogue, seen from the server."""

    __slots__ = (
        "_bare_line_noted",
        "_body",
        "_chunk_last",
        "_chunk_left",
        "_chunk_refusal",
        "_chunk_size",
        "_closing",
        "_ended",
        "_errors",
        "_events",
        "_extended",
        "_flush",
        "_incoming",
        "_input",
        "_junk",
        "_out",
        "_owed",
        "_profile",
        "_progress",
        "_reader",
        "_recipients",
        "_refused",
        "_resume",
        "_session_size",
        "_smtputf8",
        "_state",
    )

    def __init__(self, profile: ServerProfile) -> None:
        self._profile = profile
        self._state = State.FRESH
        self._extended = True
        self._input = Input()
        self._events: deque[Event] = deque()
        self._owed: Row | None = None
        self._out: list[bytes] = []
        self._flush = self._closing = self._ended = self._bare_line_noted = False
        self._progress = self._errors = self._junk = self._session_size = 0
        self._forget_transaction()

    def _forget_transaction(self) -> None:
        self._body = Body.SEVEN_BIT
        self._smtputf8 = False
        self._recipients = self._refused = 0
        self._incoming: Incoming | None = None
        self._reader: DotReader | ChunkReader | None = None
        self._chunk_left = self._chunk_size = 0
        self._chunk_last = False
        self._chunk_refusal: Reply | None = None
        self._resume = State.READY

    # What the caller does

    def greet(self, reply: Reply) -> None:
        """Open the dialogue: with 220, or with a refusal, after which the connection closes."""
        if self._state is not State.FRESH:
            raise Misuse("greet() was called twice")
        self._state = State.GREETED
        if not reply.positive:
            self._close(reply)
        elif len(self._input) and self._profile.strict_pipelining:
            self._refuse_early_talk()
        else:
            self._out.append(reply.encode())
            self._flush = True

    def feed(self, data: bytes) -> None:
        """Take input. b"" is nothing, not the end."""
        if data and not self._closing:
            self._input.append(data)

    def end_of_input(self) -> None:
        """The peer will send nothing more. What it sent is still answered."""
        self._ended = True

    def next_event(self) -> Event | None:
        """The next event; None if more input is needed, a reply is owed, or the connection is closing."""
        events = self._events
        while not events:
            if self._owed is not None:
                return None
            if self._closing or not self._step():
                self._flush = True
                break
        return events.popleft() if events else None

    def reply(self, reply: Reply) -> None:
        """Answer the last event that owes a reply. After `abort` the answer comes too late and is dropped."""
        row = self._owed
        if row is None:
            if self._closing:
                return
            raise Misuse(f"no reply is owed, but {reply.text!r} was given")
        if self._events:
            raise Misuse(f"{reply.text!r} answers an event that was not taken yet")
        self._owed = None
        if reply.positive and row.then is not None:
            self._state = row.then
        assert row.answered is not None
        row.answered(self, reply)

    def output(self) -> bytes:
        """What is to be written now; b"" if nothing is to be flushed yet."""
        flush, self._flush = self._flush, False
        if not flush or not self._out:
            return b""
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return data

    def abort(self, reply: Reply) -> None:
        """Say 421 (or the like) and close, in any state. A transaction under way is the caller's to drop."""
        if not self._closing:
            self._owed = None
            self._events.clear()
            self._close(reply)

    @property
    def closing(self) -> bool:
        """Whether the connection is to be closed once the output is written."""
        return self._closing

    @property
    def full(self) -> bool:
        """Whether to pause reading from the peer, until `next_event` has used the input."""
        return self._input.full

    @property
    def timeout(self) -> float:
        """Seconds within which `progress` must change while input is waited for (RFC 5321 section 4.5.3.2)."""
        return self._profile.body_timeout if self._state in IN_CONTENT else self._profile.command_timeout

    @property
    def progress(self) -> int:
        """Grows with each complete command and each piece of content, not with each octet of a command."""
        return self._progress

    # The loop

    def _step(self) -> bool:
        """Use some input. False if there is not enough of it."""
        state = self._state
        if state is State.DATA:
            advanced = self._read_data()
        elif state is State.CHUNK:
            advanced = self._read_chunk()
        elif state is State.FRESH:
            advanced = False
        else:
            advanced = self._read_command()
        if not advanced and self._ended:
            self._events.append(Disconnected(self._state in IN_TRANSACTION or self._state in IN_CONTENT))
            self._closing = True
            return True
        return advanced

    def _read_command(self) -> bool:
        if self._input.starts_with(_TLS_HANDSHAKE):
            self._break_off("tls-hello", "TLS on a plain port", REPLIES.tls_not_here())
            return True
        line = self._input.line()
        if isinstance(line, NoLine):
            return self._read_no_line(line)
        self._progress += 1
        if line[-1:] == b"\r":
            line = line[:-1]
        elif not self._accepts_bare_line():
            return True
        verb, _, argument = line.partition(b" ")
        row = TABLE.get(verb.upper())
        if row is None:
            self._refuse_unknown(verb, len(line))
        elif len(line) + 2 > row.longest:
            self._refuse(REPLIES.line_too_long(), row.verb)
        else:
            self._obey(row, argument.strip())
        return True

    def _obey(self, row: Row, argument: bytes) -> None:
        if (row.alone or not self._extended) and self._is_pipelined_against_the_rules():
            self._break_off("pipelining", f"input behind {row.verb}", REPLIES.talks_too_early())
            return
        if row.ends_group:
            self._flush = True
        parsed = row.parse(argument, self._smtputf8)
        if isinstance(parsed, Reply):
            self._refuse(parsed, row.verb)
        elif self._state in row.legal:
            row.act(self, parsed)
        elif isinstance(parsed, Chunk):
            self._skip_chunk(parsed, self._out_of_sequence(row))
        elif self._refused and row is _DATA:
            self._answer_junk(_NO_VALID_RECIPIENTS.encode())
        else:
            self._refuse(self._out_of_sequence(row), row.verb)

    def _is_pipelined_against_the_rules(self) -> bool:
        return bool(len(self._input)) and self._profile.strict_pipelining and not self._input.starts_with(b"QUIT")

    def _out_of_sequence(self, row: Row) -> Reply:
        if row.otherwise is not None and self._state is not State.GREETED:
            return row.otherwise
        if self._state is State.MAIL and self._refused:
            return _NO_VALID_RECIPIENTS
        return NEEDED.get(self._state, NEEDED[State.CHUNKS])

    # What each verb does: the table names these

    def _hello(self, hello: Hello) -> None:
        self._greet_back(hello, hello_keywords(self._profile.size_limit))

    def _old_hello(self, hello: Hello) -> None:
        self._greet_back(Hello(hello.name, extended=False), ())

    def _greet_back(self, hello: Hello, keywords: tuple[str, ...]) -> None:
        profile = self._profile
        self._reset("EHLO" if hello.extended else "HELO")
        self._state = State.READY
        self._extended = hello.extended
        if not hello.name:
            self._events.append(Fault("no-hello-name", "the client gave no name"))
        self._events.append(hello)
        first = REPLIES.hello(fqdn=profile.fqdn, address=profile.client_address)
        self._out.append(Reply(first.code, first.enhanced, first.lines + keywords).encode())

    def _mail(self, addressed: Addressed) -> None:
        mail = addressed.said
        assert isinstance(mail, MailFrom)
        profile = self._profile
        size = mail.size or 0
        if profile.size_limit and size > profile.size_limit:
            self._refuse(REPLIES.message_too_large(), "MAIL")
        elif profile.session_limit and self._session_size + size > profile.session_limit:
            self._close(SESSION_TOO_LARGE)
        else:
            self._forget_transaction()
            self._state = State.READY
            self._body = mail.body
            self._smtputf8 = mail.smtputf8
            self._ask(_MAIL, addressed)

    def _rcpt(self, addressed: Addressed) -> None:
        limit = self._profile.recipient_limit
        if limit and self._recipients >= limit:
            self._out.append(_TOO_MANY_RECIPIENTS)
        else:
            self._ask(_RCPT, addressed)

    def _ask(self, row: Row, addressed: Addressed) -> None:
        if addressed.odd:
            self._events.append(Fault(addressed.odd, row.verb))
        self._events.append(addressed.said)
        self._owed = row

    def _data(self, _: None) -> None:
        if self._body is Body.BINARY:
            self._refuse(REPLIES.need_bdat(), "DATA")
        else:
            self._events.append(DataRequested(chunked=False))
            self._owed = _DATA

    def _bdat(self, chunk: Chunk) -> None:
        if chunk.size < _SMALL_CHUNK and not chunk.last and self._is_too_much_junk():
            return
        self._chunk_left = self._chunk_size = chunk.size
        self._chunk_last = chunk.last
        if self._incoming is None:
            self._events.append(DataRequested(chunked=True))
            self._owed = _BDAT
        else:
            self._begin_chunk(self._incoming)

    def _rset(self, _: None) -> None:
        self._reset("RSET")
        if self._state is not State.GREETED:
            self._state = State.READY
        self._answer_junk(_RESETTING)

    def _noop(self, _: None) -> None:
        self._answer_junk(_OK)

    def _vrfy(self, mailbox: Mailbox) -> None:
        known = mailbox if mailbox.domain else mailbox.at(self._profile.default_domain)
        self._answer_junk(REPLIES.cannot_verify(address=known).encode())

    def _help(self, _: None) -> None:
        self._answer_junk(_HELP)

    def _quit(self, _: None) -> None:
        self._reset("QUIT")
        self._close(REPLIES.closing(fqdn=self._profile.fqdn))
        self._events.append(Quit())

    def _not_built(self, _: None) -> None:
        self._refuse(REPLIES.not_implemented(), "command")

    def _reset(self, cause: str) -> None:
        if self._state in IN_TRANSACTION:
            self._events.append(TransactionReset(cause))
            self._state = State.READY
        self._forget_transaction()

    # What follows the caller's replies

    def _answered_mail(self, reply: Reply) -> None:
        self._out.append(reply.encode())

    def _answered_rcpt(self, reply: Reply) -> None:
        if reply.positive:
            self._recipients += 1
            self._out.append(reply.encode())
        else:
            self._refused += 1
            self._answer_junk(reply.encode())

    def _answered_data(self, reply: Reply) -> None:
        self._out.append(reply.encode())
        self._flush = True
        if reply.positive:
            self._incoming = self._new_incoming()
            self._reader = DotReader()

    def _answered_chunk(self, reply: Reply) -> None:
        if reply.positive:
            self._incoming = self._new_incoming()
            self._reader = ChunkReader(binary=self._body is Body.BINARY)
            self._begin_chunk(self._incoming)
        else:
            self._skip_chunk(Chunk(self._chunk_left, self._chunk_last), reply)

    def _new_incoming(self) -> Incoming:
        return Incoming(self._profile, self._session_size, self._body is Body.BINARY, self._events.append)

    def _answered_end(self, reply: Reply) -> None:
        assert self._incoming is not None
        if reply.positive:
            self._session_size += self._incoming.size
            self._junk = 0
        self._end_transaction(reply)

    def _end_transaction(self, reply: Reply) -> None:
        self._forget_transaction()
        self._state = State.READY
        if reply is SESSION_TOO_LARGE:
            self._close(reply)
            return
        self._out.append(reply.encode())
        self._flush = True

    # Content

    def _read_data(self) -> bool:
        reader, incoming = self._reader, self._incoming
        assert isinstance(reader, DotReader)
        assert incoming is not None
        raw = self._input.take(len(self._input))
        if not raw:
            return False
        self._progress += 1
        incoming.take(reader.read(raw))
        if reader.rest is not None:
            self._input.append(reader.rest)
            self._end_content(incoming)
        elif incoming.drained_enough:
            self._close(incoming.failure or SESSION_TOO_LARGE)
        return True

    def _end_content(self, incoming: Incoming) -> None:
        if incoming.failure is not None:
            self._end_transaction(incoming.failure)
        else:
            self._events.append(BodyEnd(incoming.size, incoming.bare_newlines))
            self._owed = _END_OF_CONTENT

    def _begin_chunk(self, incoming: Incoming) -> None:
        incoming.announce(self._chunk_left)
        if incoming.failure is not None and self._chunk_left > self._profile.drain_limit:
            self._close(incoming.failure)
            return
        self._state = State.CHUNK
        if not self._chunk_left:
            self._end_chunk(incoming)

    def _read_chunk(self) -> bool:
        raw = self._input.take(self._chunk_left)
        if not raw:
            return False
        self._progress += 1
        self._chunk_left -= len(raw)
        incoming = self._incoming
        if incoming is not None:
            assert isinstance(self._reader, ChunkReader)
            incoming.take(self._reader.read(raw))
        if not self._chunk_left:
            self._end_chunk(incoming)
        return True

    def _end_chunk(self, incoming: Incoming | None) -> None:
        if incoming is None:
            self._state = self._resume
            if self._chunk_refusal is not None:
                self._out.append(self._chunk_refusal.encode())
            return
        if self._chunk_last:
            assert isinstance(self._reader, ChunkReader)
            incoming.take(self._reader.read(b"", last=True))
            self._end_content(incoming)
        elif incoming.failure is not None:
            self._state = State.FAILED
            self._out.append(incoming.failure.encode())
        else:
            self._state = State.CHUNKS
            self._out.append(REPLIES.chunk_ok(size=self._chunk_size).encode())

    def _skip_chunk(self, chunk: Chunk, reply: Reply) -> None:
        """Refuse a chunk. Its octets are content all the same, never to be read as commands (RFC 3030 section 2)."""
        if chunk.size > self._profile.drain_limit:
            self._close(reply)
            return
        self._resume, self._state = self._state, State.CHUNK
        self._chunk_refusal = reply
        self._chunk_left = chunk.size
        if not chunk.size:
            self._end_chunk(None)

    # Refusing, and closing

    def _refuse(self, reply: Reply, about: str) -> None:
        if not self._is_one_error_too_many():
            self._events.append(Fault("refused", f"{about}: {reply.text}"))
            self._out.append(reply.encode())

    def _answer_junk(self, reply: bytes) -> None:
        if not self._is_too_much_junk():
            self._out.append(reply)

    def _is_too_much_junk(self) -> bool:
        self._junk += 1
        return self._junk > self._profile.junk_limit > 0 and self._is_one_error_too_many()

    def _is_one_error_too_many(self) -> bool:
        """Count a fault. True if it was the last one: then it is answered, by 421."""
        self._errors += 1
        limit = self._profile.error_limit
        if not limit or self._errors < limit:
            return False
        self._break_off("too-many-errors", f"{limit} errors", REPLIES.too_many_errors(fqdn=self._profile.fqdn))
        return True

    def _refuse_unknown(self, verb: bytes, length: int) -> None:
        if verb in _HTTP:
            self._break_off("not-smtp", verb.decode(), REPLIES.not_smtp())
        elif length + 2 > 512:
            self._refuse(REPLIES.line_too_long(), "unknown command")
        else:
            self._refuse(REPLIES.unrecognized(), repr(verb)[2:-1])

    def _refuse_early_talk(self) -> None:
        line = self._input.peek(8)
        if line.startswith(_TLS_HANDSHAKE):
            self._break_off("tls-hello", "TLS on a plain port", REPLIES.tls_not_here())
        elif line.partition(b" ")[0] in _HTTP:
            self._break_off("not-smtp", "HTTP", REPLIES.not_smtp())
        else:
            self._break_off("early-talk", "input before the greeting", REPLIES.talks_too_early())

    def _read_no_line(self, why: NoLine) -> bool:
        if why is NoLine.STARVED:
            return False
        self._progress += 1
        if why is NoLine.TOO_LONG:
            self._refuse(REPLIES.line_too_long(), "command")
        else:
            self._break_off("endless-line", "a command line without an end", REPLIES.line_too_long())
        return True

    def _accepts_bare_line(self) -> bool:
        if self._profile.reject_bare_newline:
            self._refuse(REPLIES.bare_newline_in_command(), "command line")
            return False
        if not self._bare_line_noted:
            self._bare_line_noted = True
            self._events.append(Fault("bare-newline", "command lines end in LF alone"))
        return True

    def _break_off(self, kind: str, cause: str, reply: Reply) -> None:
        self._events.append(Fault(kind, cause))
        self._close(reply)

    def _close(self, reply: Reply) -> None:
        if self._state in IN_TRANSACTION and (self._incoming is None or self._incoming.failure is None):
            self._events.append(TransactionReset(reply.text))
        self._out.append(reply.encode())
        self._flush = self._closing = True
        self._input.clear()


def _verb_not_built(verb: str, source: str) -> Row:
    """A verb whose place in the sequence is known, and that is answered 502 until it is built."""
    return Row(
        verb,
        source,
        NO_TRANSACTION | {State.GREETED},
        commands.parse_nothing,
        ServerEngine._not_built,
        otherwise=REPLIES.bad_sequence(),
        ends_group=True,
    )


_MAIL = Row(
    "MAIL",
    "RFC 5321 section 4.1.1.2",
    NO_TRANSACTION,
    commands.parse_mail,
    ServerEngine._mail,
    ServerEngine._answered_mail,
    then=State.MAIL,
    otherwise=REPLIES.nested_mail(),
    longest=1024,  # RFC 1870: 26 more, RFC 6152: 17, RFC 6531: 10, RFC 3461: 115, and long addresses in UTF-8
)
_RCPT = Row(
    "RCPT",
    "RFC 5321 section 4.1.1.3",
    frozenset({State.MAIL, State.RCPT}),
    commands.parse_rcpt,
    ServerEngine._rcpt,
    ServerEngine._answered_rcpt,
    then=State.RCPT,
    longest=1536,  # RFC 3461: 535 more
)
_DATA = Row(
    "DATA",
    "RFC 5321 section 4.1.1.4",
    frozenset({State.RCPT}),
    commands.parse_nothing,
    ServerEngine._data,
    ServerEngine._answered_data,
    then=State.DATA,
    ends_group=True,
    alone=True,
)
_BDAT = Row(
    "BDAT",
    "RFC 3030 section 2",
    frozenset({State.RCPT, State.CHUNKS, State.FAILED}),
    commands.parse_chunk,
    ServerEngine._bdat,
    ServerEngine._answered_chunk,
)
_END_OF_CONTENT = Row(
    "end of content",
    "RFC 5321 section 4.1.1.4, RFC 3030 section 2",
    IN_CONTENT,
    commands.parse_nothing,
    ServerEngine._not_built,
    ServerEngine._answered_end,
    then=State.READY,
)

_ROWS = (
    Row(
        "EHLO",
        "RFC 5321 section 4.1.1.1",
        ALWAYS,
        commands.parse_hello,
        ServerEngine._hello,
        ends_group=True,
        alone=True,
    ),
    Row(
        "HELO",
        "RFC 5321 section 4.1.1.1",
        ALWAYS,
        commands.parse_hello,
        ServerEngine._old_hello,
        ends_group=True,
        alone=True,
    ),
    _MAIL,
    _RCPT,
    _DATA,
    _BDAT,
    Row("RSET", "RFC 5321 section 4.1.1.5", ALWAYS, commands.parse_nothing, ServerEngine._rset),
    Row("NOOP", "RFC 5321 section 4.1.1.9", ALWAYS, commands.parse_nothing, ServerEngine._noop, ends_group=True),
    Row("VRFY", "RFC 5321 section 4.1.1.6", ALWAYS, commands.parse_verify, ServerEngine._vrfy, ends_group=True),
    Row("HELP", "RFC 5321 section 4.1.1.8", ALWAYS, commands.parse_nothing, ServerEngine._help, ends_group=True),
    Row("QUIT", "RFC 5321 section 4.1.1.10", ALWAYS, commands.parse_nothing, ServerEngine._quit, ends_group=True),
    _verb_not_built("EXPN", "RFC 5321 section 4.1.1.7"),
    _verb_not_built("ETRN", "RFC 1985"),
    _verb_not_built("TURN", "RFC 821 section 3.8"),
    _verb_not_built("ATRN", "RFC 2645"),
    _verb_not_built("STARTTLS", "RFC 3207"),
    _verb_not_built("AUTH", "RFC 4954"),
)

TABLE: dict[bytes, Row] = {row.verb.encode(): row for row in _ROWS}
