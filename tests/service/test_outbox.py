"""Replies of one turn of the loop go out together, in their order."""

import asyncio

from mailroot.service.receive.outbox import Outbox
from tests.service.conversing import FakeTransport


async def test_replies_of_one_turn_are_written_at_its_end_in_their_order() -> None:
    outbox = Outbox(asyncio.get_running_loop())
    first, second = FakeTransport(), FakeTransport()
    outbox.put(first, b"250 a\r\n", last=False)
    outbox.put(second, b"250 b\r\n", last=False)
    outbox.put(first, b"250 c\r\n", last=False)
    assert (first.written, second.written) == (b"", b"")
    await asyncio.sleep(0)
    assert (first.written, second.written) == (b"250 a\r\n250 c\r\n", b"250 b\r\n")


async def test_the_last_reply_closes_the_connection_and_nothing_follows_it() -> None:
    outbox, transport = Outbox(asyncio.get_running_loop()), FakeTransport()
    outbox.put(transport, b"221 bye\r\n", last=True)
    outbox.put(transport, b"250 more\r\n", last=False)
    outbox.send()
    assert transport.written == b"221 bye\r\n"
    assert transport.closed


async def test_a_connection_that_was_cut_meanwhile_hears_nothing() -> None:
    outbox, cut, other = Outbox(asyncio.get_running_loop()), FakeTransport(), FakeTransport()
    outbox.put(cut, b"250 a\r\n", last=False)
    outbox.put(other, b"250 b\r\n", last=False)
    cut.abort()
    outbox.send()
    assert (cut.written, other.written) == (b"", b"250 b\r\n")
