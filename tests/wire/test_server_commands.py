"""Sequence, pipelining and command lines (attack cases C and E)."""

import pytest

from mailroot.mail.reply import REPLIES
from mailroot.wire.events import Disconnected, Fault, Hello, MailFrom, Quit
from mailroot.wire.lines import INPUT_LIMIT, LINE_LIMIT
from mailroot.wire.profile import ServerProfile
from mailroot.wire.server import Misuse, ServerEngine
from tests.dialogue import GREETING, Policy, pump
from tests.wire.exchange import Exchange

PROFILE = ServerProfile("mail.example.test", "127.0.0.1", command_timeout=300, body_timeout=180)


def _early(octets: bytes, **settings: bool) -> tuple[list[str], ServerEngine]:
    engine = ServerEngine(ServerProfile("mail.example.test", "127.0.0.1", **settings))  # type: ignore[arg-type]
    engine.feed(octets)
    engine.greet(GREETING)
    return pump(engine, Policy()).decode().splitlines(), engine


def test_C01_talk_before_the_greeting_is_refused() -> None:
    lines, engine = _early(b"EHLO x\r\n")
    assert lines == ["554 5.5.0 SMTP synchronization error"]
    assert engine.closing


def test_C01_trusted_peers_may_talk_early() -> None:
    lines, engine = _early(b"EHLO x\r\n", strict_pipelining=False)
    assert lines[0].startswith("220 ")
    assert lines[-1] == "250 OK"
    assert not engine.closing


@pytest.mark.parametrize(("octets", "code"), [(b"\x16\x03\x01", "500"), (b"GET / HTTP/1.1\r\n", "554")])
def test_early_talk_of_another_protocol_is_named(octets: bytes, code: str) -> None:
    assert _early(octets)[0][0].startswith(code)


def test_a_refused_greeting_closes() -> None:
    engine = ServerEngine(PROFILE)
    engine.greet(REPLIES.connection_refused(address="127.0.0.1"))
    assert engine.output() == b"554 5.7.1 Access denied for 127.0.0.1\r\n"
    assert engine.closing


def test_C02_group_after_helo_is_refused() -> None:
    client = Exchange(hello=False)
    client.one(b"HELO x")
    assert client.say(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n") == ["554 5.5.0 SMTP synchronization error"]
    assert client.closed
    assert client.faults == ["pipelining"]


def test_C02_quit_may_always_come_behind() -> None:
    client = Exchange(hello=False)
    assert [line[:3] for line in client.say(b"HELO x\r\nquit\r\n")] == ["250", "221"]


@pytest.mark.parametrize("group", [b"EHLO x\r\nMAIL FROM:<a@b>\r\n", b"HELO x\r\nMAIL FROM:<a@b>\r\n"])
def test_C04_group_behind_hello_is_refused(group: bytes) -> None:
    client = Exchange(hello=False)
    assert client.say(group) == ["554 5.5.0 SMTP synchronization error"]
    assert client.closed


def test_C04_content_behind_data_is_refused() -> None:
    client = Exchange().begin()
    assert client.say(b"DATA\r\nSubject: x\r\n") == ["554 5.5.0 SMTP synchronization error"]
    assert client.closed


def test_C05_group_with_mixed_results_answers_in_order() -> None:
    client = Exchange(policy="local")
    group = b"MAIL FROM:<a@b>\r\n" + b"".join(
        b"RCPT TO:<%s>\r\n" % name
        for name in (b"1@local.test", b"2@x.test", b"3@local.test", b"4@x.test", b"5@local.test")
    )
    assert [line[:3] for line in client.say(group + b"DATA\r\n")] == ["250", "250", "550", "250", "550", "250", "354"]


def test_C05_group_without_a_good_recipient_ends_in_554() -> None:
    client = Exchange(policy="local", error_limit=1)
    lines = client.say(b"MAIL FROM:<a@b>\r\nRCPT TO:<2@x.test>\r\nDATA\r\n")
    assert lines[-1] == "554 5.5.1 No valid recipients"
    assert not client.closed


def test_C07_nested_mail_keeps_the_first() -> None:
    client = Exchange()
    client.one(b"MAIL FROM:<a@b>")
    assert client.one(b"MAIL FROM:<c@d>") == "503 5.5.1 Sender already specified"
    assert client.policy.senders == ["a@b"]


@pytest.mark.parametrize("command", [b"RCPT TO:<a@b>", b"DATA", b"MAIL FROM:<a@b>", b"BDAT 0 LAST"])
def test_C08_commands_before_hello_are_503(command: bytes) -> None:
    assert Exchange(hello=False).one(command) == "503 5.5.1 Say EHLO or HELO first"


@pytest.mark.parametrize(
    "request_line", [b"GET / HTTP/1.1", b"POST / HTTP/1.1", b"CONNECT x:25 HTTP/1.1", b"GET /" + b"x" * 900]
)
def test_C09_http_is_refused_and_closed_at_once(request_line: bytes) -> None:
    client = Exchange(hello=False)
    assert client.one(request_line) == "554 5.5.0 This is an SMTP server"
    assert client.closed
    assert client.faults == ["not-smtp"]


@pytest.mark.parametrize("hello", [b"\x16", b"\x16\x03\x01\n\x00" + b"x" * 5000])
def test_C11_tls_hello_on_a_plain_port_is_answered_once(hello: bytes) -> None:
    client = Exchange(hello=False)
    assert len(client.say(hello)) == 1
    assert client.say(b"more\r\n") == []
    assert client.closed
    assert client.faults == ["tls-hello"]


def test_E01_overlong_command_is_discarded() -> None:
    client = Exchange()
    assert client.one(b"NOOP " + b"x" * 506) == "500 5.5.2 Line too long"
    assert client.one(b"NOOP " + b"x" * 505) == "250 2.0.0 OK"
    assert client.say(b"NOOP " + b"x" * 100_000) == []
    assert client.say(b"x" * 100_000 + b"\r\nNOOP\r\n") == ["500 5.5.2 Line too long", "250 2.0.0 OK"]


def test_E02_endless_line_is_cut_in_flat_memory() -> None:
    client = Exchange()
    piece = b"x" * 65536
    lines = []
    for _ in range(1600):
        lines += client.say(piece)
        assert len(client.engine._dialogue.input) <= LINE_LIMIT
    assert lines == ["500 5.5.2 Line too long"]
    assert client.closed
    assert client.faults == ["endless-line"]


@pytest.mark.parametrize("name", [b"a\x0b b", b"a\0", b"<script>", b"a b", b"x" * 256, b"a;b", b'"a"', b"\xff"])
def test_E26_hostile_name_is_501(name: bytes) -> None:
    assert Exchange(hello=False).one(b"EHLO " + name) == "501 5.5.4 Invalid arguments"


def test_E26_name_of_ten_kilobytes_is_too_long() -> None:
    assert Exchange(hello=False).one(b"EHLO " + b"x" * 10240) == "500 5.5.2 Line too long"


@pytest.mark.parametrize("name", [b"client.test", b"[192.0.2.1]", b"[IPv6:::1]", b"MY_PC", b"-"])
def test_common_names_are_accepted(name: bytes) -> None:
    client = Exchange(hello=False)
    client.say(b"EHLO " + name + b"\r\n")
    assert client.policy.events == [Hello(name.decode(), extended=True)]


def test_E29_verify_never_tells_and_counts_as_junk() -> None:
    client = Exchange()
    lines = [line for number in range(1000) for line in client.say(b"VRFY user%d\r\n" % number)]
    assert lines[0] == "252 2.1.5 Cannot VRFY user, but will take message for <user0@local.test>"
    assert {line[:3] for line in lines} == {"252", "421"}
    assert len(lines) < 130


def test_every_fault_counts_and_the_last_one_closes() -> None:
    client = Exchange(error_limit=5)
    replies = [client.one(b"XYZZY")[:3] for _ in range(5)]
    assert replies == ["500"] * 4 + ["421"]
    assert client.say(b"NOOP\r\n") == []


def test_an_accepted_message_forgives_junk() -> None:
    client = Exchange(junk_limit=10, error_limit=1)
    for _ in range(5):
        for _ in range(8):
            assert client.one(b"RSET").startswith("250")
        client.send(b"x\r\n.\r\n")


def test_no_event_comes_while_a_reply_is_owed() -> None:
    engine = Exchange().engine
    engine.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")
    assert isinstance(engine.next_event(), MailFrom)
    assert engine.next_event() is None
    assert engine.output() == b""


def test_group_is_answered_in_one_write() -> None:
    client = Exchange()
    client.engine.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n")
    for _ in range(2):
        assert client.engine.output() == b""
        assert client.engine.next_event() is not None
        client.engine.reply(REPLIES.ok())
    assert client.engine.next_event() is None
    assert client.engine.output() == b"250 2.0.0 OK\r\n" * 2


def test_a_verb_that_ends_its_group_flushes_what_came_before() -> None:
    client = Exchange().begin()
    client.engine.feed(b"RCPT TO:<d@e>\r\nDATA\r\n")
    assert client.engine.next_event() is not None
    client.engine.reply(REPLIES.ok())
    assert client.engine.next_event() is not None
    assert client.engine.output() == b"250 2.0.0 OK\r\n"


def test_rset_keeps_the_greeting() -> None:
    client = Exchange()
    client.one(b"RSET")
    assert client.one(b"MAIL FROM:<a@b>").startswith("250")


def test_rset_before_hello_does_not_replace_it() -> None:
    client = Exchange(hello=False)
    client.one(b"RSET")
    assert client.one(b"MAIL FROM:<a@b>").startswith("503")


def test_a_refused_sender_opens_no_transaction() -> None:
    client = Exchange()
    client.engine.feed(b"MAIL FROM:<a@b>\r\n")
    assert client.engine.next_event() is not None
    client.engine.reply(REPLIES.anonymous_not_allowed())
    assert client.say(b"RCPT TO:<c@d>\r\n")[-1] == "503 5.5.2 Need mail command."


def test_abort_answers_and_closes_in_any_state() -> None:
    client = Exchange().begin()
    client.engine.feed(b"DATA\r\n")
    assert client.engine.next_event() is not None
    client.engine.abort(REPLIES.shutting_down(fqdn="mail.example.test"))
    assert client.engine.next_event() is None
    client.engine.reply(REPLIES.start_input())
    assert client.engine.output().startswith(b"421 ")
    assert client.engine.closing


def test_quit_then_close_is_no_loss() -> None:
    client = Exchange()
    client.engine.feed(b"QUIT\r\n")
    client.engine.end_of_input()
    client.say(b"")
    assert client.policy.events[-1] == Quit()


def test_half_closed_client_still_gets_its_replies() -> None:
    client = Exchange()
    client.engine.feed(b"NOOP\r\nNO")
    client.engine.end_of_input()
    assert client.say(b"") == ["250 2.0.0 OK"]
    assert client.policy.events[-1] == Disconnected(in_transaction=False)


def test_bare_lf_behind_commands_is_noted_once() -> None:
    client = Exchange()
    client.say(b"NOOP\nNOOP\n")
    assert client.policy.events[1:] == [Fault("bare-newline", "command lines end in LF alone")]


def test_full_tells_when_to_pause() -> None:
    engine = Exchange().engine
    engine.feed(b"MAIL FROM:<a@b>\r\n")
    assert engine.next_event() is not None
    assert not engine.full
    engine.feed(b"x" * INPUT_LIMIT)
    assert engine.full


def test_timeout_follows_the_state() -> None:
    client = Exchange()
    assert client.engine.timeout == 300
    client.begin().one(b"DATA")
    assert client.engine.timeout == 180


def test_progress_needs_a_whole_command() -> None:
    client = Exchange()
    before = client.engine.progress
    client.say(b"NOO")
    assert client.engine.progress == before
    client.say(b"P\r\n")
    assert client.engine.progress > before


def test_a_reply_that_nobody_owes_is_a_mistake() -> None:
    engine = ServerEngine(PROFILE)
    with pytest.raises(Misuse):
        engine.reply(REPLIES.ok())
    engine.greet(GREETING)
    with pytest.raises(Misuse):
        engine.greet(GREETING)
