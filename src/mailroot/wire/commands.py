"""The arguments of each verb: octets in, values out; a `Reply` where they are refused.

Pure functions, one a verb, that know nothing of sequence or state. Who calls them stands in `verbs.TABLE`.
"""

import functools
import re
from dataclasses import dataclass
from typing import Any

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Recipient
from mailroot.mail.reply import REPLIES, Reply
from mailroot.wire.events import Hello, MailFrom, RcptTo
from mailroot.wire.extensions import MAIL_PARAMETERS, RCPT_PARAMETERS, parse_parameters
from mailroot.wire.grammar import Path, parse_path

# Printable, and nothing with which a name could break out of a comment or a header field where it is shown.
_HELLO_NAME = re.compile(rb"[!#-'*+./0-:=?@A-Z\[\]^_`a-z{|}~-]{0,255}")
_CHUNK = re.compile(rb"([0-9]{1,18})(?: +(LAST))?", re.IGNORECASE)

_INVALID_ARGUMENTS: Reply = REPLIES.invalid_arguments()
_INVALID_ADDRESS: Reply = REPLIES.invalid_address()
_ARGUMENT_MISSING: Reply = REPLIES.argument_missing()
_NEEDS_SMTPUTF8: Reply = REPLIES.needs_smtputf8()


@dataclass(frozen=True, slots=True)
class Odd:
    """MAIL or RCPT that was accepted although no standard allows what `kind` names."""

    said: MailFrom | RcptTo
    kind: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """BDAT: so many octets follow; `last` ends the message (RFC 3030 section 2)."""

    size: int
    last: bool


def parse_nothing(_argument: bytes, _smtputf8: bool) -> None:
    """For verbs whose argument means nothing: NOOP and HELP may have one, RSET and DATA and QUIT are forgiven."""


def parse_hello(argument: bytes, _smtputf8: bool) -> Hello | Reply:
    """The client's name. A missing one is accepted, as the predecessor does; an unprintable one is not."""
    if not _HELLO_NAME.fullmatch(argument):
        return _INVALID_ARGUMENTS
    return Hello(argument.decode(), extended=True)


# A program names the same senders and recipients again and again: finding what it said costs a tenth of reading it.
@functools.lru_cache(maxsize=1024)
def parse_mail(argument: bytes, _smtputf8: bool) -> MailFrom | RcptTo | Odd | Reply:
    """`FROM:<path> parameters` (RFC 5321 section 4.1.1.2)."""
    if argument[:5].upper() != b"FROM:":
        return _INVALID_ARGUMENTS
    wide = not argument.isascii()
    parsed = _parse_addressed(argument[5:], wide and b" SMTPUTF8" in argument.upper())
    if isinstance(parsed, Reply):
        return parsed
    path, odd = parsed
    if not path.rest:
        return _said(MailFrom(path.mailbox), odd)
    values: Any = parse_parameters(path.rest, MAIL_PARAMETERS)
    if isinstance(values, Reply):
        return values
    mail = MailFrom(path.mailbox, **values)
    return _NEEDS_SMTPUTF8 if wide and not mail.smtputf8 else _said(mail, odd)


@functools.lru_cache(maxsize=1024)
def parse_rcpt(argument: bytes, smtputf8: bool) -> MailFrom | RcptTo | Odd | Reply:
    """`TO:<path> parameters` (RFC 5321 section 4.1.1.3); the null path is no recipient."""
    if argument[:3].upper() != b"TO:":
        return _INVALID_ARGUMENTS
    parsed = _parse_addressed(argument[3:], smtputf8)
    if isinstance(parsed, Reply):
        return parsed
    path, odd = parsed
    if path.mailbox is None:
        return _INVALID_ADDRESS
    if not path.rest:
        return _said(RcptTo(Recipient(path.mailbox)), odd)
    values: Any = parse_parameters(path.rest, RCPT_PARAMETERS)
    if isinstance(values, Reply):
        return values
    return _said(RcptTo(Recipient(path.mailbox, **values)), odd)


def _said(event: MailFrom | RcptTo, odd: str) -> MailFrom | RcptTo | Odd:
    return Odd(event, odd) if odd else event


def _parse_addressed(argument: bytes, smtputf8: bool) -> tuple[Path, str] | Reply:
    """The path after the colon, and what was odd about it."""
    if not smtputf8 and not argument.isascii():
        return _NEEDS_SMTPUTF8
    text = argument.decode(errors="surrogateescape")
    odd = ""
    if text[:1] == " ":
        text, odd = text.lstrip(" "), "blank-before-path"
    if not text:
        return _ARGUMENT_MISSING
    path = parse_path(text)
    if isinstance(path, Reply):
        return path
    if path.rest and path.rest[0] != " ":
        return _INVALID_ADDRESS
    return path, odd if path.bracketed else "no-brackets"


def parse_verify(argument: bytes, _smtputf8: bool) -> Mailbox | Reply:
    """The user or mailbox that VRFY names (RFC 5321 section 4.1.1.6)."""
    if not argument:
        return _ARGUMENT_MISSING
    parsed = _parse_addressed(argument, smtputf8=False)
    if isinstance(parsed, Reply):
        return parsed
    path, _ = parsed
    return _INVALID_ADDRESS if path.mailbox is None or path.rest else path.mailbox


def parse_chunk(argument: bytes, _smtputf8: bool) -> Chunk | Reply:
    """`octets [LAST]` (RFC 3030 section 2): digits only."""
    found = _CHUNK.fullmatch(argument)
    if found is None:
        return _INVALID_ARGUMENTS
    return Chunk(int(found[1]), last=found[2] is not None)
