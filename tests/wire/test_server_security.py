"""STARTTLS and AUTH in the engine (attack cases D and G). The dialogues stand in tests/transcripts."""

from dataclasses import replace

import pytest

from mailroot.mail.reply import REPLIES
from mailroot.wire.events import AuthEnded, AuthRequested, AuthResponse, Fault, TlsRequested
from mailroot.wire.profile import ServerProfile
from mailroot.wire.server import Misuse, ServerEngine
from tests.dialogue import GREETING, Policy, pump
from tests.wire.exchange import Exchange

PROFILE = ServerProfile("mail.example.test", "127.0.0.1", starttls=True, mechanisms=("PLAIN",), auth_limit=0)
SECURED = replace(PROFILE, secured=True, starttls=False)


def _greeted(profile: ServerProfile = PROFILE) -> ServerEngine:
    engine = ServerEngine(profile)
    engine.greet(GREETING)
    engine.feed(b"EHLO client\r\n")
    pump(engine, Policy())
    return engine


def test_D01_what_came_before_the_handshake_is_not_used_after_it() -> None:
    engine = _greeted(replace(PROFILE, strict_pipelining=False))
    engine.feed(b"STARTTLS\r\nMAIL FROM:<evil@b>\r\nNOOP\r\n")
    assert pump(engine, Policy()) == REPLIES.tls_ready().encode()
    engine.secured(SECURED)
    assert pump(engine, Policy()) == b""
    engine.feed(b"NOOP\r\n")
    assert pump(engine, Policy()) == REPLIES.ok().encode()


@pytest.mark.parametrize("command", [b"STARTTLS", b"AUTH PLAIN AGEAYg==", b"AUTH PLAIN"])
def test_C04_a_group_behind_starttls_or_auth_is_refused(command: bytes) -> None:
    engine = _greeted()
    engine.feed(command + b"\r\nMAIL FROM:<a@b>\r\n")
    assert pump(engine, Policy()) == REPLIES.talks_too_early().encode()
    assert engine.closing


def test_nothing_is_read_during_the_handshake_and_what_came_through_tls_is_read_after_it() -> None:
    engine = _greeted()
    engine.feed(b"STARTTLS\r\n")
    pump(engine, Policy())
    engine.feed(b"NOOP\r\n")
    assert engine.next_event() is None
    assert engine.output() == b""
    engine.secured(SECURED)
    assert pump(engine, Policy()) == REPLIES.ok().encode()


def test_a_refused_handshake_changes_nothing() -> None:
    engine = _greeted()
    engine.feed(b"STARTTLS\r\n")
    while engine.next_event() != TlsRequested():
        pass
    engine.reply(REPLIES.tls_busy())
    assert engine.output() == REPLIES.tls_busy().encode()
    engine.feed(b"MAIL FROM:<a@b>\r\n")
    assert pump(engine, Policy()).startswith(b"250 ")


@pytest.mark.parametrize("profile", [PROFILE, SECURED])
def test_secured_is_for_a_handshake_that_was_agreed_on(profile: ServerProfile) -> None:
    with pytest.raises(Misuse):
        _greeted().secured(profile)


def test_a_client_that_goes_away_in_the_handshake_is_gone() -> None:
    engine = _greeted()
    engine.feed(b"STARTTLS\r\n")
    pump(engine, Policy())
    engine.end_of_input()
    pump(engine, Policy())
    assert engine.closing


@pytest.mark.parametrize("limit", [1, 2])
def test_the_last_attempt_of_too_many_ends_the_connection(limit: int) -> None:
    client = Exchange(mechanisms=("PLAIN",), auth_limit=limit)  # type: ignore[arg-type]
    for _ in range(limit - 1):
        assert client.one(b"AUTH PLAIN AHgAeA==").startswith("535 ")
    assert client.one(b"AUTH PLAIN AHgAeA==").startswith("421 4.7.0 ")
    assert client.closed
    assert client.faults == ["too-many-sign-ins"]


def test_a_cancelled_or_broken_exchange_is_told() -> None:
    client = Exchange(mechanisms=("LOGIN",), auth_limit=0)  # type: ignore[arg-type]
    for response in (b"*", b"?", b"A" * 13_000):
        assert client.one(b"AUTH LOGIN").startswith("334 ")
        assert client.one(response).startswith("50")
    ended = [event for event in client.policy.events if isinstance(event, AuthEnded)]
    assert len(ended) == 3


def test_responses_may_have_the_length_of_the_standard() -> None:
    client = Exchange(mechanisms=("PLAIN",), auth_limit=0)  # type: ignore[arg-type]
    longest = b"A" * (12288 - 4)
    assert client.one(b"AUTH PLAIN " + longest).startswith("501 ")
    assert client.one(b"AUTH PLAIN").startswith("334 ")
    assert client.one(longest).startswith("501 ")
    assert all(len(event.data) == 9213 for event in client.policy.events if isinstance(event, AuthResponse))


def test_response_lines_in_bare_lf_end_the_exchange_where_they_are_refused() -> None:
    client = Exchange(mechanisms=("PLAIN",), reject_bare_newline=True)  # type: ignore[arg-type]
    assert client.one(b"AUTH PLAIN").startswith("334 ")
    assert client.say(b"eA==\n") == ["500 5.5.2 Command lines end in CRLF"]
    assert client.one(b"NOOP") == "250 2.0.0 OK"


@pytest.mark.parametrize("settings", [{}, {"auth_needs_tls": True}, {"mechanisms": ("LOGIN",)}])
def test_a_password_is_in_no_fault(settings: dict[str, bool]) -> None:
    client = Exchange(error_limit=0, **settings)
    client.say(b"AUTH PLAIN AHVzZXIAc2VjcmV0\r\n")
    client.say(b"AUTH LOGIN\r\ndXNlcg==\r\nc2VjcmV0\r\n")
    client.say(b"dXNlcg==\r\nc2VjcmV0\r\n")
    faults = repr([event for event in client.policy.events if isinstance(event, Fault)])
    assert "c2VjcmV0" not in faults
    assert "secret" not in faults


@pytest.mark.parametrize(
    "line", [b"AUTH\tPLAIN\tc2VjcmV0", b"A\0UTH c2VjcmV0", b"auth\tlogin\r\nc2VjcmV0", b"DATA\r\nc2VjcmV0"]
)
def test_a_password_or_content_behind_a_line_that_was_refused_is_in_no_fault(line: bytes) -> None:
    client = Exchange(error_limit=0)
    client.say(line + b"\r\n")
    assert "c2VjcmV0" not in repr([event for event in client.policy.events if isinstance(event, Fault)])


def test_events_do_not_show_responses() -> None:
    assert "secret" not in repr([AuthRequested("PLAIN", b"\0user\0secret"), AuthResponse(b"secret")])


def _say(engine: ServerEngine, line: bytes) -> str:
    engine.feed(line + b"\r\n")
    return pump(engine, Policy()).decode()


def test_D03_the_handshake_forgets_what_was_said() -> None:
    engine = _greeted()
    _say(engine, b"STARTTLS")
    engine.secured(SECURED)
    assert _say(engine, b"MAIL FROM:<a@b>") == "503 5.5.1 Say EHLO or HELO first\r\n"


def test_D05_starttls_is_neither_offered_nor_taken_inside_tls() -> None:
    engine = _greeted(SECURED)
    assert "STARTTLS" not in _say(engine, b"EHLO client")
    assert _say(engine, b"STARTTLS") == "503 5.5.1 Bad sequence of commands\r\n"


def test_D06_starttls_has_no_place_in_a_transaction() -> None:
    engine = _greeted()
    _say(engine, b"MAIL FROM:<a@b>")
    assert _say(engine, b"STARTTLS") == "503 5.5.1 Bad sequence of commands\r\n"


def test_D07_without_the_tls_that_is_required_little_is_answered() -> None:
    engine = _greeted(replace(PROFILE, tls_required=True))
    assert _say(engine, b"MAIL FROM:<a@b>") == "530 5.7.0 Must issue a STARTTLS command first\r\n"
    for allowed in (b"EHLO client", b"NOOP", b"RSET", b"HELP", b"STARTTLS"):
        assert _say(engine, allowed)[0] == "2"
    engine.secured(replace(SECURED, tls_required=True))
    _say(engine, b"EHLO client")
    assert _say(engine, b"MAIL FROM:<a@b>")[:3] == "250"


def test_D08_a_password_in_clear_is_neither_asked_for_nor_taken() -> None:
    client = Exchange(auth_needs_tls=True)
    assert not any("AUTH" in line for line in client.say(b"EHLO client\r\n"))
    assert client.one(b"AUTH PLAIN AHVzZXIAcmlnaHQ=") == "530 5.7.0 Must issue a STARTTLS command first"
    assert "AHVzZXI" not in repr(client.policy.events)


@pytest.fixture
def signing() -> Exchange:
    return Exchange(mechanisms=("LOGIN", "PLAIN"), auth_limit=0)  # type: ignore[arg-type]


def test_E28_blanks_between_mechanism_and_response_are_forgiven(signing: Exchange) -> None:
    assert signing.one(b"AUTH PLAIN  AHVzZXIAcmlnaHQ=") == "235 2.7.0 Authentication successful"


@pytest.mark.parametrize("octets", [12_289, 12_400, 100_000])
def test_G01_too_long_a_response(octets: int, signing: Exchange) -> None:
    assert signing.one(b"AUTH PLAIN " + b"A" * octets).startswith("500 5.5.6 ")


@pytest.mark.parametrize("response", [b"!!!", b"eA", b"eA=", b"e A==", b"eB==", b"=eA=", b"eA==\0"])
def test_G02_what_is_no_base64(response: bytes, signing: Exchange) -> None:
    assert signing.one(b"AUTH PLAIN " + response)[:9] in {"501 5.5.2", "501 5.5.4"}
    assert signing.one(b"AUTH PLAIN").startswith("334 ")
    assert signing.one(response).startswith("501 5.5.2 ")


def test_G03_a_star_ends_the_exchange_and_nothing_else(signing: Exchange) -> None:
    assert signing.one(b"AUTH LOGIN") == "334 VXNlcm5hbWU6"
    assert signing.one(b"*") == "501 5.0.0 Authentication cancelled"
    assert signing.one(b"MAIL FROM:<a@b>").startswith("250 ")


def test_G04_nobody_signs_in_twice(signing: Exchange) -> None:
    assert signing.one(b"AUTH PLAIN AHVzZXIAcmlnaHQ=").startswith("235 ")
    assert signing.one(b"AUTH PLAIN AHVzZXIAcmlnaHQ=") == "503 5.5.1 Bad sequence of commands"
