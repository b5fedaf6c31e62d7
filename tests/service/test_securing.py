"""TLS of sessions on real connections, on the standard loop and on uvloop (attack case D18 among them)."""

import asyncio
import contextlib
import gc
import smtplib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uvloop

from mailroot.edge.tls.contexts import Secured, TlsTerms
from mailroot.edge.tls.identity import Identity, identity_of, key_pem, new_key, self_signed
from mailroot.service.receive.answers import Answers
from mailroot.service.receive.securing import Handshakes
from mailroot.service.receive.session import Session
from mailroot.service.receive.signin import SigningIn
from mailroot.service.receive.turn import Turn
from mailroot.settings.virtualserver import Access, General, TlsOffer
from tests.service.accounts import entrance
from tests.service.conversing import EVERYBODY, Conversation
from tests.service.working import until

PATIENCE = 20


@pytest.fixture(params=[asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy], ids=["asyncio", "uvloop"])
def event_loop_policy(request: pytest.FixtureRequest) -> Any:
    return request.param()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as made:
        yield made


def identity(*names: str) -> Identity:
    key = new_key()
    return identity_of(self_signed(key, names, datetime.now(UTC)), key_pem(key))


class Served:
    """Sessions behind real listening sockets: one for STARTTLS, one where TLS comes first."""

    def __init__(self, pool: ThreadPoolExecutor, **parts: Any) -> None:
        self.talk = Conversation(pool, **parts)
        self.talk.sessions.turn = Turn(asyncio.get_running_loop())  # the service's own: it does not answer at once
        self.talk.tls.apply(TlsTerms(), {"": identity("mail.example.test"), "other.test": identity("other.test")})
        self.plain = socket.create_server(("127.0.0.1", 0))
        self.secured = socket.create_server(("127.0.0.1", 0))
        self.secured.setblocking(False)

    async def open(self) -> "Served":
        sessions = self.talk.sessions
        self.server = await asyncio.get_running_loop().create_server(sessions.make, sock=self.plain)
        self.listener = await asyncio.get_running_loop().create_server(sessions.make_secured, sock=self.secured)
        return self

    def close(self) -> None:
        self.server.close()
        self.listener.close()

    @property
    def port(self) -> int:
        return int(self.plain.getsockname()[1])

    @property
    def secured_port(self) -> int:
        return int(self.secured.getsockname()[1])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def events(self, name: str) -> list[dict[str, Any]]:
        return [fields for known, fields in self.talk.work.events if known == name]


@pytest.fixture
async def served(pool: ThreadPoolExecutor) -> AsyncIterator[Served]:
    made = await Served(pool).open()
    yield made
    made.close()


def client_tls(**options: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in options.items():
        setattr(context, name, value)
    return context


def send_by_starttls(port: int, content: str = "Subject: x\r\n\r\nHello.\r\n") -> None:
    with smtplib.SMTP("127.0.0.1", port, "client.test", timeout=PATIENCE) as client:
        client.starttls(context=client_tls())
        client.sendmail("app@local.test", ["ann@local.test"], content)


def send_in_tls(port: int) -> None:
    with smtplib.SMTP_SSL("127.0.0.1", port, "client.test", timeout=PATIENCE, context=client_tls()) as client:
        client.sendmail("app@local.test", ["ann@local.test"], "Subject: x\r\n\r\nHello.\r\n")


def send_in_clear(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, "client.test", timeout=PATIENCE) as client:
        client.sendmail("app@local.test", ["ann@local.test"], "Subject: x\r\n\r\nHello.\r\n")


def sign_in(port: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, "client.test", timeout=PATIENCE) as client:
        client.starttls(context=client_tls())
        client.login("user", "right")


def give_up_to_sign_in(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        _lines(client, b"EHLO client.test\r\n", b"AUTH LOGIN\r\n")


@pytest.fixture
def nobody_searches_for_circles() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("nobody_searches_for_circles")
@pytest.mark.parametrize("visit", [send_in_clear, send_by_starttls, send_in_tls, sign_in, give_up_to_sign_in])
async def test_a_session_that_is_over_is_freed_without_a_search(
    pool: ThreadPoolExecutor, visit: Callable[[int], None]
) -> None:
    access = replace(EVERYBODY, basic=True, basic_requires_tls=False)
    served = await Served(pool, access=access, entrance=entrance()).open()

    def left() -> int:
        return sum(type(one) in {Session, Answers, SigningIn, Secured} for one in gc.get_objects())

    before, begun = left(), served.talk.sessions._number
    await asyncio.to_thread(visit, served.secured_port if visit is send_in_tls else served.port)
    await until(lambda: served.talk.open == 1 and left() == before)
    assert served.talk.sessions._number == begun + 1
    served.close()


@pytest.mark.parametrize("times", [1, 8])
async def test_messages_come_through_starttls_and_the_trace_says_so(served: Served, times: int) -> None:
    await asyncio.gather(*(asyncio.to_thread(send_by_starttls, served.port) for _ in range(times)))
    assert len(served.talk.drafts) == times
    for draft in served.talk.drafts:
        assert b" over TLS secured channel" in draft.content.data  # type: ignore[attr-defined]
    await until(lambda: served.talk.open == 1)
    assert {event["tls"] for event in served.events("disconnected")} == {"TLSv1.3"}


async def test_messages_come_where_tls_is_first(served: Served) -> None:
    await asyncio.gather(*(asyncio.to_thread(send_in_tls, served.secured_port) for _ in range(4)))
    assert len(served.talk.drafts) == 4
    assert b" over TLS secured channel" in served.talk.drafts[0].content.data  # type: ignore[attr-defined]


async def test_a_large_message_comes_through_tls_whole(served: Served) -> None:
    text = "x" * 70 + "\r\n"
    await asyncio.to_thread(send_by_starttls, served.port, "Subject: x\r\n\r\n" + text * 10_000)
    assert served.talk.drafts[0].content.size > 700_000


def _lines(client: socket.socket, *commands: bytes) -> list[bytes]:
    """The first line of the answer to each command."""
    replies = client.makefile("rb")
    found = []
    for command in commands:
        client.sendall(command + b"\r\n" if command else b"")
        found.append(replies.readline())
        while found[-1][3:4] == b"-" and replies.readline()[3:4] == b"-":
            pass
    return found


def _secured_dialogue(port: int) -> list[bytes]:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as clear:
        before = _lines(clear, b"", b"EHLO first", b"STARTTLS")
        with client_tls().wrap_socket(clear) as client:
            return before + _lines(client, b"MAIL FROM:<a@b>", b"EHLO x", b"STARTTLS", b"QUIT")


async def test_D03_what_was_said_before_the_handshake_is_forgotten(served: Served) -> None:
    said = await asyncio.to_thread(_secured_dialogue, served.port)
    assert [line[:3] for line in said] == [b"220", b"250", b"220", b"503", b"250", b"503", b"221"]


def _inject(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        _lines(client, b"", b"EHLO x")
        client.sendall(b"STARTTLS\r\nMAIL FROM:<evil@b>\r\n")
        return client.makefile("rb").read()


async def test_D01_commands_behind_starttls_end_the_connection(served: Served) -> None:
    assert await asyncio.to_thread(_inject, served.port) == b"554 5.5.0 SMTP synchronization error\r\n"


def _inject_later(port: int) -> bytes:
    """Clear text after the 220: what it is read as is no command."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        _lines(client, b"", b"EHLO x", b"STARTTLS")
        client.sendall(b"MAIL FROM:<evil@b>\r\nNOOP\r\n" * 20)
        try:
            return client.makefile("rb").read()
        except ConnectionResetError:
            return b""


async def test_D01_clear_text_instead_of_a_handshake_is_never_answered(served: Served) -> None:
    assert b"250" not in await asyncio.to_thread(_inject_later, served.port)
    await until(lambda: served.talk.open == 1)
    assert served.events("tls_failed")[0]["cause"].startswith("the TLS handshake failed: ")


@pytest.fixture
async def hasty(pool: ThreadPoolExecutor) -> AsyncIterator[Served]:
    made = await Served(pool, general=General(connection_timeout=timedelta(seconds=1))).open()
    yield made
    made.close()


def _slow(port: int, first: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        if first:
            _lines(client, b"", b"EHLO x", first)
        client.sendall(b"\x16\x03")
        try:
            return client.recv(100)
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("first", [b"STARTTLS", b""], ids=["starttls", "tls-first"])
async def test_D18_a_slow_handshake_is_cut(hasty: Served, first: bytes) -> None:
    port = hasty.port if first else hasty.secured_port
    assert await asyncio.to_thread(_slow, port, first) == b""
    await until(lambda: hasty.events("tls_failed") != [])
    assert hasty.events("tls_failed")[0]["cause"] == "the TLS handshake took longer than 1 s"
    await until(lambda: hasty.talk.open == 1)


def _vanish(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        _lines(client, b"", b"EHLO x", b"STARTTLS")


async def test_a_client_that_goes_away_in_the_handshake_is_forgotten(served: Served) -> None:
    await asyncio.to_thread(_vanish, served.port)
    await until(lambda: served.talk.open == 1)
    assert len(served.talk.sessions) == 1  # the one on the transport that leads nowhere


async def test_a_session_in_its_handshake_can_be_ended(served: Served) -> None:
    client = await asyncio.to_thread(served.connect)
    await asyncio.to_thread(_lines, client, b"", b"EHLO x", b"STARTTLS")
    session = list(served.talk.sessions)[1]
    await until(lambda: session.state == "handshake")
    assert served.talk.sessions.end(session.ident, "ended by an operator")
    assert await asyncio.to_thread(client.recv, 100) == b""
    client.close()
    await until(lambda: len(served.talk.sessions) == 1)
    assert served.events("disconnected")[0]["reason"] == "ended by an operator"


async def test_too_many_handshakes_are_refused_for_now(served: Served) -> None:
    served.talk.sessions._securing._handshakes = Handshakes(most=0)
    client = await asyncio.to_thread(served.connect)
    said = await asyncio.to_thread(_lines, client, b"", b"EHLO x", b"STARTTLS", b"NOOP")
    client.close()
    assert [line[:9] for line in said[2:]] == [b"454 4.7.0", b"250 2.0.0"]


@pytest.mark.parametrize(
    ("one", "other"), [("192.0.2.1", "192.0.2.1"), ("2001:db8::1", "2001:db8::2"), ("fe80::1%eth0", "fe80::2%eth1")]
)
def test_one_client_may_have_but_a_part_of_all_handshakes(one: str, other: str) -> None:
    handshakes = Handshakes(most=3, most_of_one=1)
    assert [handshakes.begin(one), handshakes.begin(other), handshakes.begin("198.51.100.1")] == [True, False, True]
    handshakes.end(one)
    assert handshakes.begin(other)


def _certificate(port: int, name: str | None) -> bytes:
    clear = socket.create_connection(("127.0.0.1", port), PATIENCE)
    with clear, client_tls().wrap_socket(clear, server_hostname=name) as client:
        return client.getpeercert(binary_form=True) or b""


async def test_the_certificate_is_the_one_of_the_name_that_is_asked_for(served: Served) -> None:
    asked: list[str | None] = ["mail.example.test", None, "unknown.test", "other.test", "OTHER.test"]
    found = [await asyncio.to_thread(_certificate, served.secured_port, name) for name in asked]
    assert [one == found[0] for one in found] == [True, True, True, False, False]
    assert b"other.test" in found[4]


async def test_a_new_certificate_counts_from_the_next_handshake_on(served: Served) -> None:
    before = await asyncio.to_thread(_certificate, served.secured_port, "mail.example.test")
    served.talk.tls.apply(TlsTerms(), {"": identity("new.example.test")})
    after = await asyncio.to_thread(_certificate, served.secured_port, "mail.example.test")
    assert before != after
    assert b"new.example.test" in after


async def test_what_is_older_than_the_minimum_is_refused(served: Served) -> None:
    served.talk.tls.apply(TlsTerms(minimum="1.3"), {"": identity("mail.example.test")})
    with pytest.raises(ssl.SSLError):
        await asyncio.to_thread(_old, served.secured_port)
    await until(lambda: served.events("tls_failed") != [])


def _old(port: int) -> bytes:
    context = client_tls(maximum_version=ssl.TLSVersion.TLSv1_2)
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as clear, context.wrap_socket(clear) as client:
        return client.recv(100)


def _ends(port: int, how: str) -> tuple[bool, bytes]:
    """Whether the second connection resumed the session of the first, and what came after the client's end of it."""
    context = client_tls(maximum_version=ssl.TLSVersion.TLSv1_2 if how == "old" else ssl.TLSVersion.TLSv1_3)
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as clear, context.wrap_socket(clear) as client:
        _lines(client, b"", b"EHLO x")
        session = client.session
    clear = socket.create_connection(("127.0.0.1", port), PATIENCE)
    with clear, context.wrap_socket(clear, session=session) as client:
        _lines(client, b"", b"EHLO x")
        if how == "garbage":
            clear.detach()
            client_socket = socket.socket(fileno=client.detach())
            client_socket.settimeout(PATIENCE)
            client_socket.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)
            with client_socket:
                return True, client_socket.recv(100)[:1]
        resumed = bool(client.session_reused)
        with client.unwrap() as plain:
            return resumed, plain.recv(100)


@pytest.mark.parametrize(("how", "last"), [("old", b""), ("new", b""), ("garbage", b"\x17")])
async def test_a_session_ends_with_tls_and_is_resumed(served: Served, how: str, last: bytes) -> None:
    resumed, found = await asyncio.to_thread(_ends, served.secured_port, how)
    assert (resumed, found) == (True, last)
    await until(lambda: len(served.events("disconnected")) == 2)
    assert {event["reason"] for event in served.events("disconnected")} == {"closed by the client"}


async def test_a_client_that_does_not_read_pauses_its_session(pool: ThreadPoolExecutor) -> None:
    served = await Served(pool, general=General(error_limit=10**9)).open()
    client = await asyncio.to_thread(_greedy, served.secured_port)
    session = list(served.talk.sessions)[1]
    await until(lambda: session._stuck_since > 0)
    session.cut("enough")
    await until(lambda: served.talk.open == 1)
    client.close()
    served.close()


def _greedy(port: int) -> ssl.SSLSocket:
    """A client that asks for much and reads none of it."""
    clear = socket.create_connection(("127.0.0.1", port), PATIENCE)
    clear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client = client_tls().wrap_socket(clear)
    _lines(client, b"", b"EHLO x")
    client.settimeout(1)
    with contextlib.suppress(TimeoutError, ssl.SSLError):
        for _ in range(2000):
            client.sendall(b"HELP\r\n" * 1000)
    return client


async def test_where_tls_is_required_clear_sessions_cannot_send(pool: ThreadPoolExecutor) -> None:
    served = await Served(pool, access=Access(tls=TlsOffer.REQUIRE, relay=EVERYBODY.relay)).open()
    client = await asyncio.to_thread(served.connect)
    said = await asyncio.to_thread(_lines, client, b"", b"EHLO x", b"MAIL FROM:<a@b>")
    assert said[2] == b"530 5.7.0 Must issue a STARTTLS command first\r\n"
    client.close()
    await asyncio.to_thread(send_by_starttls, served.port)
    await asyncio.to_thread(send_in_tls, served.secured_port)
    assert len(served.talk.drafts) == 2
    served.close()


HOSTILE = [b"\\\\\\0", b"a" * 300, b"\xff\xfe.test", b"x\0.test", b".", b"*.test", b"-"]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
async def test_D16_hostile_names_are_ignored_or_refused(served: Served, name: bytes) -> None:
    await asyncio.to_thread(_hostile, served.secured_port, name)
    assert await asyncio.to_thread(_certificate, served.secured_port, "other.test")
    assert "\xff" not in repr(served.talk.work.events)


def _hostile(port: int, name: bytes) -> None:
    """A ClientHello with this name in it."""
    given = b"a" * len(name) if len(name) <= 60 else b"a" * 60
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = client_tls().wrap_bio(incoming, outgoing, server_hostname=given.decode())
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    octets = outgoing.read().replace(given, name[:60]) if len(name) <= 60 else _longer(outgoing.read(), given, name)
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.sendall(octets)
        try:
            client.recv(1000)
        except ConnectionResetError:
            pass


def _longer(hello: bytes, given: bytes, name: bytes) -> bytes:
    """The lengths around the name grow with it."""
    more = len(name) - len(given)
    at = hello.index(given)
    octets = bytearray(hello)

    def grow(place: int, size: int) -> None:
        value = int.from_bytes(octets[place : place + size], "big") + more
        octets[place : place + size] = value.to_bytes(size, "big")

    grow(3, 2)  # record
    grow(6, 3)  # handshake message
    session = 44 + octets[43]
    ciphers = session + 2 + int.from_bytes(octets[session : session + 2], "big")
    grow(ciphers + 1 + octets[ciphers], 2)  # all extensions
    for place in (at - 2, at - 5, at - 7):  # name, list of names, extension
        grow(place, 2)
    return bytes(octets[:at]) + name + bytes(octets[at + len(given) :])
