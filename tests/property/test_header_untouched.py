"""What is added to a message leaves every other octet as it was: at the commit, at Drop, and on the way out."""

import re
from datetime import UTC, datetime

from hypothesis import assume, given
from hypothesis import strategies as st

from mailroot.edge.files.drop import with_return_path
from mailroot.mail.dkim import SigningKey, fields_of, signature
from mailroot.mail.header import Made, Trace, stamp
from mailroot.mail.message import BytesContent, Preceded
from mailroot.mail.sevenbit import Unconvertible, seven_bit

TRACE = Trace("here.example", "1", "client.example", "192.0.2.1")
MADE = Made(datetime(2026, 11, 2, 10, tzinfo=UTC), "app@here.example", "A" * 19, 7)
OURS = re.compile(rb"(?:Message-ID|Date|From|X-OriginalArrivalTime): [^\r\n]*\r\n")

# A line of blanks belongs to the field before it; only where all its lines are blank is a Message-ID empty.
EMPTY_ID = re.compile(rb"(?im)^Message-ID:[ \t]*\r\n(?:[ \t]+\r\n)*(?![ \t])")

_BITS = [b"x", b" ", b"\t", b"\r\n ", b"\r\n\t", b":", b"\xc3\xa9", b"<a@b>", b";"]
_VALUE = st.lists(st.sampled_from(_BITS), max_size=6)
_NAME = st.sampled_from([b"Subject", b"FROM", b"date", b"Message-Id", b"Received", b"X-Odd", b"To", b"x-odd"])
_FIELD = st.tuples(_NAME, st.sampled_from([b":", b": ", b":\t"]), _VALUE.map(b"".join))
_HEADER = st.lists(_FIELD.map(lambda field: b"".join(field) + b"\r\n"), min_size=1, max_size=8).map(b"".join)
_BODY = st.lists(st.sampled_from([b"a", b".", b"\r\n", b" ", b"\t", b"\0", b"\xff", b"From x", b"A: b"])).map(b"".join)


@given(_HEADER, _BODY)
def test_the_fields_that_are_added_stand_around_a_header_that_is_unchanged(header: bytes, body: bytes) -> None:
    message = header + b"\r\n" + body
    stamped = stamp(message, TRACE, MADE)
    assume(not stamped.problem and not EMPTY_ID.search(header))  # an empty Message-ID is replaced
    first, second, rest = (stamped.head + message[stamped.body_at :]).split(b"\r\n", 2)
    assert first.startswith(b"Received: from client.example") and second.startswith(b"\t")
    assert rest.startswith(header) and rest.endswith(b"\r\n" + body)
    added = rest[len(header) : len(rest) - len(body) - 2]
    assert OURS.sub(b"", added) == b"" and added.count(b"\r\n") <= 4


@given(_HEADER, _BODY)
def test_drop_adds_one_line_and_nothing_else(header: bytes, body: bytes) -> None:
    message = header + b"\r\n" + body
    pieces = b"".join(bytes(part) for parts in with_return_path(BytesContent(message), "a@b.example") for part in parts)
    assert pieces.count(b"Return-Path: a@b.example\r\n") == 1
    assert pieces.replace(b"Return-Path: a@b.example\r\n", b"", 1) == message


@given(_HEADER, _BODY)
def test_a_signature_stands_in_front_of_what_it_signs(header: bytes, body: bytes) -> None:
    message = header + b"\r\n" + body
    key = SigningKey("here.example", "s", "rsa-sha256", lambda octets: octets[:32])
    field = signature(fields_of(header), b"x" * 32, key, {b"from"}, 1)
    made = b"".join(Preceded(field, BytesContent(message)).pieces())
    assert made == field + message and field.startswith(b"DKIM-Signature: ") and field.endswith(b"\r\n")


@given(_HEADER.filter(bytes.isascii), _BODY)
def test_conversion_touches_the_encoding_field_alone(header: bytes, body: bytes) -> None:
    message = (
        header + b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + body
    )
    try:
        made = seven_bit(message)
    except Unconvertible:
        return
    head, _, _ = made.partition(b"\r\n\r\n")
    pattern = rb"Content-Transfer-Encoding: (?:8bit|base64|quoted-printable)"
    before, after = (re.sub(pattern, b"", octets) for octets in (message.partition(b"\r\n\r\n")[0], head))
    assert made == message or before == after
