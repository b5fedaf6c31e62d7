"""Reports: delivery status notifications (RFC 3464, 6533) in the predecessor's shape, with a text for people.

Pure: what happened comes in as values, a whole message comes out. Not responsible for who is owed a report
(`service.report.reports`) or for reading the message that it is about.

Differs from the predecessor: the text is UTF-8 instead of UTF-7, which mail programs no longer read; it says what
happened, on whose side, and what to do. A delay notice quotes the header only (RFC 3461 section 4.3).
"""

import binascii
import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from mailroot.mail.address import Mailbox
from mailroot.mail.dates import mail_date
from mailroot.mail.envelope import Body, Recipient, Return
from mailroot.mail.header import header_end
from mailroot.mail.reportlines import ascii_name, clean, decode_xtext, folded, original_recipient, wrapped
from mailroot.mail.sevenbit import Unconvertible, survey
from mailroot.mail.status import Status
from mailroot.mail.statuswords import words_for

# A message that is larger is quoted by its header only.
QUOTED_LIMIT = 1024 * 1024
# What a remote server said is cut after so many characters.
REPLY_LIMIT = 2000

_TAG = "4D61696C"  # ours, where the predecessor has its own: in boundaries and X-DSNContext
_NAME_IN_BOUNDARY = 16
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>")
_NOT_BOUNDARY = re.compile(r"[^0-9A-Za-z.]")
_LINE_BREAK = re.compile(rb"\r\n?|\n")


class Kind(enum.Enum):
    """What a report is about; the word stands in its subject."""

    FAILURE = "Failure"
    DELAY = "Delay"
    SUCCESS = "Success"
    RELAY = "Relay"
    EXPANSION = "Expansion"


class _Face(NamedTuple):
    """What a kind looks like: its Action (RFC 3464 section 2.3.3), its number in X-DSNContext, its sentences."""

    action: str
    number: int
    sentences: tuple[str, ...]


_FACES = {
    Kind.FAILURE: _Face("failed", 2, ("Delivery to the following recipients failed.",)),
    Kind.DELAY: _Face(
        "delayed",
        4,
        (
            "THIS IS A WARNING MESSAGE ONLY.",
            "",
            "YOU DO NOT NEED TO RESEND YOUR MESSAGE.",
            "",
            "Delivery to the following recipients has been delayed.",
        ),
    ),
    Kind.SUCCESS: _Face("delivered", 8, ("Your message was delivered to the following recipients.",)),
    Kind.RELAY: _Face(
        "relayed",
        16,
        (
            "Your message was handed on to the mail server of the following recipients.",
            "That server does not confirm deliveries, so no further notice may come.",
        ),
    ),
    Kind.EXPANSION: _Face(
        "expanded", 32, ("Your message was sent on to all members of the following distribution lists.",)
    ),
}

_EXPIRED = (
    "Unable to deliver message to the following recipients, due to being unable to connect successfully to the "
    "destination mail server."
)
_LOOP = (
    "Unable to deliver message to the following recipients, because the message was forwarded more than the maximum "
    "allowed times. This could indicate a mail loop."
)
_TOO_LATE = "Unable to deliver message to the following recipients within the time that is allowed for it."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recipient. `until` is when trying ends; None where it has ended."""

    recipient: Recipient
    status: Status
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Original:
    """The message that a report is about.

    `sender` gets the report. `hello` is what the client called itself, "" where there was none. `quoted` is the
    content, or its beginning where `whole` is false; the beginning holds the header block. `body` is what the envelope
    said, `ret` and `envid` too (RFC 3461). `message_id` is that of the message, "" where it has none.
    """

    sender: Mailbox
    hello: str
    arrived: datetime
    quoted: bytes
    whole: bool = True
    body: Body = Body.SEVEN_BIT
    ret: Return | None = None
    envid: str | None = None
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Making:
    """Who makes a report, when, and under which names.

    `domain` is the default (or masquerade) domain. `now` is aware; dates are written in its zone. `run` is 16
    hexadecimal digits made once for a run, `serial` differs for each report of that run; the boundary comes of them.
    """

    fqdn: str
    domain: str
    now: datetime
    message_id: str
    run: str
    serial: int


@dataclass(frozen=True, slots=True)
class Report:
    """A whole message, and what its envelope must say of it."""

    content: bytes
    body: Body
    smtputf8: bool


class _Part(NamedTuple):
    type: str
    body: bytes
    encoding: str = ""


def compose(kind: Kind, original: Original, outcomes: Sequence[Outcome], making: Making) -> Report:
    """The report on outcomes of one kind.

    Nothing that a remote server or a client said can end a line, a field or a part of it: control characters become
    "?", and the boundary occurs in no part.
    """
    parts = (
        _text_part(kind, outcomes, making),
        _status_part(kind, original, outcomes, making),
        _quoted_part(kind, original),
    )
    boundary = _boundary(making, parts)
    pieces = [_header(kind, original, outcomes, making, boundary)]
    for part in parts:
        encoding = f"Content-Transfer-Encoding: {part.encoding}\r\n" if part.encoding else ""
        pieces.append(f"--{boundary}\r\nContent-Type: {part.type}\r\n{encoding}\r\n".encode())
        pieces.append(part.body if part.body.endswith(b"\r\n") else part.body + b"\r\n")
        pieces.append(b"\r\n")
    pieces.append(f"--{boundary}--\r\n".encode())
    content = b"".join(pieces)
    return Report(content, Body.SEVEN_BIT if content.isascii() else Body.EIGHT_BIT, not original.sender.ascii)


def _boundary(making: Making, parts: Sequence[_Part]) -> str:
    """A boundary in the predecessor's form (facts 4.3) that is in none of the parts."""
    name = _NOT_BOUNDARY.sub("?", making.fqdn)[:_NAME_IN_BOUNDARY]
    serial = making.serial
    while True:
        boundary = f"{_TAG}DSN=_{making.run}{serial & 0xFFFFFFFF:08x}{name}"
        if not any(boundary.encode() in part.body for part in parts):
            return boundary
        serial += 1


def _header(kind: Kind, original: Original, outcomes: Sequence[Outcome], making: Making, boundary: str) -> bytes:
    face = _FACES[kind]
    return (
        f"From: postmaster@{ascii_name(making.domain)}\r\n"
        f"To: {clean(str(original.sender))}\r\n"
        f"Date: {mail_date(making.now)}\r\n"
        "MIME-Version: 1.0\r\n"
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"\r\n'
        f"X-DSNContext: {_TAG.lower()} - {making.serial % 10_000:04d} - {face.number:08x} - "
        f"{_status_number(outcomes[0].status.code)}\r\n"
        f"Message-ID: {clean(making.message_id)}\r\n"
        f"Subject: Delivery Status Notification ({kind.value})\r\n"
        # RFC 3834 section 2: no other automaton may answer this.
        "Auto-Submitted: auto-replied\r\n"
        f"{_references(original.message_id)}"
        "\r\n"
        "This is a MIME-formatted message.  \r\n"
        "Portions of this message may be unreadable without a MIME-capable mail program.\r\n\r\n"
    ).encode()


def _references(message_id: str) -> str:
    """What connects the report with the message in mail programs (RFC 3834 section 3.1.5); "" for an odd name."""
    if not _MESSAGE_ID.fullmatch(message_id):
        return ""
    return f"In-Reply-To: {message_id}\r\nReferences: {message_id}\r\n"


def _status_number(code: str) -> str:
    """The error in X-DSNContext: the enhanced status code, "5.1.1", as 00050101."""
    numbers = [int(number) & 0xFF for number in code.split(".") if number.isdecimal()][:3]
    return "00" + "".join(f"{number:02X}" for number in numbers).rjust(6, "0")


# --- part 1: the text ---


def _text_part(kind: Kind, outcomes: Sequence[Outcome], making: Making) -> _Part:
    lines = ["This is an automatically generated Delivery Status Notification.", ""]
    lines += _sentences(kind, outcomes)
    for outcome in outcomes:
        lines += ["", f"       {clean(str(outcome.recipient.address))}"]
        lines += _explanation(kind, outcome, making)
    text = "\r\n".join([*lines, "", "", "", "", ""]).encode()
    if text.isascii():
        return _Part("text/plain; charset=utf-8", text)
    return _Part("text/plain; charset=utf-8", binascii.b2a_qp(text, istext=True), "quoted-printable")


def _sentences(kind: Kind, outcomes: Sequence[Outcome]) -> list[str]:
    details = {_detail(outcome.status.code) for outcome in outcomes}
    if kind is Kind.FAILURE and details == {"4.7"}:
        unreached = all(outcome.status.remote and not outcome.status.reply for outcome in outcomes)
        return wrapped(_EXPIRED if unreached else _TOO_LATE, "", "")
    if kind is Kind.FAILURE and details == {"4.6"}:
        return wrapped(_LOOP, "", "")
    return list(_FACES[kind].sentences)


def _explanation(kind: Kind, outcome: Outcome, making: Making) -> list[str]:
    status = outcome.status
    lines = []
    if kind in (Kind.FAILURE, Kind.DELAY):
        side = f"the mail server {clean(status.remote)}" if status.remote else f"this mail server, {making.fqdn}"
        lines += wrapped(f"Where: {side}", "         ")
    if status.reason:
        lines += wrapped(f"What happened: {clean(status.reason)}", "         ")
    if status.reply:
        lines += wrapped(f"What that server said: {clean(status.reply)[:REPLY_LIMIT]}", "         ")
    if kind is Kind.FAILURE:
        words = words_for(status.code)
        # A code that we had to guess, or decided on for a reason that was told, says nothing more.
        if words.meaning and (status.code in status.reply or not (status.reply or status.reason)):
            lines += wrapped(f"What that means: {words.meaning}", "         ")
        lines += wrapped(f"What to do: {words.advice}", "         ")
    if outcome.until:
        until = mail_date(outcome.until.astimezone(making.now.tzinfo))
        lines += wrapped(f"What to do: nothing. Delivery is tried again until {until}.", "         ")
    return lines


def _detail(code: str) -> str:
    return code.partition(".")[2]


# --- part 2: the status, for programs ---


def _status_part(kind: Kind, original: Original, outcomes: Sequence[Outcome], making: Making) -> _Part:
    # RFC 6533 section 3: addresses beyond ASCII need the global form; a domain alone has its A-labels.
    beyond_ascii = not all(outcome.recipient.address.local.isascii() for outcome in outcomes)
    fields = [f"Reporting-MTA: dns;{ascii_name(making.fqdn)}"]
    if original.hello:
        fields.append(f"Received-From-MTA: dns;{clean(original.hello)}")
    fields.append(f"Arrival-Date: {mail_date(original.arrived.astimezone(making.now.tzinfo))}")
    if original.envid:
        fields.append(f"Original-Envelope-Id: {clean(decode_xtext(original.envid))}")
    groups = [fields, *(_recipient_fields(kind, outcome, making, beyond_ascii) for outcome in outcomes)]
    text = "\r\n".join("".join(f"{folded(field)}\r\n" for field in group) for group in groups)
    if beyond_ascii:
        return _Part("message/global-delivery-status", text.encode(), "8bit")
    return _Part("message/delivery-status", text.encode("ascii", "replace"))


def _recipient_fields(kind: Kind, outcome: Outcome, making: Making, beyond_ascii: bool) -> list[str]:
    status, address = outcome.status, outcome.recipient.address
    fields = []
    if outcome.recipient.orcpt:
        fields.append(f"Original-Recipient: {clean(original_recipient(outcome.recipient.orcpt, beyond_ascii))}")
    plain = address.local.isascii()
    final = address.at(ascii_name(address.domain)) if plain else address
    fields.append(f"Final-Recipient: {'rfc822' if plain else 'utf-8'};{clean(str(final))}")
    fields.append(f"Action: {_FACES[kind].action}")
    fields.append(f"Status: {clean(status.code)}")
    if status.remote:
        fields.append(f"Remote-MTA: dns;{clean(status.remote)}")
    if status.reply:
        fields.append(f"Diagnostic-Code: smtp;{clean(status.reply)[:REPLY_LIMIT]}")
    fields.append(f"Last-Attempt-Date: {mail_date(making.now)}")
    if outcome.until:
        fields.append(f"Will-Retry-Until: {mail_date(outcome.until.astimezone(making.now.tzinfo))}")
    return fields


# --- part 3: the message ---


def _quoted_part(kind: Kind, original: Original) -> _Part:
    """The message with a failure; its header where that was asked for, and where the whole is too large or no text.

    The header too where the whole could not go through servers that take 7-bit content only: a report that cannot be
    delivered tells nobody.

    RFC 3461 section 4.3: other reports have the header only.
    """
    data = original.quoted
    full = kind is Kind.FAILURE and original.ret is not Return.HEADERS
    if full and original.whole and _is_text(original) and _goes_everywhere(data):
        return _as_part(data, "message/rfc822", "message/global")
    # What is quoted may have been cut between CR and LF.
    header = _LINE_BREAK.sub(b"\r\n", data[: header_end(data)].replace(b"\0", b"?"))
    return _as_part(header, "text/rfc822-headers", "message/global-headers")


def _as_part(data: bytes, plain: str, beyond_ascii: str) -> _Part:
    if data.isascii():
        return _Part(plain, data)
    if data[: header_end(data)].isascii():
        return _Part(plain, data, "8bit")
    return _Part(beyond_ascii, data, "8bit")


def _goes_everywhere(data: bytes) -> bool:
    """Whether this becomes 7-bit content where it must; what has a header beyond ASCII needs SMTPUTF8 anyway."""
    if data.isascii() or not data[: header_end(data)].isascii():
        return True
    try:
        survey(iter((data,)))
    except Unconvertible:
        return False
    return True


def _is_text(original: Original) -> bool:
    data = original.quoted
    if original.body is Body.BINARY or len(data) > QUOTED_LIMIT or b"\0" in data:
        return False
    lines = data.count(b"\r\n")
    return data.count(b"\n") == lines == data.count(b"\r")
