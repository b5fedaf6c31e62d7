"""What is said to other servers, and what they answer, as the predecessor has it (facts 6)."""

from collections.abc import Iterator

import pytest

from mailroot.wire.replies import ReplyReader, no_reply
from tests.edge.protocollog.talking import Clock, Server, clock


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    with clock(monkeypatch) as found:
        yield found


@pytest.fixture
def server(moment: Clock) -> Server:
    return Server(moment)


def told(server: Server) -> list[tuple[str, ...]]:
    """Who, verb, query."""
    return [(entry[2].removeprefix("OutboundConnection"), entry[3], entry[4]) for entry in server.entries()]


def test_commands_and_replies_are_told_of_each(server: Server) -> None:
    server.hears(b"", "220 mx.test ESMTP ready")
    server.hears(b"EHLO mail.test\r\n", "250-mx.test Hello\n250-SIZE 100\n250 OK")
    server.hears(b"QUIT\r\n", "221 2.0.0 Bye")
    assert told(server) == [
        ("Response", "-", "220+mx.test+ESMTP+ready"),
        ("Command", "EHLO", "mail.test"),
        ("Response", "-", "250-mx.test+Hello"),
        ("Command", "QUIT", "-"),
        ("Response", "-", "221+2.0.0+Bye"),
    ]


def test_the_octets_are_those_of_the_verb_and_of_the_line(server: Server) -> None:
    server.hears(b"MAIL FROM:<x@y.com> SIZE=1722\r\n", "421 4.7.0 [TSS04] later", wait=0.016)
    command, response = server.entries()
    assert command[3:10] == ("MAIL", "FROM:<x@y.com>+SIZE=1722", "0", 0, 4, 0, 0)
    assert response[3:10] == ("-", "421+4.7.0+[TSS04]+later", "0", 0, 23, 0, 16)


def test_what_cannot_be_shown_of_a_reply_is_a_question_mark(server: Server) -> None:
    server.call.heard(ReplyReader().feed(b"250-a\x07b \xff \xc3\xa9\r\n250 c\r\n"))
    assert told(server) == [("Response", "-", "250-a?b+?+\u00e9")]


def test_a_group_is_told_of_command_by_command(server: Server) -> None:
    group = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
    server.hears(group, "250 2.1.0 OK", "250 2.1.5 OK", "354 Go on")
    assert [line[1] for line in told(server)] == ["MAIL", "RCPT", "DATA", "-", "-", "-"]


def test_content_is_never_told_of(server: Server) -> None:
    server.hears(b"DATA\r\n", "354 Go on")
    server.hears(b"Subject: secret\r\n\r\nQUIT\r\n.\r\n", "250 2.0.0 OK")
    server.hears(b"BDAT 24 LAST\r\nSubject: secret\r\n\r\nQUIT\r\n", "250 2.0.0 OK")
    server.hears(b"RSET\r\nMAIL FROM:<a@b>\r\nBDAT 6 LAST\r\nsecret", "250 2.0.0 OK", "250 2.1.0 OK", "250 2.0.0 OK")
    assert [line[1:] for line in told(server) if line[0] == "Command"] == [
        ("DATA", "-"),
        ("BDAT", "24+LAST"),
        ("RSET", "-"),
        ("MAIL", "FROM:<a@b>"),
        ("BDAT", "6+LAST"),
    ]


def test_content_in_pieces_is_never_told_of(server: Server) -> None:
    for octets in (b"BDAT 3000 LAST\r\n", b"secret\r\n", b"QUIT\r\n"):
        server.call.said(octets)
    server.hears(b"", "250 2.0.0 OK")
    assert told(server) == [("Command", "BDAT", "3000+LAST"), ("Response", "-", "250+2.0.0+OK")]


def test_O06_neither_a_sign_in_nor_a_challenge_is_told_of(server: Server) -> None:
    server.hears(b"AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "535 5.7.3 No")
    server.hears(b"AUTH LOGIN\r\n", "334 VXNlcm5hbWU6")
    server.hears(b"dXNlcg==\r\n", "334 UGFzc3dvcmQ6")
    server.hears(b"c2VjcmV0\r\n", "235 2.7.0 Yes")
    server.hears(b"AUTH XOAUTH2 " + b"dG9rZW4=" * 500 + b"\r\n", "235 2.7.0 Yes")
    assert told(server) == [
        ("Command", "AUTH", "PLAIN"),
        ("Response", "-", "535+5.7.3+No"),
        ("Command", "AUTH", "LOGIN"),
        ("Response", "-", "334"),
        ("Response", "-", "334"),
        ("Response", "-", "235+2.7.0+Yes"),
        ("Command", "AUTH", "XOAUTH2"),
        ("Response", "-", "235+2.7.0+Yes"),
    ]


def test_a_reply_that_never_came_is_none(server: Server) -> None:
    server.call.said(b"NOOP\r\n")
    server.call.heard([no_reply("4.4.2", "the connection was dropped")])
    assert told(server) == [("Command", "NOOP", "-")]
