"""Messages as an operator looks at them: decoded where that is plain, and harmless whatever they hold."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from mailroot.mail.dropped import envelope_lines
from mailroot.mail.opened import MOST_READ, opened, printable, text_of, words

MIXED = b"""\
Received: from a\r
 by b\r
From: =?utf-8?B?SsO8cmdlbg==?= =?iso-8859-1?q?_M=FCller?= <j@example.com>\r
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r
Message-ID: <1@example.com>\r
Content-Type: multipart/mixed; boundary=x\r
\r
--x\r
Content-Type: multipart/alternative; boundary=y\r
\r
--y\r
Content-Type: text/plain; charset=iso-8859-1\r
Content-Transfer-Encoding: quoted-printable\r
\r
Gr=FC=DFe\r
--y\r
Content-Type: text/html\r
\r
<p>Hello <a href="http://evil.example/">bank</a><script>alert(1)</script></p>\r
--y--\r
--x\r
Content-Type: application/pdf; name="r.pdf"\r
Content-Disposition: attachment; filename="re\xe2\x80\xaegnp.exe"\r
Content-Transfer-Encoding: base64\r
\r
SGVsbG8=\r
--x--\r
"""


def test_a_message_is_decoded() -> None:
    shown = opened(MIXED, len(MIXED))
    assert shown["subject"] == "Gr\N{LATIN SMALL LETTER U WITH DIAERESIS}\N{LATIN SMALL LETTER SHARP S}e"
    assert shown["from"] == "J\xfcrgen M\xfcller <j@example.com>"
    raw = {field["name"]: field["raw"] for field in shown["headers"]}
    assert raw["Subject"] == "=?utf-8?q?Gr=C3=BC=C3=9Fe?="
    assert (shown["text"], shown["text_from"]) == ("Gr\xfc\xdfe", "text/plain")
    assert "<script>alert(1)</script>" in shown["html"], "as source"
    assert [(part["part"], part["type"], part["size"]) for part in shown["parts"]] == [
        ("1.1", "text/plain", 5),
        ("1.2", "text/html", 77),
        ("2", "application/pdf", 5),
    ]
    assert shown["problems"] == [] and shown["truncated"] is False


def test_names_of_attachments_cannot_turn_themselves_round() -> None:
    (name,) = [part["name"] for part in opened(MIXED, len(MIXED))["parts"] if part["disposition"] == "attachment"]
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in name and name.startswith("re") and name.endswith("gnp.exe")


def test_html_alone_is_shown_as_the_text_that_stands_in_it() -> None:
    octets = b"Subject: x\r\nContent-Type: text/html\r\n\r\n<head><title>t</title></head><p>One<br>two <a href='http://x/'>here</a>"
    shown = opened(octets, len(octets))
    assert shown["text_from"] == "text/html"
    assert shown["text"] == "One\ntwo here <http://x/>"
    assert text_of("<script>bad()</script><style>x</style>good") == "good"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?a_b?=", "a b"),
        ("=?utf-8?q?a?=\n =?utf-8?q?b?=", "ab"),
        ("=?nonsense?q?a?=", "=?nonsense?q?a?="),
        ("=?utf-8?b?!!!!?=", ""),
        ("=?utf-8?q?=1B[31m?=", "\N{REPLACEMENT CHARACTER}[31m"),
        ("a\x00b\x1b\u202e\u200b", "a" + "\N{REPLACEMENT CHARACTER}".join(["", "b", "", "", ""])),
        ("\udcff", "\N{REPLACEMENT CHARACTER}"),
        ("=?utf-8?q?" + "a" * 100_000, "=?utf-8?q?" + "a" * 100_000),
    ],
)
def test_words_of_a_field(raw: str, text: str) -> None:
    assert words(raw) == text


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\r\n\r\n",
        b"no header at all",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" * 3_000,
        b"Content-Type: text/plain; charset=\xff\r\nContent-Transfer-Encoding: base64\r\n\r\n=====",
        b"Content-Type: message/rfc822\r\n\r\n" * 2_000,
        b"Content-Type: text/plain; charset=unicode_escape\r\n\r\n\\ud800",
        b"Content-Type: text/plain; charset=hex\r\n\r\nzz",
        b"Content-Disposition: attachment; filename*=utf-8''%ff%00\r\n\r\nx",
        b"X: " + b"a" * 300_000 + b"\r\n\r\nx",
    ],
)
def test_what_is_broken_is_shown_as_far_as_it_goes(octets: bytes) -> None:
    shown = opened(octets, len(octets))
    assert isinstance(shown["headers"], list) and len(shown["parts"]) <= 200


def test_K05_a_picture_is_never_decoded() -> None:
    """It is counted in octets; nothing here knows what a picture is."""
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\x00\x01\x86\xa0" * 2 + b"x" * 500)
    octets = b"Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + picture
    shown = opened(octets, len(octets))
    assert [(part["type"], part["size"]) for part in shown["parts"]] == [("image/png", 516)]
    assert (shown["text"], shown["html"]) == ("", "")


def test_only_the_beginning_of_a_large_message_is_looked_at() -> None:
    octets = b"Subject: x\r\n\r\n" + b"y" * (MOST_READ - 14)
    shown = opened(octets, MOST_READ * 5)
    assert shown["truncated"] and shown["size"] == MOST_READ * 5 and len(shown["text"]) <= 256 * 1024


@settings(max_examples=200, deadline=None)
@given(some.binary(max_size=600))
def test_nothing_raises(octets: bytes) -> None:
    for shown in (opened(octets, len(octets)), opened(MIXED[:700] + octets, 2_000)):
        text = shown["subject"] + shown["from"] + shown["text"] + shown["html"]
        assert printable(text, "\n\t") == text


@given(some.binary(max_size=200), some.text(max_size=50))
def test_any_text_comes_back_from_encoded_words(octets: bytes, text: str) -> None:
    encoded = f"=?utf-8?b?{base64.b64encode(text.encode('utf-8', 'replace')).decode()}?="
    assert words(encoded) == printable(" ".join(text.encode("utf-8", "replace").decode().split()))
    assert isinstance(words(octets.decode("latin-1")), str)


def test_the_lines_in_front_of_a_dropped_message() -> None:
    assert envelope_lines(b"x-sender: a@b\r\nX-Receiver: c@d\r\nx-receiver: e@f\r\nSubject: x-receiver: no\r\n") == (
        "a@b",
        ["c@d", "e@f"],
    )
    assert envelope_lines(b"Subject: x\r\nx-receiver: no@example.com\r\n") == ("", [])
    assert envelope_lines(b"") == ("", [])
