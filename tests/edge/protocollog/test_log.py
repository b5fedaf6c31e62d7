"""The log as a whole: what waits is written in time, to the sink in force, and losses are told of."""

import threading
from collections.abc import Sequence

import pytest

from mailroot.edge.protocollog.entry import Entry, Loss
from mailroot.edge.protocollog.log import LogWriter, ProtocolLog
from tests.live.running import until


class Kept:
    """A sink that keeps what it gets, and loses what it is told to."""

    tells_local = False

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.loses = ""
        self.closed = False
        self.late: Loss | None = None
        self.left: Loss | None = None
        self.threads: set[str] = set()

    def write(self, entries: Sequence[Entry]) -> Loss | None:
        self.threads.add(threading.current_thread().name)
        if self.loses and entries:
            return Loss(len(entries), self.loses)
        self.entries += entries
        late, self.late = self.late, None
        return late

    def close(self, _patience: float) -> Loss | None:
        self.closed = True
        return self.left


class Told(list[tuple[int, str]]):
    def __call__(self, count: int, cause: str) -> None:
        self.append((count, cause))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def log(told: Told) -> ProtocolLog:
    return ProtocolLog("OURS", told)


def talk(log: ProtocolLog, commands: int = 1) -> None:
    visit = log.visit("s1", "192.0.2.1", str)
    visit.tell(b"220 x\r\n")
    for _ in range(commands):
        visit.journal.append(b"NOOP")
        visit.tell(b"250 OK\r\n")


def test_the_writer_writes_by_itself_and_in_its_own_thread(log: ProtocolLog) -> None:
    sink, writer = Kept(), LogWriter()
    log.use(sink)
    writer.add(log)
    talk(log)
    until(lambda: sink.entries, "the line")
    assert sink.threads == {"protocol logs"}
    talk(log)
    writer.close()
    assert len(sink.entries) == 2
    assert sink.closed


def test_what_was_said_before_a_change_goes_to_the_sink_before(log: ProtocolLog) -> None:
    one, two = Kept(), Kept()
    log.use(one)
    talk(log)
    log.use(two)
    talk(log, 2)
    log.flush()
    assert (len(one.entries), len(two.entries), one.closed, two.closed) == (1, 2, True, False)


def test_where_no_log_is_kept_nothing_is(log: ProtocolLog) -> None:
    assert not log.enabled
    sink = Kept()
    log.use(sink)
    assert log.enabled
    talk(log)
    log.use(None)
    assert not log.enabled
    talk(log)
    log.flush()
    log.use(sink)
    log.flush()
    assert len(sink.entries) == 1


def test_losses_are_told_of_at_once_and_then_now_and_then(log: ProtocolLog, told: Told) -> None:
    sink = Kept()
    log.use(sink)
    sink.loses = "the disk is full"
    for _ in range(5):
        talk(log, 2)
        log.flush()
    assert told == [(2, "the disk is full")]
    for _ in range(20):
        log.flush()
    assert told == [(2, "the disk is full"), (8, "the disk is full")]
    sink.loses = ""
    talk(log)
    log.flush()
    assert len(sink.entries) == 1
    assert len(told) == 2


def test_losses_are_told_of_at_the_end(log: ProtocolLog, told: Told) -> None:
    sink = Kept()
    log.use(sink)
    sink.loses = "no"
    talk(log)
    log.flush()
    talk(log, 3)
    log.close()
    assert told == [(1, "no"), (3, "no")]


def test_a_loss_is_told_of_though_nothing_more_is_said(log: ProtocolLog, told: Told) -> None:
    sink = Kept()
    log.use(sink)
    talk(log)
    log.flush()
    sink.late = Loss(1, "not this row")
    log.flush()
    assert told == [(1, "not this row")]


def test_what_a_sink_loses_as_it_ends_is_told_of(log: ProtocolLog, told: Told) -> None:
    sink = Kept()
    log.use(sink)
    sink.loses = "no"
    talk(log)
    sink.left = Loss(3, "the database is away")
    log.use(None)
    assert told == [(1, "no"), (3, "the database is away")]


def test_a_mistake_does_not_end_the_writer(log: ProtocolLog, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    sink, writer = Kept(), LogWriter()
    log.use(sink)
    monkeypatch.setattr(sink, "write", lambda entries: 1 // 0)
    writer.add(log)
    talk(log)
    until(lambda: log._missing, "the mistake")
    monkeypatch.undo()
    talk(log)
    until(lambda: sink.entries, "the line after the mistake")
    until(lambda: told, "the loss")
    writer.close()
    assert told[0][1].startswith("ZeroDivisionError")
