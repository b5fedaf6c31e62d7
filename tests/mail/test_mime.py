"""8-bit content for a 7-bit server: what a MIME reader finds afterwards is what was there before."""

import time
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.mail.mime import Scan, is_binary
from mailroot.mail.sevenbit import Unconvertible, quoted_printable, seven_bit

TEXT = "Grüße aus Köln = schön ".encode()


def leaves(content):
    parsed = message_from_bytes(content, policy=policy.default)
    return [part.get_payload(decode=True) for part in parsed.walk() if not part.is_multipart()]


def multipart(*parts, kind="mixed", boundary="b1"):
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
    head = f'MIME-Version: 1.0\r\nContent-Type: multipart/{kind};\r\n\tboundary="{boundary}"\r\n'
    return (
        head.encode()
        + b"Content-Transfer-Encoding: 8bit\r\n\r\npreamble\r\n"
        + body
        + b"--%b--\r\n" % boundary.encode()
    )


def part(kind, body, encoding="8bit"):
    return f"Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode() + body


def test_text_becomes_quoted_printable_and_the_header_stays():
    content = b"Subject: x\r\nMIME-Version: 1.0\r\n" + part("text/plain; charset=utf-8", TEXT + b"\r\n")
    converted = seven_bit(content)
    assert converted.isascii() and b"Content-Transfer-Encoding: quoted-printable\r\n" in converted
    assert converted.startswith(b"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n")
    assert leaves(converted) == [TEXT + b"\r\n"]


def test_what_is_not_text_becomes_base64():
    content = b"MIME-Version: 1.0\r\n" + part("image/png", bytes(range(256)) * 3, "binary")
    converted = seven_bit(content)
    assert converted.isascii() and not is_binary(converted)
    assert leaves(converted) == [bytes(range(256)) * 3]


def test_7_bit_parts_of_a_multipart_are_not_touched():
    plain = part("text/plain", b"plain = text\r\n", "7bit")
    converted = seven_bit(multipart(plain, part("text/html", TEXT)))
    assert plain in converted and converted.isascii()
    assert b"Content-Transfer-Encoding: 7bit\r\n\r\npreamble" in converted
    assert leaves(converted)[1].rstrip(b"\r\n") == TEXT


def test_parts_within_parts_are_converted():
    inner = multipart(part("text/plain", TEXT), boundary="b2")
    message = b"Content-Type: message/rfc822\r\n\r\n" + b"MIME-Version: 1.0\r\n" + part("text/plain", TEXT)
    converted = seven_bit(multipart(inner, message))
    assert converted.isascii()
    assert [leaf.rstrip(b"\r\n") for leaf in leaves(converted)] == [TEXT, TEXT]


def test_text_without_mime_is_declared_as_what_it_is():
    converted = seven_bit(b"Subject: x\r\n\r\n" + TEXT)
    assert b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" in converted
    assert leaves(converted) == [TEXT]


@pytest.mark.parametrize("kind", ["signed", "encrypted"])
def test_signed_parts_are_never_changed(kind):
    with pytest.raises(Unconvertible, match="signed"):
        seven_bit(multipart(part("text/plain", TEXT), kind=kind))


def test_a_signed_part_that_is_7_bit_goes_along():
    signed = multipart(part("text/plain", b"x", "7bit"), kind="signed", boundary="s")
    assert signed in seven_bit(multipart(signed, part("text/plain", TEXT)))


@pytest.mark.parametrize(
    "content",
    [
        "Subject: grüße\r\n\r\nx".encode(),
        b"Content-Type: message/delivery-status\r\n\r\n" + TEXT,
        b"Content-Transfer-Encoding: base64\r\n\r\n" + TEXT,
        b"Content-Type: multipart/mixed\r\n\r\n" + TEXT,
        b'Content-Type: multipart/mixed; boundary=""\r\n\r\n' + TEXT,
        multipart(part("text/plain", b"x")).replace(b"preamble", TEXT),
        TEXT,
    ],
)
def test_what_mime_does_not_allow_is_reported(content):
    with pytest.raises(Unconvertible):
        seven_bit(content)


def test_7_bit_content_stays_as_it_is():
    content = multipart(part("text/plain", b"x\r\n", "7bit"))
    assert seven_bit(content) is content


@given(st.binary(max_size=400))
def test_quoted_printable_is_undone_by_another_implementation(octets):
    text = octets.replace(b"\r", b"").replace(b"\n", b"\r\n")
    encoded = quoted_printable(text)
    assert encoded.isascii() and all(len(line) <= 76 for line in encoded.split(b"\r\n"))
    converted = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + encoded
    assert leaves(converted) == [text]


@pytest.mark.parametrize("octets", [b"a\0", b"a\rb", b"a\nb", b"x" * 999 + b"\r\n"])
def test_binary_is_what_lines_cannot_keep(octets):
    assert is_binary(octets)
    assert not is_binary(b"x" * 998 + b"\r\ny\r\n")


def test_K01_a_nesting_bomb_is_not_parsed_beyond_its_limit():
    bomb = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(10_000))
    begun = time.perf_counter()
    with pytest.raises(Unconvertible, match="nested"):
        seven_bit(bomb + b"\r\n" + TEXT)
    assert time.perf_counter() - begun < 60


@pytest.mark.parametrize("boundary", [b"x" * 3000, b'""', b""])
def test_K03_an_impossible_boundary_is_reported(boundary):
    with pytest.raises(Unconvertible, match="boundary"):
        seven_bit(b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n" + TEXT)


def test_K03_the_same_boundary_again_inside_ends_in_bounded_time():
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    try:
        assert seven_bit(head * 5_000 + b"\r\n" + TEXT).isascii()
    except Unconvertible:
        pass


_BITS = st.lists(st.sampled_from([b"a", b"\r\n", b"\r", b"\n", b"\0", b"\xe4", b"x" * 998]), max_size=8)


@given(_BITS.map(b"".join), st.lists(st.integers(0, 4000), max_size=6))
def test_a_content_that_is_looked_at_piece_by_piece_is_the_same(content, cuts):
    scan, before = Scan(), 0
    for cut in [*sorted(cuts), len(content)]:
        if before < cut:
            scan.feed(content[before:cut])
            before = cut
    scan.feed(b"")
    assert (scan.binary, scan.ascii) == (is_binary(content), content.isascii())
