"""The disk of the running service fails or is full at every durable operation: 4xx, never a false 250, never a hang.

strace lets one system call of one worker fail; the worker that replaces it is left alone. `test_store_faults` does the
same to each single operation of the store.
"""

import contextlib
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.load import FREQUENT, Load
from tests.crash.test_kill import leftovers
from tests.live.running import Service, running, until

SOON = """
[servers.default.pickup]
rescan = "1s"
"""
FATAL = 75  # the worker's exit code after a sync that failed: the next one recovers the shard


@contextlib.contextmanager
def failing(strace: str, pid: int, fault: str, folder: Path) -> Iterator[None]:
    """Let system calls of a process fail, for as long as the block or the process runs."""
    words = [strace, "-f", "-q", "-p", str(pid), "-o", str(folder / "injected"), "-e", f"inject={fault}"]
    tracer = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: tracer.poll() is not None or _traced(pid), "strace to be attached")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(120)


def _traced(pid: int) -> bool:
    """Whether every thread of a process is traced."""
    try:
        states = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    except OSError:
        return True  # it has ended by the first fault
    return all("TracerPid:\t0\n" not in state for state in states)


def injected(folder: Path) -> int:
    """How many calls have failed so far."""
    path = folder / "injected"
    return path.read_text(errors="replace").count("(INJECTED)") if path.exists() else 0


CALLS = {
    "EIO": "fdatasync fsync syncfs pwrite64 linkat rename unlink openat".split(),
    "ENOSPC": "fsync pwrite64 writev linkat rename openat".split(),
}


@pytest.mark.parametrize(("error", "call"), [(error, call) for error, calls in CALLS.items() for call in calls])
def test_S04_a_call_that_fails_costs_no_message(
    tmp_path: Path, program: Callable[[str], str], call: str, error: str
) -> None:
    """The third, the sixth ... of these calls in each thread of a worker fail, in one worker after another."""
    with running(tmp_path, SOON, settings=FREQUENT) as made:
        load = Load(made.port, made.home, random.Random(call), clients=5, large=0.2)
        with load.running():
            until(lambda: load.ledger.acknowledged, "the first message")
            for step in (3, 7):
                _fail_once(made, program("strace"), f"{call}:error={error}:when={step}+{3 * step}")
            _accepts_again(load)
        load.wait_for_all()
        until(lambda: made.ask("queue", "list") == [], "an empty queue")
        if call == "unlink":  # what could not be removed is swept by the next start
            made.stop()
            made.start()
    load.judge()
    assert {answer[0] for answer in load.ledger.answers} <= {"4"}
    assert leftovers(made) == []
    assert {event["exit"] for event in made.events("worker_died")} <= {FATAL}


def _fail_once(made: Service, strace: str, fault: str) -> None:
    (pid,) = until(made.workers, "a worker")
    with failing(strace, pid, fault, made.folder):
        until(lambda: injected(made.folder) >= 3 or made.workers() != [pid], f"{fault} to happen")


def _accepts_again(load: Load) -> None:
    known = len(load.ledger.acknowledged)
    until(lambda: len(load.ledger.acknowledged) > known + 5, "mail to go on")


def test_S04_a_sync_that_fails_ends_the_worker_and_its_shard_is_recovered(
    tmp_path: Path, program: Callable[[str], str]
) -> None:
    with running(tmp_path, settings=FREQUENT) as made:
        load = Load(made.port, made.home, random.Random(9), pickup=False)
        with load.running():
            until(lambda: load.ledger.acknowledged, "the first message")
            (pid,) = made.workers()
            with failing(program("strace"), pid, "fdatasync:error=EIO:when=5", made.folder):
                until(lambda: pid not in made.workers(), "the end of the worker")
            _accepts_again(load)
        load.wait_for_all()
    load.judge()
    assert [event["exit"] for event in made.events("worker_died")] == [FATAL]
    assert made.events("store_failed")
    assert all(answer.startswith(("451 ", "421 ")) for answer in load.ledger.answers)
