"""Dialogues for the protocol log at moments that are known, told by both sides."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mailroot.edge.protocollog import call, visit
from mailroot.edge.protocollog.call import Call
from mailroot.edge.protocollog.entry import Entry, Party
from mailroot.edge.protocollog.recorder import Recorder
from mailroot.edge.protocollog.visit import Visit
from mailroot.wire.journal import Said
from mailroot.wire.replies import parse_reply

START = 1_160_370_015.0  # 2006-10-09 05:00:15 UTC


class Clock:
    """The moment, which stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@contextmanager
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The clock of visits and calls."""
    moment = Clock()
    monkeypatch.setattr(visit, "time", moment)
    monkeypatch.setattr(call, "time", moment)
    yield moment


class Client:
    """One client's connection, as the session and the engine tell of it."""

    def __init__(self, moment: Clock, address: str = "24.118.118.106", local: str = "192.168.1.2") -> None:
        self.recorder = Recorder()
        self.visit = Visit(self.recorder, Party("s1", address, local, 0), b"OURS")
        self.moment = moment

    def says(self, said: Said, reply: str, wait: float = 0.0) -> None:
        """One thing that the client says, and what it is answered after so many seconds."""
        self.visit.journal.append(said)
        self.answered(reply, wait)

    def answered(self, reply: str, wait: float = 0.0) -> None:
        """A reply to what was noted."""
        if wait:
            self.visit.waits()
            self.moment.now += wait
        self.visit.tell(reply.replace("\n", "\r\n").encode() + b"\r\n")

    def entries(self) -> list[Entry]:
        """What has become of it so far."""
        return read(self.recorder)


class Server:
    """A connection to another server."""

    def __init__(self, moment: Clock, address: str = "66.196.118.34") -> None:
        self.recorder = Recorder()
        self.call = Call(self.recorder, Party("", address, "-", 25, outbound=True))
        self.moment = moment

    def hears(self, octets: bytes, *replies: str, wait: float = 0.0) -> None:
        """What we write, and what the server answers after so many seconds."""
        self.call.said(octets)
        self.moment.now += wait
        self.call.heard([parse_reply(tuple(line.encode() for line in reply.split("\n"))) for reply in replies])

    def entries(self) -> list[Entry]:
        """What has become of it so far."""
        return read(self.recorder)


def read(recorder: Recorder) -> list[Entry]:
    """The entries of all records that wait."""
    entries: list[Entry] = []
    for record in recorder.taken():
        record[0].read(record, entries)
    return entries
