"""A kill while messages are relayed: none is lost, and only what was not settled yet is repeated.

Exactly: with one connection to the destination, a kill repeats the transaction under way and those whose settlement was
being synced at that moment; a message that was ever told as delivered is never sent again.
"""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash.load import Load, name_of
from tests.live.running import service, until
from tests.peers.smtp import Peer

KILLS = 6
MOST_REPEATED = 60  # of each kill: the one under way, and those whose settlement waits for a sync; a slow disk has more


@contextmanager
def sink() -> Iterator[Peer]:
    """A server that takes everything, in a thread of its own."""
    peer, loop = Peer(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(peer.__aenter__(), loop).result(120)
        yield peer
    finally:
        asyncio.run_coroutine_threadsafe(peer.__aexit__(), loop).result(120)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(120)


def test_S07_a_crash_after_the_remote_250_repeats_one_transaction_at_most(tmp_path: Path) -> None:
    chance = random.Random(7)
    with sink() as peer:
        made = service(tmp_path)
        made.settings = made.settings.replace(
            "[servers.default.delivery]", "[servers.default.delivery]\nconnection_limit_per_domain = 1", 1
        )
        made.settings += f'\n[servers.default.domains."far.test"]\ntype = "remote"\nroute = "[127.0.0.1]:{peer.port}"\n'
        load = Load(made.port, made.home, chance, clients=3, large=0.05, pickup=False, recipient="b@far.test")
        try:
            with load.running():
                for _ in range(KILLS):
                    made.start()
                    time.sleep(0.4 + chance.random() * 0.6)
                    made.kill()
            made.start()
            until(lambda: _arrived(peer) >= load.ledger.acknowledged, "what was accepted", 240.0)
            until(lambda: made.ask("queue", "list") == [], "an empty queue")
        finally:
            if made.process is not None:
                made.stop()
        copies = Counter(_names(peer))
    assert load.ledger.acknowledged <= set(copies)
    repeated = sum(copies.values()) - len(copies)
    print(f"{KILLS} kills, {len(copies)} messages, {repeated} repeated")
    assert repeated <= MOST_REPEATED * KILLS
    told = Counter(event["message_id"] for event in made.events("delivered"))
    assert max(told.values()) == 1
    assert made.events("badmail") == []


def _names(peer: Peer) -> list[str]:
    return [name_of(b"x-sender: \r\n" + message) for message in peer.messages]


def _arrived(peer: Peer) -> set[str]:
    return set(_names(peer))
