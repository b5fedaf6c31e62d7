"""A real service behind a proxy that cuts connection after connection: all mail arrives, the queue is empty."""

from itertools import chain
from pathlib import Path

import pytest

from tests.live.outside import outside, relaying
from tests.live.running import until
from tests.peers.faultproxy import Fault, FaultProxy
from tests.peers.smtp import Peer

MESSAGES = 40
pytestmark = pytest.mark.timeout(900)


def _number(message: bytes) -> int:
    return int(message.partition(b"\r\nSubject: ")[2].split(b"\r\n")[0])


def test_what_is_cut_again_and_again_arrives(tmp_path: Path) -> None:
    places = range(3, 2400, 97)
    faults = list(chain.from_iterable((Fault(sent=at, reset=True), Fault(heard=at // 2)) for at in places))
    with outside() as world:
        peer = world.enter(Peer())
        proxy = world.enter(FaultProxy(peer.port, iter(faults)))
        delivery = f'smart_host = "[127.0.0.1]:{proxy.port}"\nretry_intervals = ["1s"]\nconnection_limit = 8\n'
        with relaying(tmp_path, delivery) as service:
            with service.connect() as client:
                for number in range(MESSAGES):
                    client.sendmail("a@local.test", "b@far.example", f"Subject: {number}\r\n\r\n{'x' * 200}\r\n")
            until(lambda: len(service.events("delivered")) >= MESSAGES, "all mail delivered", 300)
            until(lambda: not service.ask("queue", "list"), "an empty queue")
            numbers = [_number(message) for message in peer.messages]
            assert sorted(set(numbers)) == [*range(MESSAGES)]
            # Each message was reported as delivered once; it came twice only where its answer was cut off.
            delivered = [event["entry"] for event in service.events("delivered")]
            assert len(delivered) == len(set(delivered)) == MESSAGES
            cut_off = [one for one in proxy.passed if one.cut and one.fault.heard is not None]
            assert len(numbers) - MESSAGES <= len(cut_off)
        assert sum(one.cut for one in proxy.passed) >= 10
