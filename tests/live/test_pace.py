"""One dead or slow destination never delays another: with figures."""

import asyncio
import contextlib
import smtplib
import time
from pathlib import Path

import pytest

from tests.live.outside import Outside, black_hole, outside, relaying
from tests.live.running import Service, free_port, until
from tests.peers.dns import Names
from tests.peers.smtp import Peer

HEALTHY = 3
MARGIN = 25  # seconds that a busy machine may take; who waits for a bad destination waits for minutes
PATIENT = 'connection_timeout = "10m"\nretry_intervals = ["1m"]\nprivate_exchangers = true\n'


def send_all(service: Service, recipients: list[str]) -> None:
    with service.connect(timeout=120) as client:
        for recipient in recipients:
            client.sendmail("sender@source.example", recipient, "Subject: x\r\n\r\nx\r\n")


def arrivals(service: Service, peers: list[Peer], each: int, patience: float = 200) -> float:
    """Seconds until every healthy server has `each` messages more, sent one after the other."""
    before = [len(peer.messages) for peer in peers]
    began = time.monotonic()
    send_all(service, [f"a@healthy{number}.example" for _ in range(each) for number in range(HEALTHY)])
    until(
        lambda: all(len(peer.messages) >= had + each for peer, had in zip(peers, before, strict=True)),
        "the mail of the healthy destinations",
        patience,
    )
    return time.monotonic() - began


@contextlib.contextmanager
def destinations(world: Outside, folder: Path, bad: dict[str, list[str]], more: str = "", port: int = 0):
    """A service, healthy servers that it finds by DNS, and bad destinations as `bad` says."""
    port = port or free_port()
    peers = [world.enter(Peer(address=f"127.0.1.{number + 1}", port=port)) for number in range(HEALTHY)]
    zone = {(f"healthy{number}.example", "A"): [f"127.0.1.{number + 1}"] for number in range(HEALTHY)}
    names = world.enter(Names(zone | {(name, "A"): addresses for name, addresses in bad.items()}))
    with relaying(folder, PATIENT + f'dns = ["127.0.0.1:{names.port}"]\nport = {port}\n' + more) as service:
        yield service, peers


def test_L24_healthy_destinations_do_not_feel_the_dead_the_silent_and_the_slow(tmp_path: Path) -> None:
    port = free_port()
    bad = {"dead.example": ["127.0.2.1"], "silent.example": ["127.0.2.2"], "slow.example": ["127.0.2.3"]}
    with outside() as world, black_hole("127.0.2.2", port):
        slow = world.enter(Peer(address="127.0.2.3", port=port, gate=asyncio.Event()))
        with destinations(world, tmp_path, bad, port=port) as (service, peers):
            alone = arrivals(service, peers, 50)
            send_all(service, [f"a@{name}" for _ in range(100) for name in bad])
            until(lambda: slow.messages, "mail at the slow server")
            beside = arrivals(service, peers, 50)
            world.soon(slow.gate.set)
    print(f"\n150 messages to healthy servers: {alone:.2f} s alone, {beside:.2f} s beside dead, silent and slow ones")
    assert beside < 3 * alone + MARGIN


def test_L24_thousands_of_messages_for_a_slow_server_leave_room_for_others(tmp_path: Path) -> None:
    port = free_port()
    with outside() as world:
        slow = world.enter(Peer(address="127.0.2.3", port=port, gate=asyncio.Event()))
        with destinations(world, tmp_path, {"slow.example": ["127.0.2.3"]}, port=port) as (service, peers):
            alone = arrivals(service, peers, 50)
            crowd(service, [f"a{number}@slow.example" for number in range(1500)])
            until(lambda: slow.messages, "mail at the slow server")
            beside = arrivals(service, peers, 50)
            assert slow.now_open <= 100
            world.soon(slow.gate.set)
            began = time.monotonic()
            until(lambda: len(slow.messages) == 1500, "all of the slow server's mail", 300)
            drained = time.monotonic() - began
            until(lambda: not service.ask("queue", "list"), "an empty queue")
        assert len({line for line in slow.commands if line.startswith("RCPT")}) == 1500
    print(f"\n150 messages: {alone:.2f} s alone, {beside:.2f} s with 1,500 stuck; these left in {drained:.1f} s later")
    assert beside < 3 * alone + MARGIN


def crowd(service: Service, recipients: list[str]) -> None:
    """A message to each recipient, as fast as one connection can: pipelined."""
    with service.connect(timeout=120) as client:
        client.ehlo()
        for first in range(0, len(recipients), 100):
            part = recipients[first : first + 100]
            client.send(
                b"".join(
                    f"MAIL FROM:<s@source.example>\r\nRCPT TO:<{one}>\r\nBDAT 14 LAST\r\nSubject: x\r\n\r\n".encode()
                    for one in part
                )
            )
            for _ in range(3 * len(part)):
                assert client.getreply()[0] == 250


def test_L24_fifty_silent_destinations_hold_up_nobody(tmp_path: Path) -> None:
    port = free_port()
    silent = {f"silent{number}.example": [f"127.0.3.{number + 1}"] for number in range(50)}
    with outside() as world, contextlib.ExitStack() as holes:
        for addresses in silent.values():
            holes.enter_context(black_hole(addresses[0], port))
        with destinations(world, tmp_path, silent, port=port) as (service, peers):
            alone = arrivals(service, peers, 50)
            crowd(service, [f"a{number}@{name}" for number in range(60) for name in silent])
            beside = arrivals(service, peers, 50)
    print(f"\n150 messages to healthy servers: {alone:.2f} s alone, {beside:.2f} s beside 50 silent destinations")
    assert beside < 3 * alone + MARGIN


def test_L24_a_large_message_to_a_slow_server_does_not_stop_the_rest(tmp_path: Path) -> None:
    port = free_port()
    with outside() as world:
        slow = world.enter(Peer(address="127.0.2.3", port=port, gate=asyncio.Event(), extensions=()))
        more = '[servers.default.messages]\nsize_limit = "100MB"\nsession_limit = "200MB"\n'
        with destinations(world, tmp_path, {"slow.example": ["127.0.2.3"]}, more, port=port) as (service, peers):
            with smtplib.SMTP("127.0.0.1", service.port, timeout=120) as client:
                client.sendmail(
                    "s@source.example", "a@slow.example", b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 10**6
                )
            until(lambda: slow.messages, "the large message", 300)
            assert arrivals(service, peers, 20) < 2 * MARGIN
            world.soon(slow.gate.set)


pytestmark = pytest.mark.timeout(900)
