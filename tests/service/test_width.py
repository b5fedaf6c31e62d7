"""How many connections a destination bears: the arithmetic, and on the wire."""

import asyncio

from mailroot.service.relay.width import Width
from mailroot.settings.pace import Pace
from tests.peers.smtp import Peer
from tests.service.carrying import carrier, delivery, smart, until


def test_without_trouble_there_is_no_limit():
    width = Width(100)
    width.served()
    assert width.bears(1_000_000) and not width.narrow


def test_it_halves_once_for_what_fails_together_and_never_below_one():
    width = Width(100)
    for _ in range(16):
        width.troubled(16, 1.0, 2.0)
    assert width.bears(8) and not width.bears(9)
    width.troubled(8, 3.0, 4.0)
    assert width.bears(4) and not width.bears(5)
    for moment in range(5, 20):
        width.troubled(1, moment, moment)
    assert width.bears(1) and not width.bears(2)


def test_one_more_than_was_too_many_is_tried_only_after_some_rounds():
    width = Width(100)
    width.troubled(3, 1.0, 2.0)
    served = 0
    while not width.bears(3):
        width.served()
        served += 1
    assert 20 <= served <= 30


def test_it_grows_by_one_with_each_round_and_recovers_whole():
    width = Width(10)
    width.troubled(4, 1.0, 2.0)
    for _ in range(2):
        width.served()
    assert not width.bears(3)
    width.served()
    assert width.bears(3) and not width.bears(4)
    for _ in range(300):
        width.served()
    assert not width.narrow and width.bears(100)


class Counting(Peer):
    """A server that bears so many connections, and refuses the next ones by 421."""

    bearable = 2
    refused = 0

    def _answer(self, verb, line, default):
        if verb == "GREETING" and self.now_open > self.bearable:
            self.refused += 1
            return "421 4.3.2 too many connections"
        return super()._answer(verb, line, default)


async def test_a_server_that_bears_few_connections_gets_all_mail_on_those():
    async with Counting() as peer, carrier(connection_limit_per_domain=10) as way:
        results = await asyncio.gather(*(way.carry(delivery(smart(peer))) for _ in range(400)))
        assert {statuses[0].disposition.value for statuses in results} == {"relayed"}
        assert len(peer.messages) == 400
        # It is tried again with one more connection each round of messages, not with each message.
        assert 1 <= peer.refused < 80


async def test_a_server_that_is_busy_at_mail_gets_fewer_connections_and_more_once_it_recovers():
    events = []
    busy = {"MAIL": "451 4.3.2 busy", "RCPT": "503 no sender", "DATA": "503 no sender"}
    async with Peer(busy) as peer, carrier(connection_limit_per_domain=8, events=events) as way:
        results = await asyncio.gather(*(way.carry(delivery(smart(peer))) for _ in range(8)))
        assert {statuses[0].code for statuses in results} == {"4.3.2"}
        (destination,) = way._destinations.values()
        assert destination._width.narrow
        busy.clear()
        await asyncio.gather(*(way.carry(delivery(smart(peer))) for _ in range(300)))
        assert not destination._width.narrow and len(peer.messages) == 300


async def test_a_pace_limits_the_connections_of_its_destination_alone():
    gate = asyncio.Event()
    async with Peer(gate=gate) as few, Peer(address="127.0.0.2", gate=gate) as many:
        async with carrier(pace={"[127.0.0.1]": Pace(connections=2)}, connection_limit_per_domain=5) as way:
            letters = [delivery(smart(peer)) for peer in (few, many) for _ in range(20)]
            crowd = [asyncio.create_task(way.carry(letter)) for letter in letters]
            await until(lambda: few.now_open == 2 and many.now_open == 5)
            gate.set()
            await asyncio.gather(*crowd)
        assert few.most_at_once == 2 and many.most_at_once == 5
