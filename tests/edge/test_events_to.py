"""Events go to the journal and to syslog, and mail never waits for either."""

import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailroot.edge.eventsto import forwarder, outlet, syslog
from mailroot.edge.eventsto.forwarder import Forwarder, Said
from mailroot.edge.eventsto.journal import Journal
from mailroot.edge.eventsto.outlet import Datagrams, Outlet, Sender, Stream
from mailroot.edge.eventsto.syslog import Lines, Syslog
from mailroot.mail.events import EVENTS, EventRow, Severity
from mailroot.mail.fanout import Fanout

NOON = datetime(2026, 11, 2, 12, 0, 0, 123_456, tzinfo=UTC)
DOWN = Said(NOON, EVENTS.destination_down, {"server": "default"}, "It is down.")
REFUSED = Said(NOON, EVENTS.refused, {"cause": "a\nb", "size": 5}, "refused")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[socket.socket]:
    """A Unix datagram socket such as those of journald and syslog."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "log"))
        listener.settimeout(60)
        yield listener


# -- the journal


def test_an_entry_of_the_journal_has_words_and_fields(log: socket.socket, tmp_path: Path) -> None:
    journal = Journal("mail", str(tmp_path / "log"))
    assert journal.send([DOWN])
    fields = dict(part.split(b"=", 1) for part in log.recv(65536).split(b"\n")[:-1])
    assert fields == {
        b"MESSAGE": b"It is down.",
        b"PRIORITY": b"4",
        b"SYSLOG_FACILITY": b"2",
        b"SYSLOG_IDENTIFIER": b"mailroot",
        b"SYSLOG_PID": str(os.getpid()).encode(),
        b"SYSLOG_TIMESTAMP": b"2026-11-02T12:00:00.123+00:00",
        b"MAILROOT_EVENT": b"destination_down",
        b"MAILROOT_EVENT_SOURCE": b"SMTPSVC",
        b"MAILROOT_EVENT_ID": b"4006",
        b"MAILROOT_SERVER": b"default",
    }
    journal.close()


def test_O01_a_strangers_line_break_makes_no_field(log: socket.socket, tmp_path: Path) -> None:
    journal = Journal("mail", str(tmp_path / "log"))
    assert journal.send([REFUSED])
    assert b"\nMAILROOT_CAUSE=a\\nb\nMAILROOT_SIZE=5\n" in log.recv(65536)
    journal.close()


def test_without_a_journal_the_event_is_lost_and_nothing_raises(tmp_path: Path) -> None:
    journal = Journal("mail", str(tmp_path / "absent"))
    assert not journal.send([DOWN])
    journal.close()


def test_M13_a_journal_that_does_not_keep_up_holds_up_nobody(log: socket.socket, tmp_path: Path) -> None:
    journal = Journal("mail", str(tmp_path / "log"))
    assert 0 < journal.send([DOWN] * 5_000) < 5_000
    assert journal.send([DOWN]) == 0
    log.recv(65536)
    assert journal.send([DOWN] * 2) == 1  # it is the same journal, and there is room again
    journal.close()


# -- syslog


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 77)


@pytest.mark.usefixtures("machine")
def test_a_line_of_rfc_5424() -> None:
    wanted = b"<20>1 2026-11-02T12:00:00.123Z mail.example mailroot 77 destination_down - SMTPSVC 4006: It is down."
    assert Lines("rfc5424", "mail", "mail.example")(DOWN) == wanted
    assert Lines("rfc5424", "local7", "")(REFUSED) == (
        b"<189>1 2026-11-02T12:00:00.123Z - mailroot 77 refused - refused"
    )


@pytest.mark.usefixtures("machine")
def test_a_line_of_rfc_3164() -> None:
    local = NOON.astimezone()
    time = f"Nov  {local.day} {local:%H:%M:%S}".encode()
    assert Lines("rfc3164", "daemon", "mail")(DOWN) == b"<28>" + time + b" mail mailroot[77]: SMTPSVC 4006: It is down."
    assert Lines("rfc3164", "daemon", "")(DOWN).startswith(b"<28>" + time + b" mailroot[77]: ")


def test_the_machines_own_syslog_is_a_datagram_without_a_host(log: socket.socket, tmp_path: Path) -> None:
    place = Syslog("unix", (str(tmp_path / "log"), 0), "rfc5424", "mail", "host")
    assert place.send([DOWN])
    assert log.recv(65536) == Lines("rfc5424", "mail", "")(DOWN)
    place.close()


def test_syslog_by_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(60)
        place = Syslog("udp", listener.getsockname(), "rfc5424", "mail", "host")
        assert place.send([DOWN])
        assert listener.recv(65536) == Lines("rfc5424", "mail", "host")(DOWN)
        place.close()


def test_a_host_without_a_syslog_is_no_error_of_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = nobody.getsockname()
    place = Syslog("udp", address, "rfc5424", "mail", "host")
    assert [place.send([DOWN] * 3) for _ in range(10)] == [3] * 10
    place.close()


def test_syslog_by_tcp_counts_octets() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        place = Syslog("tcp", listener.getsockname(), "rfc5424", "mail", "host")
        assert place.send([DOWN, REFUSED]) == 2
        place.close()
        peer, _ = listener.accept()
        with peer, peer.makefile("rb") as heard:
            lines = [Lines("rfc5424", "mail", "host")(said) for said in (DOWN, REFUSED)]
            assert heard.read() == b"".join(b"%d %b" % (len(one), one) for one in lines)


def test_a_syslog_that_was_started_anew_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "log"
    place = Syslog("unix", (str(path), 0), "rfc5424", "mail", "host")
    for _ in range(2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(path))
            assert place.send([DOWN])
            assert listener.recv(65536).endswith(b"It is down.")
        path.unlink()
    place.close()


def test_a_syslog_that_is_not_there_is_not_asked_for_each_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [100.0]
    monkeypatch.setattr(outlet.time, "monotonic", lambda: moment[0])
    tried: list[object] = []

    def opening(address: tuple[str, int]) -> Sender:
        tried.append(address)
        raise FileNotFoundError

    monkeypatch.setitem(syslog._OPEN, "unix", opening)
    place = Syslog("unix", (str(tmp_path / "absent"), 0), "rfc5424", "mail", "host")
    assert [place.send([DOWN] * 3) for _ in range(10)] == [0] * 10
    assert len(tried) == 1
    moment[0] += 5
    assert not place.send([DOWN])
    assert len(tried) == 2


# -- the way out


def pair(kind: int) -> tuple[socket.socket, socket.socket]:
    """Two connected sockets; the second one waits a bounded time for what it hears."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    theirs.settimeout(60)
    return ours, theirs


def test_datagrams_leave_whole_and_in_order_however_many_there_are() -> None:
    ours, theirs = pair(socket.SOCK_DGRAM)
    pieces = [b"", b"\0", *(b"%d\0" % number * number for number in range(200))]
    heard: list[bytes] = []
    reader = threading.Thread(target=lambda: heard.extend(theirs.recv(65536) for _ in pieces))
    reader.start()
    way = Outlet(lambda: Datagrams(ours, 60.0))
    with theirs:
        assert way.send(pieces) == len(pieces)
        reader.join(60)
        way.close()
    assert heard == pieces


def test_a_datagram_that_no_socket_takes_keeps_no_other_back() -> None:
    ours, theirs = pair(socket.SOCK_DGRAM)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    way = Outlet(lambda: Datagrams(ours, 1.0))
    with theirs:
        assert way.send([b"one", b"x" * 1_000_000, b"two"]) == 2
        assert [theirs.recv(65536) for _ in range(2)] == [b"one", b"two"]
        way.close()


def test_who_does_not_make_room_in_time_is_waited_for_once() -> None:
    ours, theirs = pair(socket.SOCK_DGRAM)
    with theirs:
        way = Outlet(lambda: Datagrams(ours, 0.01))
        taken = way.send([b"x" * 1000] * 10_000)
        assert 0 < taken < 10_000
        way.close()


def test_M13_a_stream_that_does_not_move_is_given_up() -> None:
    opened: list[Stream] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def opening() -> Stream:
            opened.append(Stream(socket.create_connection(listener.getsockname(), 60), 0.01))
            return opened[-1]

        way = Outlet(opening)
        assert way.send([b"x" * 1_000_000] * 60) == 0
        assert len(opened) == 2  # one more try, on a new connection
        way.close()


# -- forwarding


class Kept:
    """A place that keeps what it is sent; `takes` says whether it does."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self.takes = True
        self.closed = False

    def send(self, group: Sequence[Said]) -> int:
        if not self.takes:
            return 0
        self.said += group
        return len(group)

    def close(self) -> None:
        self.closed = True


Make = Callable[..., tuple[Fanout, Kept, list[int]]]


@pytest.fixture
def forwarding(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes a forwarder that sends only when it is closed, so that nothing depends on time."""
    monkeypatch.setattr(forwarder, "INTERVAL", 3600.0)

    def make(least: Severity = Severity.NOTICE) -> tuple[Fanout, Kept, list[int]]:
        place, lost = Kept(), []
        return Fanout(lambda: NOON, [Forwarder(place, least, lost.append, lambda: 0.0, "x")]), place, lost

    return make


def test_events_below_the_least_severity_stay_away(forwarding: Make) -> None:
    tell, place, lost = forwarding(Severity.WARNING)
    for row in (EVENTS.accepted, EVENTS.destination_down, EVENTS.task_failed):
        tell(row, server="x")
    tell.close()
    assert [said.row.name for said in place.said] == ["destination_down", "task_failed"]
    assert place.closed and lost == []


def test_warnings_that_say_the_same_are_sent_once(forwarding: Make) -> None:
    tell, place, _ = forwarding()
    for _ in range(100):
        tell(EVENTS.domain_down, destination="a.example", cause="timed out")
        tell(EVENTS.accepted, entry="the same")
    tell(EVENTS.domain_down, destination="b.example", cause="timed out")
    tell.close()
    assert [said.row.name for said in place.said].count("domain_down") == 2
    assert [said.row.name for said in place.said].count("accepted") == 100


def test_how_often_a_warning_was_repeated_is_told_when_its_minute_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder, "INTERVAL", 3600.0)
    place, moment = Kept(), [0.0]
    sink = Forwarder(place, Severity.NOTICE, lambda _: None, lambda: moment[0], "x")
    tell = Fanout(lambda: NOON, [sink])
    for _ in range(3):
        tell(EVENTS.domain_down, destination="a.example", cause="timed out")
    sink._flush()
    moment[0] = 61.0
    tell.close()
    assert [said.row.name for said in place.said] == ["domain_down", "events_repeated"]
    assert place.said[1].text.endswith("timed out (2 more like it within a minute)")


def test_M13_what_cannot_be_sent_is_counted(forwarding: Make) -> None:
    tell, place, lost = forwarding()
    place.takes = False
    tell(EVENTS.accepted, entry="1")
    tell(EVENTS.accepted, entry="2")
    tell.close()
    assert sum(lost) == 2


def test_M13_what_waits_is_bounded(forwarding: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarder, "WAITING_LIMIT", 3)
    tell, place, lost = forwarding()
    for number in range(10):
        tell(EVENTS.accepted, entry=number)
    tell.close()
    assert len(place.said) == 3 and sum(lost) == 7


def test_events_are_sent_without_being_asked() -> None:
    sent = threading.Event()

    class Noticing(Kept):
        def send(self, group: Sequence[Said]) -> int:
            sent.set()
            return super().send(group)

    row: EventRow = EVENTS.accepted
    tell = Fanout(lambda: NOON, [Forwarder(Noticing(), Severity.NOTICE, lambda _: None, lambda: 0.0, "x")])
    tell(row, entry="1")
    assert sent.wait(60)
    tell.close()
