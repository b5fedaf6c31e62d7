"""What a session's commands and replies become, by the predecessor's rules (facts 6)."""

from collections.abc import Iterator

import pytest

from mailroot.edge.protocollog import recorder as recording
from mailroot.edge.protocollog import visit as visiting
from tests.edge.protocollog.talking import Client, Clock, clock

# cs-username, cs-method, cs-uri-query, sc-status, sc-win32-status, sc-bytes, cs-bytes, time-taken
FIELDS = slice(2, 10)


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    with clock(monkeypatch) as found:
        yield found


@pytest.fixture
def client(moment: Clock) -> Client:
    """A client that was greeted and has said its name."""
    client = Client(moment)
    client.answered("220 mail.test ready")
    client.says(b"HELO 36A42160", "250 mail.test Hello")
    client.entries()
    return client


def fields(client: Client) -> list[tuple[object, ...]]:
    return [entry[FIELDS] for entry in client.entries()]


def test_the_greeting_is_not_told_of_and_a_refusal_is(moment: Clock) -> None:
    let_in, refused = Client(moment), Client(moment)
    let_in.answered("220 mail.test ready")
    refused.answered("554 5.7.1 Access denied")
    assert fields(let_in) == []
    assert fields(refused) == [("-", "-", "-", "554", 0, 25, 0, 0)]


def test_the_name_counts_from_its_own_line_on(moment: Clock) -> None:
    client = Client(moment)
    client.answered("220 mail.test ready")
    client.says(b"xxxx rr.com", "500 5.3.3 Unrecognized command")
    client.says(b"EHLO sveta", "250-mail.test Hello\n250 OK")
    client.says(b"MAIL FROM:<a@b>", "250 2.1.0 OK")
    assert [(entry[2], entry[3], entry[4]) for entry in client.entries()] == [
        ("-", "xxxx", "+rr.com"),
        ("sveta", "EHLO", "+sveta"),
        ("sveta", "MAIL", "+FROM:<a@b>"),
    ]


def test_a_name_that_was_refused_is_none(moment: Clock) -> None:
    client = Client(moment)
    client.answered("220 mail.test ready")
    client.says(b"EHLO", "501 5.5.4 Invalid arguments")
    assert fields(client) == [("-", "EHLO", "-", "501", 0, 29, 4, 0)]


def test_verbs_are_in_capitals_and_the_rest_is_as_it_came(client: Client) -> None:
    client.says(b"mail From: <a@b>  SIZE=1", "250 2.1.0 OK")
    assert fields(client) == [("36A42160", "MAIL", "+From:+<a@b>++SIZE=1", "250", 0, 14, 24, 0)]


def test_what_is_no_word_is_no_verb(client: Client) -> None:
    client.says(b"#Fields: x", "500 5.3.3 Unrecognized command")
    client.says(b"", "500 5.3.3 Unrecognized command")
    client.says(b"\xff\xfe a", "500 5.3.3 Unrecognized command")
    assert [(entry[3], entry[4]) for entry in client.entries()] == [
        ("-", "%23Fields:+x"),
        ("-", "-"),
        ("-", "%FF%FE+a"),
    ]


def test_data_is_told_of_once_with_the_message_id(client: Client, moment: Clock) -> None:
    client.says(b"DATA", "354 Start mail input")
    moment.now += 1.922
    client.says(1399, "250 2.6.0 <4F5002F2.860022@web.de> Queued mail for delivery")
    assert fields(client) == [("36A42160", "DATA", "+<4F5002F2.860022@web.de>", "250", 0, 22 + 61, 1399, 1922)]


def test_a_message_id_of_ours_has_no_plus(client: Client) -> None:
    client.says(b"data", "354 Start mail input")
    client.says(5, "250 2.6.0 <mailOURS00000001@mail.test> Queued mail for delivery")
    assert [entry[3:5] for entry in client.entries()] == [("DATA", "<mailOURS00000001@mail.test>")]


def test_a_message_that_is_refused_has_no_id(client: Client) -> None:
    client.says(b"DATA", "354 Start mail input")
    client.says(5, "552 5.3.4 Message size exceeds fixed maximum message size")
    client.says(b"DATA", "503 5.5.1 Need rcpt command.")
    assert [entry[3:6] for entry in client.entries()] == [("DATA", "-", "552"), ("DATA", "-", "503")]


def test_a_chunk_has_its_octets_and_the_last_one_the_message_id(client: Client) -> None:
    client.says(b"BDAT 86", "250 2.6.0 86 octets received")
    client.says(b"BDAT 10 LAST", "250 2.6.0 <a@b> Queued mail for delivery")
    assert [(entry[4], entry[8]) for entry in client.entries()] == [("+86", 86), ("+10+LAST+<a@b>", 10)]


def test_a_sign_in_is_told_of_once(client: Client) -> None:
    client.says(b"AUTH LOGIN", "334 VXNlcm5hbWU6")
    client.says(None, "334 UGFzc3dvcmQ6")
    client.says(None, "235 2.7.0 Authentication successful")
    client.says(b"AUTH PLAIN", "535 5.7.3 Authentication unsuccessful")
    assert [entry[3:9] for entry in client.entries()] == [
        ("AUTH", "+LOGIN", "235", 0, 18 + 18 + 37, 10),
        ("AUTH", "+PLAIN", "535", 0, 39, 10),
    ]


def test_quit_has_the_name_and_the_length_of_the_session(client: Client, moment: Clock) -> None:
    moment.now += 6.219
    client.says(b"QUIT", "221 2.0.0 MEE-PDC Service closing transmission channel, closing now")
    client.visit.end()
    assert fields(client) == [("36A42160", "QUIT", "36A42160", "240", 6219, 69, 4, 0)]


def test_a_session_without_quit_ends_with_one_that_nobody_said(client: Client, moment: Clock) -> None:
    moment.now += 0.125
    client.visit.end()
    assert fields(client) == [("36A42160", "QUIT", "36A42160", "240", 125, 0, 0, 0)]


def test_a_farewell_that_nobody_asked_for_has_no_verb(client: Client) -> None:
    client.answered("421 4.4.2 mail.test Connection timed out")
    assert fields(client) == [("36A42160", "-", "-", "421", 0, 42, 0, 0)]


def test_what_was_never_answered_has_status_0(client: Client) -> None:
    client.says(b"DATA", "354 Start mail input")
    client.visit.journal.append(77)
    client.visit.end()
    assert [entry[3:9] for entry in client.entries()] == [
        ("DATA", "-", "0", 0, 22, 77),
        ("QUIT", "36A42160", "240", 0, 0, 0),
    ]


def test_each_command_of_a_group_has_its_own_reply(client: Client) -> None:
    client.visit.journal += [b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>", b"RCPT TO:<x@y>", b"DATA"]
    client.answered("250 2.1.0 OK\n250 2.1.5 c@d \n550 5.7.1 Unable to relay for x@y\n354 Start mail input")
    client.says(5, "250 2.6.0 <a@b> Queued mail for delivery")
    assert [(entry[3], entry[5]) for entry in client.entries()] == [
        ("MAIL", "250"),
        ("RCPT", "250"),
        ("RCPT", "550"),
        ("DATA", "250"),
    ]


def test_a_reply_that_comes_with_a_later_output_finds_its_command(client: Client) -> None:
    client.visit.journal += [b"NOOP", b"RCPT TO:<c@d>"]
    client.answered("250 2.0.0 OK")
    client.answered("250 2.1.5 c@d", wait=2.5)
    assert [(entry[3], entry[5], entry[9]) for entry in client.entries()] == [("NOOP", "250", 0), ("RCPT", "250", 2500)]


def test_beyond_the_limit_records_are_refused_and_counted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "WAITING_LIMIT", 3)
    monkeypatch.setattr(visiting, "WAITING_LIMIT", 3)
    for _ in range(5):
        client.says(b"NOOP", "250 2.0.0 OK")
    assert client.recorder.refused == 2
    assert len(client.entries()) == 3


def test_groups_of_commands_are_bounded_by_their_octets(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "GROUPS_LIMIT", 3_000)
    for _ in range(5):
        client.visit.journal += [b"NOOP " + b"x" * 1_000] * 2
        client.answered("250 2.0.0 OK\n250 2.0.0 OK")
    assert client.recorder.refused == 3
    assert len(client.entries()) == 4
    client.visit.journal += [b"NOOP " + b"x" * 1_000] * 2
    client.answered("250 2.0.0 OK\n250 2.0.0 OK")
    assert client.recorder.refused == 3, "what was written makes room"
