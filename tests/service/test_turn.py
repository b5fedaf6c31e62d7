"""What comes in one turn of the loop is answered at its end, and the replies leave together, in their order."""

import asyncio

from mailroot.service.receive.turn import Turn
from tests.service.conversing import FakeTransport


async def test_replies_of_one_turn_are_written_at_its_end_in_their_order() -> None:
    turn = Turn(asyncio.get_running_loop())
    first, second = FakeTransport(), FakeTransport()
    turn.say(first, b"250 a\r\n", last=False)
    turn.say(second, b"250 b\r\n", last=False)
    turn.say(first, b"250 c\r\n", last=False)
    assert (first.written, second.written) == (b"", b"")
    await asyncio.sleep(0)
    assert (first.written, second.written) == (b"250 a\r\n250 c\r\n", b"250 b\r\n")


async def test_the_last_reply_closes_the_connection_and_nothing_follows_it() -> None:
    turn, transport = Turn(asyncio.get_running_loop()), FakeTransport()
    turn.say(transport, b"221 bye\r\n", last=True)
    turn.say(transport, b"250 more\r\n", last=False)
    turn.send()
    assert transport.written == b"221 bye\r\n"
    assert transport.closed


async def test_a_connection_that_was_cut_meanwhile_hears_nothing() -> None:
    turn, cut, other = Turn(asyncio.get_running_loop()), FakeTransport(), FakeTransport()
    turn.say(cut, b"250 a\r\n", last=False)
    turn.say(other, b"250 b\r\n", last=False)
    cut.abort()
    turn.send()
    assert (cut.written, other.written) == (b"", b"250 b\r\n")


class Listener:
    """Tells when it answers; one without a name cannot."""

    def __init__(self, name: str, told: list[str]) -> None:
        self._name = name
        self._told = told

    def answer(self) -> None:
        """Tell."""
        if not self._name:
            raise RuntimeError("a mistake")
        self._told.append(self._name)


async def test_sessions_answer_when_all_were_heard_in_the_order_in_which_they_spoke() -> None:
    turn, told = Turn(asyncio.get_running_loop()), list[str]()
    turn.hear(Listener("first", told))
    turn.hear(Listener("second", told))
    assert told == []
    await asyncio.sleep(0)
    assert told == ["first", "second"]
    turn.hear(Listener("third", told))
    await asyncio.sleep(0)
    assert told == ["first", "second", "third"]


async def test_what_goes_wrong_with_one_does_not_silence_the_others() -> None:
    loop, told, wrong = asyncio.get_running_loop(), list[str](), list[object]()
    loop.set_exception_handler(lambda _loop, context: wrong.append(context["exception"]))
    turn = Turn(loop)
    for name in ("first", "", "second", "", "third"):
        turn.hear(Listener(name, told))
    for _ in range(3):
        await asyncio.sleep(0)
    assert told == ["first", "second", "third"]
    assert len(wrong) == 2
