"""Sessions within the turns of a real event loop: what comes in one turn is answered at its end."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailroot.service.receive.session import Session
from mailroot.service.receive.turn import Turn
from mailroot.wire.profile import ServerProfile
from tests.service.conversing import Conversation
from tests.service.working import until

OFFERED = ServerProfile("mail.test", "127.0.0.1", starttls=True)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


def in_turns(pool: ThreadPoolExecutor, profile: ServerProfile | None = None) -> Conversation:
    client = Conversation(pool, profile)
    client.session._turn = client.sessions.turn = Turn(asyncio.get_running_loop())
    client.transport.written = b""
    return client


async def over(client: Conversation) -> list[bytes]:
    """The replies once a turn has gone by."""
    for _ in range(3):
        await asyncio.sleep(0)
    said, client.transport.written = client.transport.written, b""
    return said.split(b"\r\n")[:-1]


async def within_data(pool: ThreadPoolExecutor, profile: ServerProfile | None = None) -> Conversation:
    client = in_turns(pool, profile)
    for line in (b"EHLO x\r\n", b"MAIL FROM:<a@b.test>\r\nRCPT TO:<ann@local.test>\r\n", b"DATA\r\n"):
        client.session.data_received(line)
        await over(client)
    return client


async def test_nothing_is_answered_before_the_turn_ends_and_then_everything_in_order(pool: ThreadPoolExecutor) -> None:
    client = in_turns(pool)
    client.session.data_received(b"NO")
    client.session.data_received(b"OP\r\nVRFY ann")
    client.session.data_received(b"@local.test\r\n")
    assert client.transport.written == b""
    assert [line[:3] for line in await over(client)] == [b"250", b"252"]


async def test_D01_what_comes_behind_starttls_in_the_same_turn_ends_the_connection(pool: ThreadPoolExecutor) -> None:
    client = in_turns(pool, OFFERED)
    client.session.data_received(b"EHLO x\r\n")
    await over(client)
    client.session.data_received(b"STARTTLS\r\n")
    client.session.data_received(b"MAIL FROM:<evil@b.test>\r\n")
    assert [line[:3] for line in await over(client)] == [b"554"]
    assert client.transport.closed
    assert client.session.state != "handshake"


async def test_D01_a_client_that_has_gone_gets_no_handshake(pool: ThreadPoolExecutor) -> None:
    client = in_turns(pool, OFFERED)
    client.session.data_received(b"EHLO x\r\n")
    await over(client)
    client.session.data_received(b"STARTTLS\r\n")
    client.transport.abort()
    await over(client)
    assert client.session.state != "handshake"
    client.session.connection_lost(None)
    assert client.open == 0


@pytest.mark.parametrize("busy", ["commit", "writing"])
async def test_D01_nothing_is_read_between_starttls_and_the_handshake(
    busy: str, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[bool] = []
    monkeypatch.setattr(Session, "_shake_hands", lambda _, transport: begun.append(transport.is_reading()))
    client = await within_data(pool, OFFERED)
    if busy == "commit":  # the session goes on by itself, and would listen again
        client.session.data_received(b"Hello.\r\n.\r\nSTARTTLS\r\n")
    else:
        client.session.data_received(b"Hello.\r\n.\r\n")
        await until(lambda: bool(client.drafts) and client.session._waiting is None)
        client.session.data_received(b"STARTTLS\r\n")
        client.session.answer()
        client.session.pause_writing()
        client.session.resume_writing()
    await until(lambda: bool(begun))
    assert begun == [False]


async def test_D01_what_came_in_clear_all_the_same_is_never_taken_for_what_came_through_tls(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    shake_hands = Session._shake_hands

    def late(session: Session, transport: asyncio.Transport) -> None:
        session.data_received(b"MAIL FROM:<evil@b.test>\r\n")
        shake_hands(session, transport)

    monkeypatch.setattr(Session, "_shake_hands", late)
    client = in_turns(pool, OFFERED)
    for line in (b"EHLO x\r\n", b"STARTTLS\r\n"):
        client.session.data_received(line)
        said = await over(client)
    assert [line[:3] for line in said] == [b"220"]
    assert client.transport.aborted
    client.session.connection_lost(None)
    assert client.session.reason == "spoke before the TLS handshake"
    assert client.open == 0


async def test_A20_what_came_whole_in_the_turn_in_which_the_connection_was_lost_is_kept(
    pool: ThreadPoolExecutor,
) -> None:
    client = await within_data(pool)
    client.session.data_received(b"Subject: x\r\n\r\nHello.\r\n.\r\n")
    client.transport.abort()
    client.session.connection_lost(ConnectionResetError())
    await until(lambda: client.work.told("accepted"))
    assert len(client.drafts) == 1
    assert client.open == 0


async def test_A20_what_did_not_come_whole_in_that_turn_is_dropped(pool: ThreadPoolExecutor) -> None:
    client = await within_data(pool)
    client.session.data_received(b"Subject: x\r\n\r\nHello.\r\n")
    client.session.connection_lost(ConnectionResetError())
    await over(client)
    assert not client.drafts and not client.work.told("accepted")
    assert client.open == 0


async def test_a_client_that_closes_its_side_within_the_turn_still_gets_its_replies_in_order(
    pool: ThreadPoolExecutor,
) -> None:
    client = in_turns(pool)
    client.session.data_received(b"NOOP\r\nVRFY ann@local.test\r\nHA")
    assert client.session.eof_received() is False  # the transport closes itself: all must have been said by now
    assert [line[:3] for line in client.transport.written.split(b"\r\n")[:-1]] == [b"250", b"252"]
    client.session.connection_lost(None)
    assert client.open == 0


async def test_a_client_that_closes_its_side_behind_the_final_dot_hears_of_its_message(
    pool: ThreadPoolExecutor,
) -> None:
    client = await within_data(pool)
    client.session.data_received(b"Hello.\r\n.\r\n")
    assert client.session.eof_received() is True  # the transport stays open for the reply
    await until(lambda: client.session._waiting is None)
    assert [line[:3] for line in await over(client)] == [b"250"]
    assert client.transport.closed
    assert len(client.drafts) == 1


async def test_much_is_used_at_once_so_that_it_does_not_grow(pool: ThreadPoolExecutor) -> None:
    client = await within_data(pool)
    client.session.data_received((b"x" * 998 + b"\r\n") * 70)
    assert not client.session._engine.unread
    client.session.data_received(b".\r\n")
    assert client.session._engine.unread
    await over(client)
    await until(lambda: client.work.told("accepted"))
    (draft,) = client.drafts
    assert draft.content.size > 70_000
