"""Sessions within the turns of a real event loop: what comes in one turn is answered at its end."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailroot.service.receive.turn import Turn
from mailroot.wire.profile import ServerProfile
from tests.service.conversing import Conversation
from tests.service.working import until


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


async def within_data(pool: ThreadPoolExecutor) -> Conversation:
    client = in_turns(pool)
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
    client = in_turns(pool, ServerProfile("mail.test", "127.0.0.1", starttls=True))
    client.session.data_received(b"EHLO x\r\n")
    await over(client)
    client.session.data_received(b"STARTTLS\r\n")
    client.session.data_received(b"MAIL FROM:<evil@b.test>\r\n")
    assert [line[:3] for line in await over(client)] == [b"554"]
    assert client.transport.closed
    assert client.session.state != "handshake"


async def test_D01_a_client_that_has_gone_gets_no_handshake(pool: ThreadPoolExecutor) -> None:
    client = in_turns(pool, ServerProfile("mail.test", "127.0.0.1", starttls=True))
    client.session.data_received(b"EHLO x\r\n")
    await over(client)
    client.session.data_received(b"STARTTLS\r\n")
    client.transport.abort()
    await over(client)
    assert client.session.state != "handshake"
    client.session.connection_lost(None)
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
