"""Worker processes: replaced when they die, gone when their supervisor is, and what they say is heard."""

import os
import signal
import time
from pathlib import Path

from tests.live.running import Service, running, until


def kill_one(service: Service) -> int:
    victim = service.workers()[0]
    os.kill(victim, signal.SIGKILL)
    until(lambda: victim not in service.workers(), "the end of the worker")
    return victim


def test_a_worker_that_dies_is_replaced_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        began = time.monotonic()
        former = kill_one(service)
        service.send()
        assert time.monotonic() - began < 45
        until(service.dropped, "the message")
        (death,) = until(lambda: service.events("worker_died"), "the event")
        assert (death["pid"], death["exit"]) == (former, -signal.SIGKILL)


def test_workers_that_die_at_once_are_replaced_ever_more_slowly(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        moments = []
        for _ in range(5):
            moments.append(time.monotonic())
            kill_one(service)
            until(service.workers, "the next worker")
            moments[-1] = time.monotonic() - moments[-1]
        assert moments[4] >= 0.8  # 0.05 s twice as long each time; a busy machine only adds to it
        service.send()


def test_a_worker_that_is_told_to_end_ends_in_good_order_and_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        (former,) = service.workers()
        os.kill(former, signal.SIGTERM)
        until(lambda: service.workers() not in ([], [former]), "the next worker")
        until(lambda: [row["exit"] for row in service.events("worker_died")] == [0], "the event")
        service.send()


def test_a_reason_that_keeps_workers_from_starting_is_said_and_mends_itself(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        queue = service.home / "Queue"
        queue.rename(service.home / "Away")
        queue.write_text("")
        os.kill(service.workers()[0], signal.SIGKILL)
        until(lambda: f"{queue}" in service.errors(), "the reason on standard error")
        assert "Traceback" not in service.errors()
        queue.unlink()
        (service.home / "Away").rename(queue)
        until(lambda: service.run("status", check=False).returncode == 0, "a worker that works")
        service.send()
        until(service.dropped, "the message")


def test_nothing_is_left_open_by_workers_that_came_and_went(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        assert service.process is not None
        folder = Path(f"/proc/{service.process.pid}/fd")
        kill_one(service)  # what is needed once for that is there now
        until(lambda: service.run("status", check=False).returncode == 0, "the next worker")
        before = len(list(folder.iterdir()))
        for _ in range(4):
            kill_one(service)
            until(lambda: service.run("status", check=False).returncode == 0, "the next worker")
        until(lambda: len(list(folder.iterdir())) <= before, "as few descriptors as before")


def test_workers_end_with_their_supervisor(tmp_path: Path) -> None:
    with running(tmp_path, workers=2) as service:
        service.kill()  # waits until the workers are gone
        service.start()
        service.send()


def test_the_supervisor_itself_stays_small(tmp_path: Path) -> None:
    """Most of its memory is the interpreter and the modules, which it shares with the workers."""
    with running(tmp_path, workers=2) as service:
        assert service.process is not None
        for _ in range(50):
            service.send()
        rollup = Path(f"/proc/{service.process.pid}/smaps_rollup").read_text()
        (pss,) = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")]
        assert pss < 60 * 1024
