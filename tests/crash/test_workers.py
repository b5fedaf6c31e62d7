"""What becomes of a dead worker's share: its shard, its claims of Pickup files, and the entry that killed it."""

import contextlib
import os
import random
import signal
from pathlib import Path

from tests.crash.load import FREQUENT, Client, Drop, Ledger, Load, body_of, message_of
from tests.live.running import Service, running, service, until

_POISONED = """\
import os
import sys

from mailroot.cli.main import main
from mailroot.service.deliver.drop import DropCarrier

carry, carry_all = DropCarrier.carry, DropCarrier.carry_all

def swallow(deliveries):
    for delivery in deliveries:
        if b"Subject: poison" in b"".join(delivery.entry.content.pieces()):
            os._exit(9)

async def poisoned(carrier, delivery):
    swallow([delivery])
    return await carry(carrier, delivery)

async def poisoned_all(carrier, deliveries):
    swallow(deliveries)
    return await carry_all(carrier, deliveries)

DropCarrier.carry, DropCarrier.carry_all = poisoned, poisoned_all
sys.exit(main(sys.argv[1:]))
"""


def test_a_dead_worker_is_replaced_soon_while_the_other_goes_on(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as made:
        load = Load(made.port, made.home, random.Random(1), pickup=False)
        with load.running():
            for _ in range(3):
                before = set(made.workers())
                victim = min(before)
                known = len(load.ledger.acknowledged)
                os.kill(victim, signal.SIGKILL)
                until(lambda: len(load.ledger.acknowledged) > known, "mail while a worker is missing")  # noqa: B023
                until(lambda: len(set(made.workers()) - {victim}) == 2, "the next worker")  # noqa: B023
                until(lambda: len(made.events("worker_started")) >= 2, "its start")
        load.wait_for_all()
        load.judge()
    assert len(made.events("worker_died")) == 3
    assert all(event["exit"] == -signal.SIGKILL for event in made.events("worker_died"))


def test_orphan_shards_and_their_claims_are_adopted(tmp_path: Path) -> None:
    made = service(tmp_path, workers=3, settings=FREQUENT)
    drop = Drop(made.drop)
    try:
        made.start()
        made.drop.rmdir()
        made.drop.write_text("in the way: nothing can be delivered")
        names = _fill_queues(made)
        made.kill()
        names |= _fill_claims(made)
        made.drop.unlink()
        made.settings = made.settings.replace("workers = 3", "workers = 1")
        made.start()
        until(lambda: drop.look() or set(drop.names) >= names, "what the orphans held")
        until(lambda: made.ask("queue", "list") == [], "an empty queue")
        assert not list((made.home / "SortTemp").rglob("*.eml"))
    finally:
        if made.process is not None:
            made.stop()
    assert sorted(drop.names) == sorted(names)
    assert drop.faults == []


def _fill_queues(made: Service) -> set[str]:
    """Have messages accepted until every worker holds some of them."""
    ledger = Ledger()

    def in_all_shards() -> bool:
        Client(made.port, f"q{len(ledger.offered)}", random.Random(3), ledger).session(1)
        return len({event["worker"] for event in made.events("accepted")}) == 3

    until(in_all_shards, "a message in every shard")
    return ledger.acknowledged


def _fill_claims(made: Service) -> set[str]:
    """Leave claimed files in every shard's folder, as workers that died before their commit."""
    names = set()
    for shard in ("w0", "w1", "w2"):
        claims = made.home / "SortTemp" / f"pickup-{shard}"
        claims.mkdir(parents=True, exist_ok=True)
        for number in range(3):
            name = f"{shard}-{number}-500"
            text = b"x-sender: a@local.test\r\nx-receiver: b@local.test\r\n" + message_of(name)
            (claims / f"{number:x}00-{number:x}{shard[1]}.eml").write_bytes(text)
            names.add(name)
    return names


def test_G6_an_entry_that_kills_its_worker_goes_to_badmail_and_blocks_nothing(tmp_path: Path) -> None:
    program = tmp_path / "poisoned.py"
    program.write_text(_POISONED)
    made = service(tmp_path, workers=2)
    made.program = [str(program)]
    ledger = Ledger()
    try:
        made.start()
        with made.connect() as client:
            client.sendmail("a@local.test", "b@local.test", b"Subject: poison\r\n\r\n" + body_of("poison-100"))
        other = Client(made.port, "innocent", random.Random(6), ledger)

        def set_aside() -> bool:
            with contextlib.suppress(OSError):  # this worker was the next to die
                other.session(1)
            return bool(list((made.home / "Badmail").glob("*.BAD")))

        until(set_aside, "the poison in Badmail", 200.0)
        drop = Drop(made.drop)
        until(lambda: drop.look() or set(drop.names) >= ledger.acknowledged, "the innocents in Drop")
        until(lambda: made.ask("queue", "list") == [], "an empty queue")
    finally:
        if made.process is not None:
            made.stop()
    (bad,) = (made.home / "Badmail").glob("*.BAD")
    assert b"Subject: poison" in bad.read_bytes()
    assert 4 <= len(made.events("worker_died")) <= 8
    assert sorted(set(drop.names)) == sorted(drop.names)
