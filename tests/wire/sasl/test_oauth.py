"""OAUTHBEARER and XOAUTH2 as a client."""

from dataclasses import replace

import pytest

from mailroot.wire.sasl.oauth import present_oauthbearer, present_xoauth2
from mailroot.wire.sasl.telling import told, told_json
from mailroot.wire.sasl.words import Credentials, Response
from tests.wire.sasl.exchange import CLIENT_OPENING

OPENING = replace(
    CLIENT_OPENING,
    credentials=Credentials("user@example.com", token="vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="),
    host="server.example.com",
    port=143,
)


def test_oauthbearer_says_what_rfc_7628_shows():
    assert present_oauthbearer(OPENING).send(None) == Response(
        b"n,a=user@example.com,\1host=server.example.com\1port=143\1"
        b"auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1"
    )


def test_xoauth2_says_what_its_authors_show():
    opening = replace(OPENING, credentials=Credentials("someuser@example.com", token="ya29.vF9dft4qmTc2Nvb3RlckBhd"))
    assert present_xoauth2(opening).send(None) == Response(
        b"user=someuser@example.com\1auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhd\1\1"
    )


@pytest.mark.parametrize(("present", "answer"), [(present_oauthbearer, b"\1"), (present_xoauth2, b"")])
def test_the_servers_error_is_told_and_answered(present, answer):
    presentation = present(OPENING)
    presentation.send(None)
    error = b'{"status":"invalid_token","schemes":"bearer","scope":"mail"}'
    assert presentation.send(error) == Response(answer, "status invalid_token, schemes bearer, scope mail", False)
    with pytest.raises(StopIteration):
        presentation.send(b"more")


@pytest.mark.parametrize(
    ("octets", "line"),
    [
        (b'{"status": "a\\r\\nMAIL FROM:<x>", "more": [1]}', "status a MAIL FROM:<x>"),
        (b"<b>no\r\n.\r\n\x1b[31m</b>", "<b>no . [31m</b>"),
        (b"[" * 100_000, "[" * 300 + "..."),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"status": "\\ud800"}', "status ?"),
        (b"{}", ""),
        (b"[1]", "[1]"),
        (b'{"' + b"9" * 5000 + b'":' + b"9" * 5000 + b"}", None),
    ],
    ids=["line end", "markup", "depth", "octets", "surrogate", "empty", "array", "digits"],
)
def test_what_a_server_says_is_made_harmless(octets, line):
    text = told_json(octets)
    assert len(text) <= 303
    assert text.isprintable()
    assert line is None or text == line


def test_blanks_are_joined():
    assert told(b" a \r\n\tb ") == "a b"
