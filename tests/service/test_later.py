"""Replies that must be waited for: what happens to the session meanwhile, and to one that ends meanwhile."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mailroot.mail.reply import REPLIES
from mailroot.service.receive import session as session_module
from mailroot.service.receive.later import Later
from mailroot.wire import events as wire
from tests.service.conversing import CLIENT, Conversation, FakeTransport
from tests.service.working import until


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


class Asked:
    """Makes MAIL wait for `future`; `heard` is what came out of it."""

    def __init__(self, talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.heard: list[object] = []
        monkeypatch.setitem(session_module.ANSWERS, wire.MailFrom, lambda *_: Later(self.future, self.then))
        talk.session.data_received(b"EHLO client.test\r\n")
        talk.transport.written = b""

    def then(self, found: object) -> object:
        self.heard.append(found)
        return found


@pytest.fixture
async def talk(pool: ThreadPoolExecutor) -> Conversation:
    return Conversation(pool)


@pytest.fixture
async def asked(talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(talk, monkeypatch)


async def test_replies_keep_their_order_while_one_is_waited_for(talk: Conversation, asked: Asked) -> None:
    talk.session.data_received(b"NOOP\r\nMAIL FROM:<a@b.test>\r\nNOOP\r\nQUIT\r\n")
    assert talk.transport.written.count(b"\r\n") <= 1
    assert talk.session.state == "waiting"
    asked.future.set_result(REPLIES.sender_ok(address="a@b.test"))
    await until(lambda: talk.transport.closed)
    assert [line[:3] for line in talk.transport.written.split(b"\r\n")[:-1]] == [b"250", b"250", b"250", b"221"]


async def test_one_wait_may_follow_another(talk: Conversation, asked: Asked) -> None:
    second: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    talk.session.data_received(b"MAIL FROM:<a@b.test>\r\n")
    asked.future.set_result(Later(second, asked.then))
    await until(lambda: asked.heard)
    assert talk.transport.written == b""
    second.set_result(REPLIES.ok())
    await until(lambda: talk.transport.written)
    assert talk.transport.written == b"250 2.0.0 OK\r\n"


async def test_a_session_that_is_gone_hears_no_more(talk: Conversation, asked: Asked) -> None:
    talk.session.data_received(b"MAIL FROM:<a@b.test>\r\n")
    talk.session.connection_lost(None)
    asked.future.set_result(REPLIES.ok())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asked.heard == []
    assert talk.open == 0


async def test_a_session_that_was_ended_meanwhile_hears_no_more(talk: Conversation, asked: Asked) -> None:
    talk.session.data_received(b"MAIL FROM:<a@b.test>\r\n")
    talk.session.end(REPLIES.shutting_down(fqdn="x"), "the server stopped")
    asked.future.set_result(REPLIES.ok())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asked.heard == []
    assert talk.transport.written.startswith(b"421 ")


async def test_a_client_that_closed_its_side_still_gets_the_reply(talk: Conversation, asked: Asked) -> None:
    talk.session.data_received(b"MAIL FROM:<a@b.test>\r\n")
    assert talk.session.eof_received()
    asked.future.set_result(REPLIES.ok())
    await until(lambda: talk.transport.closed)
    assert talk.transport.written == b"250 2.0.0 OK\r\n"


@pytest.mark.parametrize("fault", [ZeroDivisionError(), None], ids=["in the wait", "in what follows"])
async def test_a_mistake_ends_the_session_and_is_told(
    talk: Conversation, asked: Asked, fault: Exception | None
) -> None:
    talk.session.data_received(b"MAIL FROM:<a@b.test>\r\n")
    if fault is not None:
        asked.future.set_exception(fault)
    else:
        asked.future.set_result("no reply")
    await until(lambda: talk.transport.closed)
    assert talk.transport.written.startswith(b"421 4.3.0")
    assert talk.work.told("task_failed")


async def test_a_wait_that_is_given_up_ends_the_session(talk: Conversation, asked: Asked) -> None:
    talk.session.data_received(b"MAIL FROM:<a@b.test>\r\n")
    asked.future.cancel()
    await until(lambda: talk.transport.closed)
    assert talk.transport.written.startswith(b"421 4.3.2")


async def test_waiting_for_a_reply_is_no_idleness_of_the_client(talk: Conversation, asked: Asked) -> None:
    now = asyncio.get_running_loop().time()
    talk.session.data_received(b"MAIL FROM:<a@b.test>\r\n")
    talk.session.check(now + 100_000)
    assert not talk.transport.closed


async def test_what_comes_while_a_reply_is_waited_for_is_bounded(talk: Conversation, asked: Asked) -> None:
    talk.session.data_received(b"MAIL FROM:<a@b.test>\r\n")
    for _ in range(100):
        if talk.transport.reading:
            talk.session.data_received(b"NOOP\r\n" * 1000)
    assert not talk.transport.reading
    asked.future.set_result(REPLIES.ok())
    await until(lambda: talk.transport.written)


async def test_the_greeting_may_be_waited_for(talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    opened = talk.sessions.open
    monkeypatch.setattr(
        talk.sessions, "open", lambda session: (*opened(session)[:2], Later(future, lambda found: found))
    )
    transport, other = FakeTransport(), talk.sessions.make()
    other.connection_made(transport)
    assert (transport.written, other.address) == (b"", CLIENT)
    future.set_result(REPLIES.ok())
    await until(lambda: transport.written)
    assert transport.written == b"250 2.0.0 OK\r\n"
