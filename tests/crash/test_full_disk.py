"""A disk without room: clients are told to come again, deliveries go on, and all recovers by itself with the room."""

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path

from tests.crash.disks import disk
from tests.crash.load import FREQUENT, Client, Drop, Ledger, message_of
from tests.live.running import Service, service, until


def fill(folder: Path, leave: int = 0) -> Path:
    """Use up the room of a file system but for some octets; the file that took it."""
    path = folder / "ballast"
    with path.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            while True:
                try:
                    if os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize < leave + size:
                        break
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)
                except OSError as fault:
                    assert fault.errno == errno.ENOSPC
                    break
    return path


def refused(client: Client, ledger: Ledger) -> Callable[[], bool]:
    """A question: whether one more message is answered with "no room"."""

    def ask() -> bool:
        client.session(1)
        return any(answer.startswith("452 4.3.1") for answer in ledger.answers)

    return ask


def accepted(client: Client, ledger: Ledger) -> Callable[[], bool]:
    """A question: whether one more message is accepted."""

    def ask() -> bool:
        before = len(ledger.acknowledged)
        client.session(1)
        return len(ledger.acknowledged) > before

    return ask


def test_S04_a_full_disk_recovers_by_itself(tmp_path: Path) -> None:
    made = service(tmp_path, settings=FREQUENT)
    ledger, drop = Ledger(), Drop(made.drop)
    small = Client(made.port, "small", random.Random(1), ledger, large=0.0)
    large = Client(made.port, "large", random.Random(2), ledger, large=1.0)
    with disk(tmp_path / "disk", made.home, mebibytes=48):
        try:
            made.start()
            small.session(5)
            for _ in range(2):
                ballast = fill(made.home)
                until(refused(large, ledger), "452 to a large message")
                until(refused(small, ledger), "452 to a small message")
                _put_pickup_file(made, ledger)
                ballast.unlink()
                until(accepted(small, ledger), "a small message to be accepted")
                until(accepted(large, ledger), "a large message to be accepted")
                ledger.answers.clear()
            expected = ledger.acknowledged | ledger.picked
            until(lambda: drop.look() or set(drop.names) >= expected, "all that was accepted")
            until(lambda: made.ask("queue", "list") == [], "an empty queue")
            assert made.stop() == 0
        finally:
            if made.process is not None:
                made.kill()
    assert drop.faults == []
    assert ledger.stuck == []
    assert sorted(drop.names) == sorted(set(drop.names))
    assert set(drop.names) <= ledger.offered | ledger.picked
    assert not made.events("worker_died")


def test_a_service_starts_on_a_full_disk_and_takes_mail_once_there_is_room(tmp_path: Path) -> None:
    made = service(tmp_path, settings=FREQUENT)
    ledger = Ledger()
    client = Client(made.port, "client", random.Random(1), ledger, large=0.0)
    with disk(tmp_path / "disk", made.home, mebibytes=48):
        try:
            made.start()
            assert made.stop() == 0
            ballast = fill(made.home)
            made.start()
            until(refused(client, ledger), "452 to a message")
            ballast.unlink()
            until(accepted(client, ledger), "a message to be accepted")
            assert made.stop() == 0
        finally:
            if made.process is not None:
                made.kill()


def _put_pickup_file(made: Service, ledger: Ledger) -> None:
    """A file that is in Pickup while there is no room: it was written elsewhere on the disk before."""
    name = f"picked-{len(ledger.picked)}-50"
    path = made.home / "Pickup" / f"{name}.txt"
    with path.open("wb", buffering=0) as file:
        try:
            written = file.write(b"x-sender: a@local.test\r\nx-receiver: b@local.test\r\n" + message_of(name))
        except OSError:
            written = 0
    if written:
        ledger.picked.add(name)
    else:
        path.unlink()


def test_a_drop_folder_on_a_full_disk_defers_and_delivers_later(tmp_path: Path) -> None:
    made = service(tmp_path, settings=FREQUENT)
    made.settings = made.settings.replace('type = "default"', f'type = "default"\ndrop = "{tmp_path / "other"}/Drop"')
    ledger, drop = Ledger(), Drop(tmp_path / "other" / "Drop")
    client = Client(made.port, "client", random.Random(1), ledger, large=0.5)
    with disk(tmp_path / "disk", tmp_path / "other", mebibytes=16):
        try:
            made.start()
            client.session(3)
            until(lambda: drop.look() or set(drop.names) >= ledger.acknowledged, "the first messages")
            ballast = fill(tmp_path / "other")
            client.session(6)
            assert ledger.answers == []  # the queue has room
            until(lambda: made.events("deferred"), "a deferred delivery")
            assert {event["status"] for event in made.events("deferred")} == {"4.3.1"}
            assert "No room in the Drop folder" in made.events("deferred")[0]["reason"]
            ballast.unlink()
            until(lambda: drop.look() or set(drop.names) >= ledger.acknowledged, "the deferred messages")
            until(lambda: made.ask("queue", "list") == [], "an empty queue")
            assert made.stop() == 0
        finally:
            if made.process is not None:
                made.kill()
    assert drop.faults == []
    assert len(drop.names) == len(set(drop.names)) == 9
