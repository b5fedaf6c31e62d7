"""DKIM signatures: dkimpy, which others wrote, believes them; any cut of a body gives the same hash."""

import base64
import hashlib
import re

import dkim
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailroot.edge.signingkeys import make, read, zone_line
from mailroot.mail.dkim import BodyHash, SigningKey, author, fields_of, signature

KEYS = {algorithm: read(make(algorithm).decode()) for algorithm in ("rsa", "ed25519")}
HEAD = b"""\
Received: from a ([192.0.2.1]) by b with Mailroot;\r
\t Mon, 2 Nov 2026 10:00:00 +0000\r
From: "Ann, of  Sales" <ann@example.com>\r
To: bob@there.example,\r
 eve@there.example\r
Subject:  two   blanks \t and a tab \r
Comments: one\r
Date: Mon, 2 Nov 2026 10:00:00 +0000\r
"""


def signed(message, algorithm="rsa", oversigned=(b"from",)):
    """The message with its signature in front."""
    head, _, body = message.partition(b"\r\n\r\n")
    hashed = BodyHash()
    hashed.update(body)
    found = KEYS[algorithm]
    key = SigningKey("example.com", "s1", found.algorithm, found.sign)
    return signature(fields_of(head + b"\r\n"), hashed.digest(), key, oversigned, 1_700_000_000) + message


def believed(message, algorithm="rsa"):
    """Whether dkimpy believes the signature, after a way on which a last line without an end is given one."""
    message += b"" if message.endswith(b"\r\n") else b"\r\n"
    record = KEYS[algorithm].record.encode()

    def look_up(name, timeout=5):
        assert name == b"s1._domainkey.example.com."
        return record

    return dkim.verify(message, dnsfunc=look_up)


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
@pytest.mark.parametrize(
    "body", [b"", b"\r\n", b"\r\n\r\n\r\n", b"x", b"Hello. \t \r\n\r\n  two  \r\n\r\n\r\n", b" \r\n \r\n", b"a\r\nb \t"]
)
def test_dkimpy_believes_a_signature(algorithm, body):
    assert believed(signed(HEAD + b"\r\n" + body, algorithm), algorithm)


@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b".", b"xyz", b"\xc3\xa4"])).map(b"".join))
def test_dkimpy_believes_any_body(body):
    assert believed(signed(HEAD + b"\r\n" + body, "ed25519"), "ed25519")


_VALUE = st.lists(st.sampled_from(["a", " ", "\t", "\r\n ", "\r\n\t", ":", "b c"]), max_size=8).map("".join)


@given(st.lists(st.tuples(st.sampled_from(["Subject", "To", "cc", "X-Other", "REFERENCES"]), _VALUE), max_size=12))
def test_dkimpy_believes_any_header(fields):
    # A line of blanks alone is no part of a field (RFC 5322 section 3.2.2); the queue holds none.
    lines = "".join(f"{name}: x{value}y\r\n" for name, value in fields if not re.search(r"\r\n[ \t]*\r\n", value))
    head = b"From: ann@example.com\r\n" + lines.encode()
    assert believed(signed(head + b"\r\nHello.\r\n", "ed25519"), "ed25519")


@given(st.lists(st.sampled_from([b"\r", b"\n", b" ", b"\t", b"\r\n", b"a", b"  ", b"\0"])).map(b"".join), st.data())
@example(b"a\r\n" * 3 + b"\r\n" * 9, None)
def test_any_cut_of_a_body_gives_the_same_hash(body, data):
    whole, cut, rest = BodyHash(), BodyHash(), body
    whole.update(body)
    while rest:
        length = 1 if data is None else data.draw(st.integers(1, len(rest)))
        cut.update(rest[:length])
        rest = rest[length:]
    assert cut.digest() == whole.digest()


def test_the_example_of_the_standard_has_its_hash():
    hashed = BodyHash()  # RFC 6376 section 3.4.5, example 1
    hashed.update(b" C \r\nD \t E\r\n\r\n\r\n")
    assert hashed.digest() == hashlib.sha256(b" C\r\nD E\r\n").digest()


def test_a_hundred_million_line_ends_cost_no_memory():
    hashed = BodyHash()
    for _ in range(1000):
        hashed.update(b"\r\n" * 10_000)
    assert hashed.digest() == hashlib.sha256(b"").digest()


@pytest.mark.parametrize(
    "changed",
    [
        (b"ann@example.com>", b"eve@example.com>"),
        (b"Hello", b"hello"),
        (b"Subject:  two", b"Subject:  too"),
        (b"bob@there.example", b"bod@there.example"),
    ],
)
def test_what_was_signed_cannot_be_changed(changed):
    message = signed(HEAD + b"\r\nHello.\r\n")
    assert believed(message) and not believed(message.replace(*changed))


def test_blanks_and_what_is_not_signed_may_be_changed():
    message = signed(HEAD + b"\r\nHello.\r\n")
    assert believed(message.replace(b"two   blanks", b"two blanks").replace(b"Comments: one", b"Comments: two"))
    assert believed(b"Received: by another\r\n" + message)


@pytest.mark.parametrize(("oversigned", "holds"), [((b"from", b"subject"), False), ((), True)])
def test_a_field_that_is_oversigned_cannot_be_added(oversigned, holds):
    message = signed(HEAD + b"\r\nHello.\r\n", oversigned=oversigned)
    forged = message.replace(b"\r\nReceived:", b"\r\nSubject: forged\r\nReceived:", 1)
    assert believed(message) and believed(forged) is holds


def test_lines_of_the_field_are_short():
    field = signed(HEAD + b"\r\n").split(b"\r\nReceived")[0]
    assert max(map(len, field.split(b"\r\n"))) <= 78
    assert b"h=date:subject:to:from:from;" in field


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (b"From: a@b.example\r\n", "a@b.example"),
        (b'From: "x@y.example" <a@b.example>\r\n', "a@b.example"),
        (b"From:\r\n a@b.example, c@d.example\r\n", "a@b.example"),
        (b"From: a@b.example\r\nFROM : c@d.example\r\n", None),
        (b"From: nobody at all\r\n", None),
        (b"Sender: a@b.example\r\n", None),
    ],
)
def test_the_author_is_who_the_one_from_field_names(header, address):
    found = author(fields_of(header))
    assert (str(found) if found else None) == address


def test_a_long_record_is_several_strings_of_a_line():
    line = zone_line("example.com", "s1", KEYS["rsa"].record)
    strings = re.findall(r'"([^"]*)"', line)
    assert line.startswith("s1._domainkey.example.com. IN TXT (") and max(map(len, strings)) == 255
    assert "".join(strings) == KEYS["rsa"].record


def test_an_ed25519_record_holds_the_32_octets_of_the_key():
    tags = dict(part.split("=", 1) for part in KEYS["ed25519"].record.split("; "))
    assert tags["k"] == "ed25519" and len(base64.b64decode(tags["p"])) == 32
