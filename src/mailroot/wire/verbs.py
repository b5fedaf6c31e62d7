"""The one table of verbs, and what each of them does.

A verb's function takes what its parser made of the argument. It answers by itself where that needs no opinion; else it
asks, and `answered` follows the caller's reply. A new verb is a parser, a function and a row.
"""

import functools
from collections.abc import Callable

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Body
from mailroot.mail.reply import REPLIES, Reply
from mailroot.wire import commands
from mailroot.wire.auth import AUTH_ROW
from mailroot.wire.commands import Chunk, Odd
from mailroot.wire.content import begin_chunk, begin_chunks, begin_data
from mailroot.wire.dialogue import Dialogue, Transaction
from mailroot.wire.events import DataRequested, Fault, Hello, MailFrom, Quit, RcptTo
from mailroot.wire.extensions import Terms, hello_keywords
from mailroot.wire.incoming import SESSION_TOO_LARGE
from mailroot.wire.starttls import STARTTLS_ROW, with_tls_first
from mailroot.wire.table import ALWAYS, CHUNKS, DATA, FAILED, GREETED, MAIL, NO_TRANSACTION, RCPT, READY, Row
from mailroot.wire.turning import ETRN_ROW, TURN_ROWS

_SMALL_CHUNK = 512  # Smaller chunks bring no mail forward; a client that sends thousands of them only costs.

_BINARY = Body.BINARY
_OK = REPLIES.ok().encode()
_RESETTING = REPLIES.resetting().encode()
_TOO_MANY_RECIPIENTS: Reply = REPLIES.too_many_recipients()
# The predecessor's list and order, of the verbs that are built.
_VERBS = "HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH TURN ATRN ETRN BDAT VRFY"
_HELP = Reply(214, "", (*REPLIES.help().lines, _VERBS)).encode()


def _hello(dialogue: Dialogue, hello: Hello) -> None:
    profile = dialogue.profile
    mechanisms = () if dialogue.signed_in else profile.mechanisms
    starttls = profile.starttls and not dialogue.signed_in
    turns = profile.turns and (dialogue.signed_in or mechanisms != ())
    terms = Terms(profile.size_limit, mechanisms, starttls, profile.holds, turns)
    _greet_back(dialogue, hello, hello_keywords(terms))


def _old_hello(dialogue: Dialogue, hello: Hello) -> None:
    _greet_back(dialogue, Hello(hello.name, extended=False), ())


def _greet_back(dialogue: Dialogue, hello: Hello, keywords: tuple[str, ...]) -> None:
    dialogue.reset("EHLO" if hello.extended else "HELO")
    dialogue.state = READY
    dialogue.extended = hello.extended
    if not hello.name:
        dialogue.events.append(Fault("no-hello-name", "the client gave no name"))
    dialogue.events.append(hello)
    dialogue.out.append(_hello_reply(dialogue.profile.fqdn, dialogue.profile.client_address, keywords))


@functools.lru_cache(maxsize=256)
def _hello_reply(fqdn: str, address: str, keywords: tuple[str, ...]) -> bytes:
    first: Reply = REPLIES.hello(fqdn=fqdn, address=address)
    return Reply(first.code, first.enhanced, first.lines + keywords).encode()


def _mail(dialogue: Dialogue, said: MailFrom | Odd) -> None:
    mail = said.said if isinstance(said, Odd) else said
    assert isinstance(mail, MailFrom)
    profile = dialogue.profile
    size = mail.size or 0
    if profile.size_limit and size > profile.size_limit:
        dialogue.refuse(REPLIES.message_too_large(), "MAIL")
    elif profile.session_limit and dialogue.session_size + size > profile.session_limit:
        dialogue.close(SESSION_TOO_LARGE)
    else:
        dialogue.state = READY
        dialogue.transaction = Transaction(mail.body, mail.smtputf8)
        _ask_about(dialogue, said, _MAIL)


def _rcpt(dialogue: Dialogue, said: RcptTo | Odd) -> None:
    limit = dialogue.profile.recipient_limit
    if limit and dialogue.transaction.recipients >= limit:
        dialogue.say(_TOO_MANY_RECIPIENTS)
    else:
        _ask_about(dialogue, said, _RCPT)


def _ask_about(dialogue: Dialogue, said: MailFrom | RcptTo | Odd, row: Row) -> None:
    if isinstance(said, Odd):
        dialogue.events.append(Fault(said.kind, row.verb))
        dialogue.ask(said.said, row)
    else:
        dialogue.ask(said, row)


def _answered_mail(dialogue: Dialogue, reply: Reply) -> None:
    dialogue.say(reply)


def _answered_rcpt(dialogue: Dialogue, reply: Reply) -> None:
    if reply.positive:
        dialogue.transaction.recipients += 1
        dialogue.say(reply)
    else:
        dialogue.transaction.refused += 1
        dialogue.say_unless_junk(reply.encode())


def _data(dialogue: Dialogue, _: None) -> None:
    if dialogue.transaction.body is _BINARY:
        dialogue.refuse(REPLIES.need_bdat(), "DATA")
    else:
        dialogue.ask(DataRequested(chunked=False), _DATA)


def _bdat(dialogue: Dialogue, chunk: Chunk) -> None:
    if chunk.size < _SMALL_CHUNK and not chunk.last and dialogue.is_too_much_junk():
        return
    dialogue.chunk = chunk
    incoming = dialogue.transaction.incoming
    if incoming is None:
        dialogue.ask(DataRequested(chunked=True), _BDAT)
    else:
        begin_chunk(dialogue, incoming)


def _rset(dialogue: Dialogue, _: None) -> None:
    dialogue.reset("RSET")
    if dialogue.state is FAILED:
        dialogue.state = READY
    dialogue.say_unless_junk(_RESETTING)


def _noop(dialogue: Dialogue, _: None) -> None:
    dialogue.say_unless_junk(_OK)


def _vrfy(dialogue: Dialogue, mailbox: Mailbox) -> None:
    known = mailbox if mailbox.domain else mailbox.at(dialogue.profile.default_domain)
    dialogue.say_unless_junk(REPLIES.cannot_verify(address=known).encode())


def _help(dialogue: Dialogue, _: None) -> None:
    dialogue.say_unless_junk(_HELP)


def _quit(dialogue: Dialogue, _: None) -> None:
    dialogue.reset("QUIT")
    dialogue.close(_closing(dialogue.profile.fqdn))
    dialogue.events.append(Quit())


@functools.lru_cache(maxsize=64)
def _closing(fqdn: str) -> Reply:
    reply: Reply = REPLIES.closing(fqdn=fqdn)
    return reply


def _not_built(dialogue: Dialogue, _: None) -> None:
    dialogue.refuse(REPLIES.not_implemented(), "not built")


def _later(verb: str, source: str) -> Row:
    """A verb whose place in the sequence is known, answered 502 until it is built."""
    return Row(
        verb,
        source,
        (GREETED, *NO_TRANSACTION),
        commands.parse_nothing,
        _not_built,
        otherwise=REPLIES.bad_sequence(),
        ends_group=True,
    )


def _hello_row(verb: str, act: Callable[[Dialogue, Hello], None]) -> Row:
    parse = commands.parse_hello
    return Row(verb, "RFC 5321 section 4.1.1.1", ALWAYS, parse, act, ends_group=True, alone=True, clear=True)


_MAIL = Row(
    "MAIL",
    "RFC 5321 section 4.1.1.2",
    NO_TRANSACTION,
    commands.parse_mail,
    _mail,
    answered=_answered_mail,
    then=MAIL,
    otherwise=REPLIES.nested_mail(),
    longest=1536,  # RFC 1870: 26 more, RFC 6152: 17, RFC 6531: 10, RFC 3461: 115, RFC 4954: 500, and UTF-8
)
_RCPT = Row(
    "RCPT",
    "RFC 5321 section 4.1.1.3",
    (MAIL, RCPT),
    commands.parse_rcpt,
    _rcpt,
    answered=_answered_rcpt,
    then=RCPT,
    longest=1536,  # RFC 3461: 535 more
)
_DATA = Row(
    "DATA",
    "RFC 5321 section 4.1.1.4",
    (RCPT,),
    commands.parse_nothing,
    _data,
    answered=begin_data,
    then=DATA,
    ends_group=True,
    alone=True,
)
_BDAT = Row(
    "BDAT",
    "RFC 3030 section 2",
    (RCPT, CHUNKS, FAILED),
    commands.parse_chunk,
    _bdat,
    answered=begin_chunks,
)

_ROWS = (
    _hello_row("EHLO", _hello),
    _hello_row("HELO", _old_hello),
    _MAIL,
    _RCPT,
    _DATA,
    _BDAT,
    Row("RSET", "RFC 5321 section 4.1.1.5", ALWAYS, commands.parse_nothing, _rset, clear=True),
    Row("NOOP", "RFC 5321 section 4.1.1.9", ALWAYS, commands.parse_nothing, _noop, ends_group=True, clear=True),
    Row("VRFY", "RFC 5321 section 4.1.1.6", ALWAYS, commands.parse_verify, _vrfy, ends_group=True),
    Row("HELP", "RFC 5321 section 4.1.1.8", ALWAYS, commands.parse_nothing, _help, ends_group=True, clear=True),
    Row("QUIT", "RFC 5321 section 4.1.1.10", ALWAYS, commands.parse_nothing, _quit, ends_group=True, clear=True),
    _later("EXPN", "RFC 5321 section 4.1.1.7"),
    ETRN_ROW,
    *TURN_ROWS.values(),
    STARTTLS_ROW,
    AUTH_ROW,
)

TABLE: dict[bytes, Row] = {row.verb.encode(): row for row in _ROWS}
TLS_FIRST = with_tls_first(TABLE)
"""The table of a connection that must be encrypted first."""
