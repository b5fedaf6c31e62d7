"""Past figures: what has grown and how things stood, kept in rings, and the series that are drawn of them."""

import json
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mailroot.edge.history import MOST, RINGS, SLOT, HistoryFile
from mailroot.edge.sharedboard import SharedBoard
from mailroot.mail.counters.families import REFUSALS
from mailroot.mail.counters.layout import SLOTS, STAGE_SLOTS, slot_of
from mailroot.mail.faults import Misconfigured
from mailroot.service.measure.past import Past
from mailroot.service.measure.samples import Level, Sample, looked, unpacked
from mailroot.service.views import historycontrol
from mailroot.service.views.historycontrol import Wanted, drawn

FINE, MIDDLE, COARSE = RINGS
NOW = 1_800_000_000 // 3600 * 3600


# -- the file


def test_a_record_stands_where_its_time_says(tmp_path: Path) -> None:
    file = HistoryFile(str(tmp_path / "made"), "default")
    assert list(file.read(FINE, 0, 10)) == []
    step = NOW // FINE.step
    file.write([(ring, NOW // ring.step, b"at %d" % ring.step) for ring in RINGS])
    file.write([(FINE, step + 2, b"later"), (FINE, step + FINE.length - 1, b"last")])
    assert list(file.read(FINE, step, step + FINE.length - 1)) == [
        (step, b"at 10"),
        (step + 2, b"later"),
        (step + FINE.length - 1, b"last"),
    ]
    assert list(file.read(COARSE, NOW // 3600, NOW // 3600)) == [(NOW // 3600, b"at 3600")]
    file.write([(FINE, step + FINE.length, b"round")])
    assert list(file.read(FINE, 0, step + FINE.length))[-1] == (step + FINE.length, b"round")
    assert (step, b"at 10") not in list(file.read(FINE, 0, step + FINE.length)), "its place was taken"
    assert (tmp_path / "made" / "default.history").stat().st_size <= sum(ring.length for ring in RINGS) * SLOT


@pytest.mark.parametrize("kept", [0, 1, 3, 4, 8, 15, 16, 20])
def test_a_torn_record_is_missing_and_nothing_else(tmp_path: Path, kept: int) -> None:
    file, step = HistoryFile(str(tmp_path), "default"), NOW // FINE.step
    file.write([(FINE, step, b"first"), (FINE, step + 1, b"second"), (FINE, step + 2, b"third")])
    path, place = tmp_path / "default.history", (step + 1) % FINE.length * SLOT
    octets = bytearray(path.read_bytes())
    octets[place + kept : place + SLOT] = b"\xa5" * (SLOT - kept)
    path.write_bytes(octets)
    assert list(file.read(FINE, step, step + 2)) == [(step, b"first"), (step + 2, b"third")]


def test_a_file_that_is_cut_off_gives_what_is_left(tmp_path: Path) -> None:
    file, step = HistoryFile(str(tmp_path), "default"), NOW // FINE.step
    file.write([(FINE, step, b"first"), (FINE, step + 1, b"second")])
    with (tmp_path / "default.history").open("r+b") as kept:
        kept.truncate(((step + 1) % FINE.length) * SLOT + 5)
    assert list(file.read(FINE, step, step + 1)) == [(step, b"first")]


# -- samples


def test_samples_are_packed_within_their_place() -> None:
    sample = Sample(10.0, {"messages_received": 5}, {"total": {3: 2}})
    looked(sample, {"queue_depth": 7, "queue_look_age_seconds": 1, "nonsense": 1}, {"a.example": 4})
    assert unpacked(sample.packed(MOST)) == sample
    assert set(sample.levels) == {"queue_depth"}
    many = Sample(10.0, {"messages_received": 5})
    looked(many, {}, {f"{number * 7919 % 65537:x}-{number}.example": number for number in range(1_000)})
    packed = many.packed(MOST)
    back = unpacked(packed)
    assert len(packed) <= MOST and back.counts == many.counts and 0 < len(back.destinations) < 1_000
    assert max(level.most for level in back.destinations.values()) == 999, "the deepest stay"
    for octets in (b"", b"nonsense", zlib.compress(b"[1]"), zlib.compress(json.dumps([1, [], {}, {}, {}]).encode())):
        assert unpacked(octets) == Sample()


def test_samples_add_up_over_time_and_beside_each_other() -> None:
    def one() -> Sample:
        return Sample(10.0, {"x": 1}, {"total": {3: 2}}, {"queue_depth": Level(4.0, 4.0, 1)})

    later, beside = one(), one()
    later.join(one())
    beside.join(one(), beside=True)
    assert (later.seconds, later.counts, later.stages) == (20.0, {"x": 2}, {"total": {3: 4}})
    assert (later.levels["queue_depth"].average, later.levels["queue_depth"].most) == (4.0, 4.0)
    assert (beside.seconds, beside.levels["queue_depth"].average, beside.levels["queue_depth"].most) == (10.0, 8.0, 8.0)


def test_quantiles_lie_within_their_bucket() -> None:
    sample = Sample(10.0, {}, {"total": {2: 90, 5: 10}})  # 2.5 to 5 ms, and 25 to 50 ms
    assert 0.0025 < (sample.quantile("total", 0.5) or 0) <= 0.005
    assert 0.025 < (sample.quantile("total", 0.95) or 0) <= 0.05
    assert sample.quantile("commit", 0.5) is None
    assert Sample(1.0, {}, {"total": {20: 1}}).quantile("total", 0.99) == 86_400.0


# -- keeping and drawing


class Moment:
    """A clock of both kinds."""

    def __init__(self) -> None:
        self.seconds = float(NOW)

    def __call__(self) -> float:
        return self.seconds


async def test_what_was_counted_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = Moment()
    monkeypatch.setattr(historycontrol.time, "time", moment)
    board = SharedBoard(1, ("one", "two"), moment)
    files = {server: HistoryFile(str(tmp_path), server) for server in ("one", "two")}
    with ThreadPoolExecutor(1) as pool:
        past = Past(files, board, lambda _: {"inbound_connections_current": 3.0}, pool, epoch=moment, now=moment)
        for _ in range(60):
            moment.seconds += 10
            for server in ("one", "two"):
                tally = board.tallies(0)[server]
                tally.add(SLOTS.messages_received, 50)
                tally.add(slot_of(REFUSALS, "relay"), 10)
                tally.took(STAGE_SLOTS["total"], 0.004)
            waiting = {"levels": {"queue_depth": 9}, "destinations": [["d.example", 9, 1.0]]}
            note = {"pid": 1, "memory": 1, "servers": {"one": waiting}}
            board.note(0, json.dumps(note).encode())
            await past.keep()

    def draw(counter: str, *servers: str, points: int = 360, since: float = 600.0) -> dict[str, object]:
        wanted = Wanted(counter, "", servers, moment.seconds - since, moment.seconds - 1, points)
        return drawn(str(tmp_path), wanted)

    one = draw("throughput", "one")
    assert one["step"] == 10 and one["times"][0] == NOW and len(one["times"]) == 60  # type: ignore[index,arg-type]
    received = one["series"][0]  # type: ignore[index]
    assert (received["name"], received["unit"]) == ("messages_received", "messages/s")
    assert received["values"] == [5.0] * 60
    assert draw("messages_received", "one", "two")["series"][0]["values"] == [10.0] * 60  # type: ignore[index]
    few = draw("messages_received", "one", points=10)
    assert few["step"] == 60 and set(few["series"][0]["values"]) == {5.0}  # type: ignore[index]
    (depth, _, _) = draw("queue", "one")["series"]  # type: ignore[misc]
    assert depth["values"] == depth["most"] == [9.0] * 60
    (relay,) = draw("refusals", "one")["series"]  # type: ignore[misc]
    assert (relay["name"], relay["values"][0]) == ("relay", 1.0)
    latency = draw("latency", "one")["series"]
    assert [line["name"] for line in latency] == ["half", "95 %", "99 %"]  # type: ignore[attr-defined]
    assert all(0.0025 < value <= 0.005 for line in latency for value in line["values"])  # type: ignore[attr-defined]
    (waits,) = draw("destinations", "one")["series"]  # type: ignore[misc]
    assert (waits["name"], set(waits["values"])) == ("d.example", {9.0})
    week = draw("messages_received", "one", since=100_000.0)
    values = [value for value in week["series"][0]["values"] if value is not None]  # type: ignore[index]
    assert week["step"] == 300 and values == [5.0, 5.0]
    year = draw("messages_received", "one", since=3e6)
    assert [value for value in year["series"][0]["values"] if value is not None] == [5.0]  # type: ignore[index]


@pytest.mark.parametrize(
    "arguments",
    [{"counter": "nonsense"}, {"counter": "workers"}, {"from": "soon"}, {"from": "1h", "to": "2h"}, {"to": "x" * 999}],
)
def test_what_cannot_be_drawn_is_refused(arguments: dict[str, str]) -> None:
    with pytest.raises(Misconfigured):
        historycontrol._wanted(arguments, ("one",), float(NOW))


def test_moments_are_written_in_several_ways() -> None:
    wanted = historycontrol._wanted({"from": "2h", "to": str(NOW - 60)}, ("one",), float(NOW))
    assert (wanted.first, wanted.last) == (NOW - 7200.0, NOW - 60.0)
    assert historycontrol._wanted({"from": "2026-01-01T00:00:00Z"}, (), float(NOW)).first == 1_767_225_600.0
    assert historycontrol._wanted({"points": "99999"}, (), float(NOW)).points == 2_000


async def test_a_disk_that_fails_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    moment = Moment()
    board = SharedBoard(1, ("one",), moment)
    files = {"one": HistoryFile(str(tmp_path / "file" / "folder"), "one")}
    with ThreadPoolExecutor(1) as pool:
        past = Past(files, board, lambda _: {}, pool, epoch=moment, now=moment)
        await past.keep()


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "-5", "1e12", "soon"])
def test_a_moment_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="from: a moment such as"):
        historycontrol._moment("from", text, NOW, NOW)
