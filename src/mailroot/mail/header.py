"""The header block of a message: where it ends, what is in it, and the fields that Mailroot adds.

Works on bytes and looks at the header block only, so that it serves a content of any size. Not responsible for the
x-sender and x-receiver lines of Pickup and Drop, or for what a policy makes of the facts found here.

One rule says what the header block is: the leading lines that are header fields (RFC 5322 section 2.2) with their
continuations. Where the line after them is not empty, an empty line is put in before it; so a content without a header
gets an empty block and keeps every octet as its body.
"""

import functools
import re
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from mailroot.mail.dates import both_dates

# A Message-ID that is longer is shortened where it is shown (replies, events); the message keeps it whole.
MESSAGE_ID_SHOWN = 250

# The predecessor's local part: 19 characters that begin with the host's label, 8 hexadecimal digits; where the label
# leaves less than 6 characters of the 19 to chance, 9 random ones stand instead (facts 3).
_LOCAL_PART = 19
_LONG_LABEL = 14
_SHORT_FILLER = 9

# The line breaks before a line that is no field and no continuation, the empty line included.
_HEADER_END = re.compile(rb"\n(?![!-9;-~]+:|[ \t])")
_FIELD = re.compile(rb"[!-9;-~]+:")
_LONGEST_LINE = 1000

# By line, after the line break before it: the fields that matter here (Message-ID with its value); and b"" where the
# line break is a bare LF, or the line is neither a field nor a continuation. Their initials tell the fields apart.
_NOTABLE = re.compile(
    rb"\n(?:(?<!\r\n)"
    rb"|([Dd](?i:ate):|[Ff](?i:rom):|[Rr](?i:eceived):|[Aa](?i:uthentication-results):"
    rb"|[Mm](?i:essage-id):[^\r\n]*(?:\r\n[ \t][^\r\n]*)*)"
    rb"|(?![!-9;-~]+:|[ \t]))"
)
# What other programs might read as a field although it is none: space before the name, or before the colon.
_DISGUISED = re.compile(rb"[ \t]+[!-9;-~]+[ \t]*:|[!-9;-~]+(?:\r\n)?[ \t]+:")
_AUTHENTICATION_RESULTS = re.compile(rb"(?i:(?<=\n)Authentication-Results):((?:[^\r\n]*\r\n)(?:[ \t][^\r\n]*\r\n)*)")
_EMPTY_MESSAGE_ID = re.compile(rb"(?im:^Message-ID:[ \t]*\r\n(?:[ \t]+\r\n)*)")
_COMMENT = re.compile(rb"\([^()]*\)")
_ARRIVAL = re.compile(rb"\nX-OriginalArrivalTime:", re.IGNORECASE)

# What may stand in the name of a client inside Received; the rest cannot be part of a domain or an address literal.
_UNSAFE_NAME = re.compile(r"[^!#-'*+\-./0-9:=?A-Z\[\]^_`a-z{|}~]")


class HeaderFacts(NamedTuple):
    """What a header block contains.

    `message_id` is the value of the first Message-ID field without surrounding blanks, unfolded and not longer than
    `MESSAGE_ID_SHOWN`; None where there is none. `received` counts Received fields (RFC 5321 section 6.3).
    `eight_bit` tells of octets above 127. `problem` is a sentence for the client where the block could be read in two
    ways; "" where it is sound.
    """

    has_date: bool
    has_from: bool
    message_id: str | None
    received: int
    authentication_results: bool
    eight_bit: bool
    problem: str


@dataclass(frozen=True, slots=True)
class Trace:
    """What Mailroot writes of a client into the messages that it takes; the same for all messages of a session.

    `fqdn` is the server's own name. `hello` is what the client called itself and `address` its IP address; a Pickup
    file has neither (`address` is ""). `secured` tells of TLS. `remark` is what reverse DNS found: "", "unverified" or
    "RDNS failed". `user` is the account that the client has signed in to, where that is to be told.
    """

    fqdn: str
    version: str
    hello: str = ""
    address: str = ""
    secured: bool = False
    remark: str = ""
    user: str = ""


class Made(NamedTuple):
    """What comes with one message: the moment in the server's zone, its sender, the makings of a Message-ID.

    `sender` is the reverse-path without brackets, "" for the null one. `filler` has 19 random letters or digits, made
    once for a run; `counter` differs for each message of that run. Together they make a Message-ID unique.
    """

    at: datetime
    sender: str
    filler: str
    counter: int


class Stamped(NamedTuple):
    """A header block with Mailroot's fields: the message is `head` and then the content from `body_at` on.

    `message_id` is the message's own or the one that was made. `hops` counts the Received fields that were there
    before. `eight_bit` tells of octets above 127 in the header as it came. With a `problem`, `head` is b"" and the
    message is to be refused (550 5.6.0).
    """

    head: bytes
    body_at: int
    message_id: str
    hops: int
    eight_bit: bool
    problem: str


def header_end(data: bytes, *, whole: bool = True) -> int:
    """The index of the first octet after the last header line; 0 for an empty header block.

    `data` is a content or its beginning. -1: the end is not in sight; only where it is not `whole`.
    """
    if _FIELD.match(data) is None:
        return _end_before_first_line(data, whole)
    end = _HEADER_END.search(data)
    if end is None:
        return len(data) if whole else -1
    at = end.end()
    # At the very end of a beginning, a line may still grow into a field or into an empty line.
    return at if whole or data.find(b"\n", at) >= 0 else -1


def _end_before_first_line(data: bytes, whole: bool) -> int:
    # What is longer than a line may be (RFC 5322 section 2.1.1) and no field by then will not become one.
    return 0 if whole or b"\n" in data or len(data) > _LONGEST_LINE else -1


def examine(head: bytes) -> HeaderFacts:
    """The facts of a header block, as `header_end` cuts it."""
    return _facts(head, _notable(head))


def _notable(head: bytes) -> list[bytes]:
    return _NOTABLE.findall(b"\r\n" + head.removesuffix(b"\r\n")) if head else []


def _facts(head: bytes, notable: list[bytes]) -> HeaderFacts:
    initials = b"".join([field[:1] or b"?" for field in notable]).lower()
    named = initials.find(b"m")
    message_id = _shown(notable[named]) if named >= 0 else ""
    return HeaderFacts(
        b"d" in initials,
        b"f" in initials,
        message_id or None,
        initials.count(b"r"),
        b"a" in initials,
        not head.isascii(),
        _problem(head, notable),
    )


def _problem(head: bytes, notable: list[bytes]) -> str:
    if b"\0" in head:
        return "NUL is not allowed in the header"
    # With every LF after a CR, more CRs than LFs means a bare one.
    if b"" in notable or head.count(b"\r") != head.count(b"\n"):
        return "Bare CR or LF is not allowed in the header"
    return ""


def _shown(field: bytes) -> str:
    value = field[len("message-id:") :]
    text = value.replace(b"\r\n", b"").strip().decode(errors="replace")
    return _printable(text)[:MESSAGE_ID_SHOWN]


def stamp(data: bytes, trace: Trace, made: Made) -> Stamped:
    """The header block with Mailroot's fields: Received before it; what is missing, and the arrival, after it.

    `data` is a whole content, or at least its beginning up to where `header_end` finds the end. Fields that are there
    are kept as they are, with two exceptions: a Message-ID without a value is replaced; Authentication-Results in our
    own name, which nobody else may write (RFC 8601 section 5), is renamed.
    """
    head, notable = _cut(data)
    end = len(head)
    facts = _facts(head, notable)
    message_id = facts.message_id or new_message_id(trace.fqdn, made.filler, made.counter)
    problem = facts.problem or _disguise(data, end)
    if problem:
        return Stamped(b"", end, message_id, facts.received, facts.eight_bit, problem)
    if facts.authentication_results:
        head = _without_forged_results(head, trace.fqdn)
    if not facts.message_id:
        head = _EMPTY_MESSAGE_ID.sub(b"", head)
    date, arrival = both_dates(made.at)
    line_end = b"" if not head or head.endswith(b"\r\n") else b"\r\n"
    added = _missing(facts, message_id, date, made.sender or f"postmaster@{trace.fqdn}")
    separator = b"" if data.startswith(b"\r\n", end) else b"\r\n"
    stamped = b"%b\r\n\t %b\r\n%b%b%bX-OriginalArrivalTime: %b\r\n%b" % (
        _received_from(trace),
        date.encode(),
        head,
        line_end,
        added,
        arrival.encode(),
        separator,
    )
    return Stamped(stamped, end, message_id, facts.received, facts.eight_bit, "")


def _cut(data: bytes) -> tuple[bytes, list[bytes]]:
    """The header block and its notable fields, in one pass where the first empty line is its end, as nearly always."""
    head = data[: data.find(b"\r\n\r\n") + 2]
    notable = _notable(head)
    if len(head) < 4 or head[0] in b" \t" or b"" in notable:
        head = data[: header_end(data)]
        notable = _notable(head)
    return head, notable


def _disguise(data: bytes, end: int) -> str:
    """A sentence where the line that ended the header block could pass for one more field with others; else ""."""
    if data.startswith(b"\r\n", end) or _DISGUISED.match(data, end) is None:
        return ""
    return "Space before the name or the colon of a header field"


@functools.lru_cache(maxsize=1024)
def _received_from(trace: Trace) -> bytes:
    """The first line of Received, in the predecessor's shape (facts 2 and 3), under our own name."""
    fqdn = _UNSAFE_NAME.sub("?", trace.fqdn)
    if not trace.address:
        return f"Received: from mail pickup service by {fqdn} with Mailroot SMTPSVC;".encode()
    literal = f"IPv6:{trace.address}" if ":" in trace.address else trace.address
    remark = f" {trace.remark}" if trace.remark else ""
    channel = " over TLS secured channel" if trace.secured else ""
    client = f"{_UNSAFE_NAME.sub('?', trace.hello) or 'unknown'} ([{literal}]{remark})"
    if trace.user:  # DOMAIN\user: a backslash in a comment is written twice (RFC 5322 section 3.2.2)
        account = "\\\\".join(_UNSAFE_NAME.sub("?", part) for part in trace.user.split("\\"))
        client += f" (signed in as {account})"
    return f"Received: from {client} by {fqdn}{channel} with Mailroot SMTPSVC({trace.version});".encode()


def _missing(facts: HeaderFacts, message_id: str, date: str, author: str) -> bytes:
    """The fields that every message has and this one lacks.

    RFC 5322 section 3.6.2 wants a mailbox in From, so `<>` cannot stand there. What has the null sender was made by a
    mail system, for which its postmaster answers.
    """
    if facts.message_id and facts.has_date and facts.has_from:
        return b""
    lines = "" if facts.message_id else f"Message-ID: {message_id}\r\n"
    if not facts.has_date:
        lines += f"Date: {date}\r\n"
    if not facts.has_from:
        lines += f"From: {_printable(author)}\r\n"
    return lines.encode()


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(mark if mark.isprintable() else "?" for mark in text)


def new_message_id(fqdn: str, filler: str, counter: int) -> str:
    """A Message-ID in the predecessor's form: a local part of 27 characters that begins with the host's label.

    `filler` has 19 random letters or digits; 9 of them stand for a label of 14 characters or more (facts 3).
    """
    label = fqdn.partition(".")[0]
    named = 0 < len(label) < _LONG_LABEL and label.replace("-", "").isalnum() and label.isascii()
    local = f"{label}{filler[: _LOCAL_PART - len(label)]}" if named else filler[:_SHORT_FILLER]
    return f"<{local}{counter & 0xFFFFFFFF:08x}@{fqdn}>"


def _without_forged_results(head: bytes, fqdn: str) -> bytes:
    def renamed(field: re.Match[bytes]) -> bytes:
        return b"X-Forged-" + field[0] if _speaks_as(field[1], fqdn) else field[0]

    return _AUTHENTICATION_RESULTS.sub(renamed, b"\n" + head)[1:]


def _speaks_as(value: bytes, fqdn: str) -> bool:
    """Whether the authserv-id of an Authentication-Results field is our name (RFC 8601 section 2.2)."""
    words = _COMMENT.sub(b" ", value).partition(b";")[0].split()
    return bool(words) and words[0].strip(b'"').lower() == fqdn.lower().encode()


def with_return_path(head: bytes, sender: str) -> bytes:
    """The header block with Return-Path where the predecessor puts it: before the last X-OriginalArrivalTime, or last.

    Bare, without angle brackets, except for the null sender (facts 3). `head` ends with a line end or is empty.
    """
    field = f"Return-Path: {_printable(sender) or '<>'}\r\n".encode()
    at = len(head)
    for arrival in _ARRIVAL.finditer(b"\n" + head):
        at = arrival.start()
    return head[:at] + field + head[at:]
