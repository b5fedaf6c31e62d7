"""Ten thousand destinations, one in a hundred dead: the others have their mail as if there were no dead ones.

The dead ones' mail is at the head of the queue, five messages for each. Half of them refuse connections, half take
them and never say a word. What is asserted are counts: nothing here depends on how fast the machine is.
"""

import asyncio
import socket

import pytest
import uvloop

from mailroot.mail.message import BytesContent
from mailroot.routing.answers import Addresses, Finding, MailExchangers
from mailroot.service.deliver.room import MOST_ENTRIES
from mailroot.service.relay import connections, destination
from mailroot.settings.delivery import Delivery
from tests.peers.smtp import Peer
from tests.service.carrying import KnownNames, carrier, delivery, smart, until
from tests.service.working import Work, rules

DESTINATIONS, DEAD, EACH = 10_000, 100, 5
CONNECTIONS = 200
ALIVE, REFUSING, SILENT = "127.0.0.1", "127.0.0.2", "127.0.0.3"


@pytest.fixture
def event_loop_policy():
    return uvloop.EventLoopPolicy()


class Server(asyncio.Protocol):
    """A server that takes everything, with as little effort as can be: the envelope comes in one write."""

    def __init__(self, world):
        self.world = world
        self.content = False

    def connection_made(self, transport):
        self.transport = transport
        self.world.open += 1
        self.world.most = max(self.world.most, self.world.open)
        transport.write(b"220 there.example ESMTP\r\n")

    def connection_lost(self, _exc):
        self.world.open -= 1

    def data_received(self, data):
        if self.content:
            if data.endswith(b"\r\n.\r\n"):
                self.content = False
                self.world.arrived()
                self.transport.write(b"250 2.0.0 taken\r\n")
        elif data.startswith(b"EHLO"):
            self.transport.write(b"250-there.example\r\n250 PIPELINING\r\n")
        elif data.startswith(b"QUIT"):
            self.transport.write(b"221 2.0.0 bye\r\n")
        else:
            self.content = True
            self.transport.write(b"250 ok\r\n" * (data.count(b"\r\n") - 1) + b"354 go on\r\n")


class World:
    """The servers outside, and what the dispatcher had in hand at each arrival."""

    def __init__(self, work):
        self.work = work
        self.count = self.open = self.most = self.held = self.worst = 0

    def arrived(self):
        self.count += 1
        if self.count % 50:
            return
        self.held = max(self.held, self.work.dispatcher._room.entries)
        dead = [name for name in self.work.dispatcher._room._shares if name.startswith("dead")]
        self.worst = max(self.worst, sum(self.work.dispatcher._room._shares[name].entries for name in dead))


def outside():
    """Names and addresses of all destinations; the first `DEAD` are dead, in turn in either way."""
    mx, hosts = {}, {}
    for number in range(DESTINATIONS):
        dead = number < DEAD
        name = f"{'dead' if dead else 'alive'}{number}.example"
        mx[name] = MailExchangers(Finding.FOUND, ((10, f"mx.{name}"),))
        address = (REFUSING, SILENT)[number % 2] if dead else ALIVE
        hosts[f"mx.{name}"] = Addresses(Finding.FOUND, (address,))
    return KnownNames(mx, hosts)


async def committed(work, names):
    for name in names:
        await work.commit(f"user@{name}", lease=False, content=BytesContent(b"Subject: x\r\n\r\nHello.\r\n"))


@pytest.mark.timeout(600)
async def test_L24_one_in_a_hundred_of_ten_thousand_destinations_is_dead_and_the_others_have_their_mail():
    work = Work()
    world, names = World(work), outside()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(world), ALIVE, 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    with socket.socket() as silent:
        silent.bind((SILENT, port))
        silent.listen(1024)
        settings = {"port": port, "connection_limit": CONNECTIONS}
        work.rules = rules(delivery=Delivery(fqdn="here.example", private_exchangers=True, **settings))
        async with carrier(names, events=work.events, **settings) as way:
            work.dispatcher._carriers.remote = way
            dead = [name for name in names.mx if name.startswith("dead")]
            await committed(work, dead * EACH)
            await committed(work, [name for name in names.mx if name.startswith("alive")])
            running = asyncio.create_task(work.dispatcher.run())
            began = loop.time()
            await until(lambda: world.count == DESTINATIONS - DEAD, 500)
            print(f"\n{world.count:,} messages in {loop.time() - began:.1f} s, {world.worst} of the dead held at most")
            # All that live have theirs, and nobody had to wait until the silent half was given up as unreachable.
            assert not [one for one in work.told("destination_down") if one["address"] == SILENT]
            assert world.most <= CONNECTIONS
            # The dead never held more of the room than their shares: 64 each at most, of what there was for them.
            assert world.worst <= DEAD * EACH < MOST_ENTRIES and world.held <= MOST_ENTRIES
            refused = [one for one in work.told("destination_down") if one["address"] == REFUSING]
            # A host that refuses is asked once, not for each of its messages.
            assert DEAD / 2 <= len(refused) <= DEAD
            await work.dispatcher.stop(0.0)
            await running
    server.close()
    waiting = await work.queue.page("", 10 * DEAD * EACH)
    assert {one.recipient.partition("@")[2] for one in waiting} == set(dead) and len(waiting) == DEAD * EACH


async def test_an_idle_connection_makes_way_for_a_destination_that_has_none(monkeypatch):
    monkeypatch.setattr(destination, "IDLE_WAIT", 1000.0)
    async with Peer() as one, Peer() as two, Peer() as three, carrier(connection_limit=2) as way:
        for peer in (one, two, three, one):
            assert (await way.carry(delivery(smart(peer))))[0].disposition.value == "relayed"
        # The one that was idle for the longest time went first, in good order.
        await until(lambda: one.connections[0].ended and two.connections[0].ended)
        assert one.connections[0].commands[-1] == "QUIT" and not three.connections[0].ended


async def test_a_server_that_does_not_answer_makes_way_too(monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 0.0)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        silent = Peer(port=listener.getsockname()[1])
        async with Peer() as alive, carrier(connection_limit=1) as way:
            waiting = asyncio.create_task(way.carry(delivery(smart(silent))))
            await until(lambda: way._means.allotment._calls)
            assert (await way.carry(delivery(smart(alive))))[0].disposition.value == "relayed"
            assert (await waiting)[0].code == "4.3.2"


async def test_a_server_that_does_not_answer_is_waited_for_while_nobody_else_needs_the_connection(monkeypatch):
    monkeypatch.setattr(connections, "PATIENCE", 0.0)
    gate = asyncio.Event()
    async with Peer(gate=gate) as slow, Peer() as other, carrier(connection_limit=2) as way:
        waiting = asyncio.create_task(way.carry(delivery(smart(slow))))
        await until(lambda: slow.connections)
        assert (await way.carry(delivery(smart(other))))[0].disposition.value == "relayed"
        gate.set()
        assert (await waiting)[0].disposition.value == "relayed"
