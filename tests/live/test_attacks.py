"""Attacks on a service that runs: what must hold as a whole, from the octets of the wire to Drop, queue and log."""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.rawclient import HELLO, RawClient
from tests.live.running import Service, free_port, running, until

STRANGER = "127.0.0.2"  # not in the list of those who may relay
SECOND = b"MAIL FROM:<mallory@evil.test>\r\nRCPT TO:<victim@local.test>\r\nDATA\r\nsmuggled\r\n.\r\n"
MEGABYTE = 1024 * 1024

# A second virtual server with the strict rules, beside the one with the defaults.
STRICT = """
[servers.strict]
home = "Strict"

[servers.strict.general]
bindings = ["127.0.0.1:{strict}"]

[servers.strict.messages]
bare_newline = "reject"

[servers.strict.delivery]
fqdn = "strict.local.test"

[servers.strict.domains."local.test"]
type = "default"
"""


class Attacked:
    """A service and its two virtual servers. `fresh` is what came into Drop, and what was told, since it was made."""

    def __init__(self, service: Service, strict: int) -> None:
        self.service, self.port, self.strict = service, service.port, strict
        self._dropped = set(service.dropped())
        self._told = len(service.events())
        self._marks = 0

    def dropped(self) -> list[bytes]:
        """The messages that have come into Drop."""
        return [path.read_bytes() for path in self.service.dropped() if path not in self._dropped]

    def told(self) -> list[dict[str, object]]:
        """The events, once one that was caused after all others is there."""
        self._marks += 1
        mark = f"END-OF-TEST-{self._marks}"
        with RawClient(self.port) as last:
            last.greeted(b"EHLO end-of-test\r\n").say(mark.encode() + b"\r\n")
        until(lambda: mark in str(self._events()), "the last event")
        return [event for event in self._events() if "END-OF-TEST" not in str(event)]

    def accepted(self) -> int:
        """How many messages were accepted."""
        return sum(event["event"] == "accepted" for event in self.told())

    def _events(self) -> list[dict[str, object]]:
        return self.service.events()[self._told :]

    def idle(self) -> None:
        """Nothing is in the queue; what was delivered is settled a moment later."""
        until(lambda: self.service.ask("queue", "list") == [], "an empty queue")

    def working_files(self) -> list[Path]:
        """Files of messages that are not accepted yet."""
        return [path for path in (self.service.home / "SortTemp").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, int]]:
    strict = free_port()
    with running(tmp_path_factory.mktemp("attacks"), more=STRICT.format(strict=strict)) as started:
        yield started, strict


@pytest.fixture
def attacked(service: tuple[Service, int]) -> Attacked:
    return Attacked(*service)


# -- the end of data


NEAR_ENDS = {
    "A01_lf_dot_lf": b"x\n.\n",
    "A04_cr_dot_cr": b"x\r.\r",
    "A05_cr_dot_lf": b"x\r.\n",
    "A07_cr_dot_crlf": b"x\r.\r\n",
    "A08_crlf_dot_cr": b"x\r\n.\r",
    "A10_dot_nul": b"x\r\n.\0\r\n",
    "A11_first_dot_lf": b".\n",
    "lf_dot_crlf": b"x\n.\r\n",
    "crlf_dot_lf": b"x\r\n.\n",
}


@pytest.mark.parametrize("near", NEAR_ENDS.values(), ids=NEAR_ENDS)
def test_A18_smuggled_commands_are_text_of_the_one_message(attacked: Attacked, near: bytes) -> None:
    with RawClient(attacked.port) as client:
        assert client.greeted().envelope().say(near + SECOND).startswith(b"250 2.6.0 ")
        assert client.say(b"NOOP\r\n").startswith(b"250 ")
    (message,) = until(attacked.dropped, "the message in Drop")
    assert b"MAIL FROM:<mallory@evil.test>" in message
    assert b"x-receiver: victim" not in message
    assert "mallory" not in str(attacked.told())
    assert "victim" not in str(attacked.told())
    attacked.idle()


@pytest.mark.parametrize("near", NEAR_ENDS.values(), ids=NEAR_ENDS)
def test_A18_smuggled_commands_are_refused_with_their_message_where_newlines_are_strict(
    attacked: Attacked, near: bytes
) -> None:
    expected = b"250 2.6.0" if b"\0" in near else b"550 5.6.0"  # a NUL in the body is no newline
    with RawClient(attacked.strict) as client:
        assert client.greeted().envelope().say(near + SECOND).startswith(expected)
        assert client.say(b"NOOP\r\n").startswith(b"250 ")
    told = str(attacked.told())
    assert "mallory" not in told
    assert "victim" not in told


def test_A20_a_message_without_its_end_leaves_nothing(attacked: Attacked) -> None:
    with RawClient(attacked.port) as client:
        client.greeted().envelope().send(b"Subject: large\r\n\r\n" + b"no end\r\n" * 60_000)
        until(attacked.working_files, "the file of the message that comes in")
    until(lambda: not attacked.working_files(), "the end of that file")
    assert attacked.dropped() == []
    attacked.idle()


# -- chunks


def test_B14_a_hundred_thousand_chunks_of_one_octet_end_early(attacked: Attacked) -> None:
    with RawClient(attacked.port) as client:
        client.greeted().say(b"MAIL FROM:<a@local.test>\r\n")
        client.say(b"RCPT TO:<ann@local.test>\r\n")
        client.flood(b"BDAT 1\r\nx" * 1000, 100_000 * 9)
        said = client.rest()
    assert said.count(b"\r\n") < 1000
    assert attacked.dropped() == []
    assert "too-many-errors" in str(attacked.told())


def test_chunks_that_come_all_at_once_are_messages_in_their_order(attacked: Attacked) -> None:
    text = b"Subject: x\r\n\r\n" + b"0123456789abcdef\r\n" * 3000
    one = b"MAIL FROM:<a@local.test>\r\nRCPT TO:<ann@local.test>\r\nBDAT %d LAST\r\n" % len(text) + text
    with RawClient(attacked.port) as client:
        client.greeted().send(one * 20 + b"QUIT\r\n")
        said = client.rest().split(b"\r\n")
    assert [line[:9] for line in said[2::3]] == [b"250 2.6.0"] * 20
    until(lambda: len(attacked.dropped()) == 20, "all messages in Drop")


# -- sequence


def test_C01_who_talks_before_the_greeting_is_refused(tmp_path: Path, attacked: Attacked) -> None:
    # What comes with the connection itself is seen only if it is there first: some of many tries are.
    refused = 0
    for _ in range(20):
        with RawClient(attacked.port) as client:
            client.send(HELLO + b"MAIL FROM:<a@local.test>\r\n")
            refused += client.rest().endswith(b"554 5.5.0 SMTP synchronization error\r\n")
    assert refused == 20  # before the greeting, or as a group behind EHLO


def test_C02_a_group_after_helo_is_refused(attacked: Attacked) -> None:
    with RawClient(attacked.port) as client:
        client.greeted(b"HELO client.test\r\n")
        client.send(b"MAIL FROM:<a@local.test>\r\nRCPT TO:<ann@local.test>\r\n")
        assert client.rest() == b"554 5.5.0 SMTP synchronization error\r\n"


def test_C04_a_group_behind_ehlo_is_refused(attacked: Attacked) -> None:
    with RawClient(attacked.port) as client:
        client.reply()
        client.send(HELLO + b"MAIL FROM:<a@local.test>\r\n")
        assert client.rest() == b"554 5.5.0 SMTP synchronization error\r\n"


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"POST /mail HTTP/1.1"])
def test_C09_a_web_browser_is_sent_away_before_its_form_is_read(attacked: Attacked, line: bytes) -> None:
    with RawClient(attacked.port) as client:
        client.reply()
        client.send(line + b"\r\nHost: x\r\n\r\nMAIL FROM:<a@local.test>\r\n")
        assert client.rest().startswith(b"554 5.5.0 ")
    assert "not-smtp" in str(attacked.told())


def test_C11_a_tls_handshake_is_answered_once_and_told(attacked: Attacked) -> None:
    with RawClient(attacked.port) as client:
        client.reply()
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)))
        assert client.rest() == b"500 5.5.2 TLS is not spoken here\r\n"
    assert "TLS on a plain port" in str(attacked.told())


# -- commands and addresses


def test_E02_an_endless_line_is_cut_in_flat_memory(attacked: Attacked) -> None:
    before = attacked.service.memory()
    with RawClient(attacked.port) as client:
        client.reply()
        sent = client.flood(b"A" * 65536, 100 * MEGABYTE)
        client.rest()
    assert sent < 20 * MEGABYTE  # what the system's buffers take is sent too
    assert attacked.service.memory() - before < 8 * MEGABYTE
    assert "endless-line" in str(attacked.told())


def test_E13_the_postmaster_is_always_there(attacked: Attacked) -> None:
    with RawClient(attacked.port, STRANGER) as client:
        client.greeted().envelope(b"postmaster").say(b"Subject: x\r\n\r\n.\r\n")
    (message,) = until(attacked.dropped, "the message in Drop")
    assert b"x-receiver: postmaster@local.test\r\n" in message


@pytest.mark.parametrize(
    ("recipient", "code"),
    [
        (b"a@[127.0.0.1]", b"250"),
        (b"a@[IPv6:::1]", b"250"),
        (b"a@[192.0.2.1]", b"550"),
        (b"a@[IPv6:::ffff:10.0.0.1]", b"550"),
        (b"a@[999.1.1.1]", b"501"),
        (b"a@[::ffff:10.0.0.1]", b"501"),
    ],
)
def test_E14_an_address_literal_is_local_where_it_is_ours(attacked: Attacked, recipient: bytes, code: bytes) -> None:
    with RawClient(attacked.port, STRANGER) as client:
        client.greeted().say(b"MAIL FROM:<a@local.test>\r\n")
        assert client.say(b"RCPT TO:<" + recipient + b">\r\n")[:3] == code


def test_E14_mail_to_our_own_literal_is_in_drop(attacked: Attacked) -> None:
    with RawClient(attacked.port, STRANGER) as client:
        client.greeted().envelope(b"ann@[127.0.0.1]").say(b"Subject: x\r\n\r\n.\r\n")
    (message,) = until(attacked.dropped, "the message in Drop")
    assert b"x-receiver: ann@local.test\r\n" in message


def test_E15_a_source_route_to_us_is_stripped(attacked: Attacked) -> None:
    with RawClient(attacked.port, STRANGER) as client:
        client.greeted().envelope(b"@one.test,@two.test:ann@local.test").say(b"Subject: x\r\n\r\n.\r\n")
    (message,) = until(attacked.dropped, "the message in Drop")
    assert b"x-receiver: ann@local.test\r\n" in message


def test_E18_a_declared_size_that_lies_is_found_out(attacked: Attacked) -> None:
    with RawClient(attacked.port) as client:
        client.greeted().say(b"MAIL FROM:<a@local.test> SIZE=10\r\n")
        client.say(b"RCPT TO:<ann@local.test>\r\n")
        client.say(b"DATA\r\n")
        assert client.say(b"x" * 70 * 140_000 + b"\r\n.\r\n").startswith(b"552 5.3.4 ")
        assert client.say(b"NOOP\r\n").startswith(b"250 ")
    until(lambda: not attacked.working_files(), "the end of its file")
    assert attacked.dropped() == []


def test_E29_names_cannot_be_harvested(attacked: Attacked) -> None:
    with RawClient(attacked.port) as client:
        client.greeted().send(b"".join(b"VRFY user%d\r\n" % number for number in range(1000)))
        said = client.rest().split(b"\r\n")
    answers, last = said[:-2], said[-2]
    assert {line[:4] for line in answers} == {b"252 "}
    assert len(answers) < 200
    assert last.startswith(b"421 ")


def test_E34_a_session_has_an_end(attacked: Attacked) -> None:
    with RawClient(attacked.port) as client:
        client.greeted()
        replies = []
        for _ in range(8):  # of 1.5 MB each; the limit is 10 MB
            client.envelope()
            replies.append(client.say((b"x" * 70 + b"\r\n") * 21_000 + b".\r\n")[:9])
            if replies[-1] != b"250 2.6.0":
                break
        assert client.rest() == b""
    assert replies == [b"250 2.6.0"] * 6 + [b"552 4.3.1"]
    until(lambda: len(attacked.dropped()) == 6, "the messages in Drop")


# -- relaying


RELAY_FORMS = {
    "F02_forged_local_sender": (b"u@local.test", b"y@third.test"),
    "F03_sender_localhost": (b"t@localhost", b"y@third.test"),
    "F03_bare_sender": (b"t", b"y@third.test"),
    "F03_null_sender": (b"", b"y@third.test"),
    "F03_sender_literal": (b"t@[127.0.0.1]", b"y@third.test"),
    "F04_percent_hack": (b"t@local.test", b"y%third.test@local.test"),
    "F04_percent_hack_without_domain": (b"t@local.test", b"y%third.test"),
    "F05_percent_hack_with_literal": (b"t@local.test", b"y%third.test@[127.0.0.1]"),
    "F05_percent_hack_with_name": (b"t@local.test", b"y%third.test@mail.local.test"),
    "F06_quoted_address": (b"t@local.test", b'"y@third.test"'),
    "F06_quoted_address_here": (b"t@local.test", b'"y@third.test"@local.test'),
    "F06_quoted_percent_hack": (b"t@local.test", b'"y%third.test"'),
    "F06_quoted_address_at_literal": (b"t@local.test", b'"y@third.test"@[127.0.0.1]'),
    "F08_double_at": (b"t@local.test", b"y@third.test@local.test"),
    "F08_double_at_with_literal": (b"t@local.test", b"y@third.test@[127.0.0.1]"),
    "F09_bang_path": (b"t@local.test", b"third.test!y"),
    "F09_bang_path_here": (b"t@local.test", b"third.test!y@local.test"),
    "F09_bang_path_at_literal": (b"t@local.test", b"third.test!y@[127.0.0.1]"),
    "F10_source_route": (b"t@local.test", b"@local.test:y@third.test"),
    "F10_source_route_by_literal": (b"t@local.test", b"@[127.0.0.1]:y@third.test"),
    "F10_sender_with_source_route": (b"@local.test:t@local.test", b"y@third.test"),
    "F11_encapsulated": (b"t@local.test", b"IMCEASMTP-y+40third.test@local.test"),
    "F13_upper_case_and_trailing_dot": (b"t@local.test", b"y@THIRD.TEST."),
}


@pytest.mark.parametrize("form", RELAY_FORMS.values(), ids=RELAY_FORMS)
def test_a_stranger_cannot_relay(attacked: Attacked, form: tuple[bytes, bytes]) -> None:
    sender, recipient = form
    with RawClient(attacked.port, STRANGER) as client:
        assert client.greeted().say(b"MAIL FROM:<" + sender + b">\r\n").startswith(b"250")
        assert client.say(b"RCPT TO:<" + recipient + b">\r\n")[:4] in (b"550 ", b"501 ")
        assert client.say(b"DATA\r\n").startswith(b"554 5.5.1 ")
    attacked.idle()
    assert [event for event in attacked.told() if event.get("address") == STRANGER and "cause" in event]


# -- headers


def test_H08_text_without_a_header_becomes_the_body(attacked: Attacked) -> None:
    with RawClient(attacked.port) as client:
        client.greeted().envelope().say(b"no header here\r\nBcc: hidden@local.test\r\n.\r\n")
    (message,) = until(attacked.dropped, "the message in Drop")
    assert message.endswith(b"\r\n\r\nno header here\r\nBcc: hidden@local.test\r\n")


@pytest.mark.parametrize(("hops", "reply"), [(15, b"250 2.6.0 "), (16, b"554 5.4.6 "), (10_000, b"554 5.4.6 ")])
def test_H09_a_message_that_has_been_everywhere_is_refused(attacked: Attacked, hops: int, reply: bytes) -> None:
    with RawClient(attacked.port) as client:
        client.greeted().envelope()
        assert client.say(b"Received: by x; y\r\n" * hops + b"\r\nx\r\n.\r\n").startswith(reply)
    attacked.idle()


def test_H05_who_was_copied_in_secret_stays_secret(attacked: Attacked) -> None:
    (attacked.service.home / "Pickup" / "secret.txt").write_bytes(
        b"From: a@local.test\r\nTo: open@local.test\r\nBcc: hidden@local.test\r\nSubject: x\r\n\r\ntext\r\n"
    )
    (message,) = until(attacked.dropped, "the message in Drop")
    fields = message.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert [field for field in fields if b"hidden@" in field] == [b"x-receiver: hidden@local.test"]


# -- content is not looked into


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(10_000)),
            id="K01_ten_thousand_levels",
        ),
        pytest.param(b'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n' % (b"b" * 3000), id="K03_long_boundary"),
        pytest.param(b'Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n--\r\n', id="K03_empty_boundary"),
    ],
)
def test_a_mime_bomb_passes_as_it_is(attacked: Attacked, content: bytes) -> None:
    with RawClient(attacked.port) as client:
        assert client.greeted().envelope().say(content + b".\r\n").startswith(b"250 ")
    (message,) = until(attacked.dropped, "the message in Drop")
    header, _, body = content.partition(b"\r\n\r\n")
    assert b"\r\n" + header + b"\r\n" in message
    assert message.endswith(b"\r\n\r\n" + body)


# -- the end of the connection at the worst moment


def _hang_up(client: RawClient) -> None:
    """End the connection by a reset, as a program that dies does."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.__exit__()


@pytest.mark.parametrize("end", [b"\r\n.\r\n", b""], ids=["with_its_end", "without_its_end"])
def test_A20_clients_that_hang_up_on_large_messages_leave_them_whole_or_not_at_all(
    attacked: Attacked, end: bytes
) -> None:
    text = b"Subject: large\r\n\r\n" + b"x" * 70 * 20_000
    accepted = attacked.accepted()  # of earlier tests, told only now
    for _ in range(40):
        client = RawClient(attacked.port).greeted().envelope()
        client.send(text + end)
        _hang_up(client)
    until(lambda: not attacked.working_files(), "the end of all files of unfinished messages")
    attacked.idle()
    until(lambda: len(attacked.dropped()) == attacked.accepted() - accepted, "every accepted message in Drop")
    for message in attacked.dropped():
        assert message.endswith(b"x" * 70 + b"\r\n")
    assert attacked.service.errors() == ""


def test_A20_a_client_that_closes_its_side_behind_the_end_has_its_answer(attacked: Attacked) -> None:
    with RawClient(attacked.port) as client:
        client.greeted().envelope().send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.rest().startswith(b"250 2.6.0 ")
    until(attacked.dropped, "the message in Drop")
