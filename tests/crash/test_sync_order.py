"""No promise before the sync that keeps it, shown on the system calls of the real service (guarantees G1 and G2).

After a kill the page cache is still there, so only the order of system calls can tell a 250 that came too early.
"""

import contextlib
import os
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.load import Load, message_of
from tests.crash.systemcalls import TRACED, Judge
from tests.live.running import Service, children, service, until


@contextlib.contextmanager
def traced(folder: Path, strace: str) -> Iterator[Service]:
    """A service whose system calls are written to FOLDER/trace."""
    made = service(folder)
    made.wrapper = [strace, "-f", "-yy", "-s", "9000", "-o", str(folder / "trace"), "-e", f"trace={TRACED}"]
    try:
        yield made.start()
    finally:
        assert made.process is not None
        for pid in children(made.process.pid):  # strace ends with what it traces
            os.kill(pid, signal.SIGTERM)
        made.process.wait(120)
        made.process = None


def judged(folder: Path, quiet: bool) -> Judge:
    """The judge after a whole trace."""
    with (folder / "trace").open(encoding="utf-8", errors="replace") as lines:
        return Judge(quiet=quiet).follow(lines)


def quiet_trace(folder: Path, strace: str) -> None:
    """Messages one after another: each is settled before the next one comes."""
    with traced(folder, strace) as made:
        for number in range(6):
            name = f"quiet-{number}-{400_000 if number == 3 else 900}"
            made.send(body=message_of(name).decode())
            until(lambda: len(made.events("delivered")) > number, "its settlement")  # noqa: B023
        envelope = b"x-sender: a@local.test\r\nx-receiver: b@local.test\r\n"
        (made.home / "Pickup" / "file").write_bytes(envelope + message_of("picked-1-700"))
        until(lambda: len(made.events("delivered")) > 6, "the delivery of the Pickup file")


def test_S01_no_250_and_no_removal_before_its_sync_under_load(tmp_path: Path, program: Callable[[str], str]) -> None:
    with traced(tmp_path, program("strace")) as made:
        load = Load(made.port, made.home, random.Random(4), clients=6, large=0.15)
        with load.running():
            until(lambda: len(load.ledger.acknowledged) >= 150 and len(load.ledger.picked) >= 40, "load", 240.0)
        load.wait_for_all()
    load.judge()
    judge = judged(tmp_path, quiet=False)
    assert judge.faults == []
    assert judge.promises["accepted"] == len(load.ledger.acknowledged)
    assert judge.promises["picked"] == len(load.ledger.picked)
    assert judge.promises["content"] >= 10
    assert judge.promises["appeared"] >= 150


def test_S07_P03_no_settlement_before_the_drop_file_and_its_name_are_synced(
    tmp_path: Path, program: Callable[[str], str]
) -> None:
    quiet_trace(tmp_path, program("strace"))
    judge = judged(tmp_path, quiet=True)
    assert judge.faults == []
    assert judge.promises == {"accepted": 6, "content": 1, "appeared": 7, "delivered": 6, "picked": 1}


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("fdatasync", "250 before the log was synced"),
        ("fdatasync", "removed before its commit was synced"),
        ("SortTemp/w0/", "its entry is synced before"),
        ("Queue/w0>", "its entry is synced before"),
        ("/Drop/#", "is synced"),
        ("/Drop>", "settled before its folder was synced"),
    ],
)
def test_the_judge_sees_a_sync_that_is_missing(
    tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str], call: str, fault: str
) -> None:
    lines = _sound_trace(tmp_path_factory, program("strace"))
    kept = [line for line in lines if not ("sync(" in line and call in line)]
    assert len(kept) < len(lines)
    assert any(fault in one for one in Judge().follow(kept).faults)


def test_the_judge_sees_a_sync_that_failed(
    tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]
) -> None:
    lines = _sound_trace(tmp_path_factory, program("strace"))
    failed = [line.replace("= 0", "= -1 EIO (Input/output error)") if "sync(" in line else line for line in lines]
    assert len(Judge().follow(failed).faults) >= 6


_SOUND: list[str] = []


def _sound_trace(tmp_path_factory: pytest.TempPathFactory, strace: str) -> list[str]:
    """A trace of a sound service with each call in one line; made once."""
    if not _SOUND:
        folder = tmp_path_factory.mktemp("sound")
        quiet_trace(folder, strace)
        _SOUND.extend(_joined((folder / "trace").read_text(errors="replace").splitlines()))
        assert Judge().follow(_SOUND).faults == []
    return _SOUND


def _joined(lines: list[str]) -> list[str]:
    """Split calls put into one line where they ended."""
    begun: dict[str, str] = {}
    whole = []
    for line in lines:
        thread, _, text = line.partition(" ")
        if line.endswith("<unfinished ...>"):
            begun[thread] = text.strip().removesuffix(" <unfinished ...>")
        elif "resumed>" in line and thread in begun:
            whole.append(f"{thread} {begun.pop(thread)}{text.partition('resumed>')[2]}")
        else:
            whole.append(line)
    return whole
