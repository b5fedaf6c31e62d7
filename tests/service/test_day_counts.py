"""Daily counts over an end of the service, with clocks that are arguments."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mailroot.edge.dailycounts import counts_path, read_counts
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.sharedturns import LASTING_SLOTS, SharedTurns
from mailroot.service.life import daycounts
from mailroot.service.life.daycounts import DayCounts, recall
from mailroot.service.life.slots import slots_for, turns_slot
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import VirtualServer
from tests.live.running import until

DAY = 86_400
NAMES = [f"default d{number}.example" for number in range(300)]


class Life:
    """One life of a service with two workers and the virtual servers of these homes."""

    def __init__(self, *homes: Path, now: float = 20_000.0 * DAY, workers: int = 2) -> None:
        servers = {f"s{number}": VirtualServer(home=str(home)) for number, home in enumerate(homes)}
        self.settings = Settings(servers=servers)
        self.now = now
        self.events: list[tuple[str, Any]] = []
        counts = SharedCounts(workers, slots_for(self.settings), LASTING_SLOTS)
        recall(self.settings, counts, self.emit, lambda: self.now)
        self.pool = ThreadPoolExecutor(1)
        first = turns_slot(self.settings)
        self.turns = [SharedTurns(counts, one, first, lambda: 0.0, lambda: self.now) for one in range(workers)]
        epoch: Callable[[], int] = lambda: int(self.now * 1e9)  # noqa: E731 - a name for an argument
        self.keepers = [DayCounts(self.settings, one, self.pool, self.emit, epoch) for one in self.turns]

    def emit(self, row: Any, **fields: object) -> None:
        assert set(row.fields) == set(fields)
        self.events.append((row.name, fields))

    async def end(self) -> None:
        for keeper in self.keepers:
            await keeper.stop()
        self.pool.shutdown()


async def test_what_was_counted_today_goes_on_after_a_restart(tmp_path: Path) -> None:
    first = Life(tmp_path)
    for number, name in enumerate(NAMES):
        first.turns[number % 2].count(name, number + 1)
    first.turns[1].count(NAMES[0], 5)
    expected = [first.turns[0].today(name) for name in NAMES]
    assert expected[0] == 6
    await first.end()
    second = Life(tmp_path, workers=1)
    assert [second.turns[0].today(name) for name in NAMES] == expected
    second.turns[0].count(NAMES[0])
    await second.end()
    third = Life(tmp_path, workers=3)
    assert third.turns[2].today(NAMES[0]) == 7
    assert not first.events + second.events + third.events


async def test_the_next_day_begins_with_none(tmp_path: Path) -> None:
    first = Life(tmp_path)
    first.turns[0].count(NAMES[0])
    await first.end()
    second = Life(tmp_path, now=20_001.0 * DAY)
    assert second.turns[0].today(NAMES[0]) == 0 and not second.events
    second.turns[0].count(NAMES[0])
    assert second.turns[1].today(NAMES[0]) == 1


async def test_the_last_worker_to_end_writes_what_all_have_counted(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.turns[0].count(NAMES[0])
    await life.keepers[0].stop()
    life.turns[1].count(NAMES[0])
    await life.keepers[1].stop()
    assert Life(tmp_path).turns[0].today(NAMES[0]) == 2


async def test_where_nothing_is_counted_nothing_is_written(tmp_path: Path) -> None:
    life = Life(tmp_path)
    await life.end()
    assert [*tmp_path.iterdir()] == []


async def test_a_service_that_runs_writes_by_itself(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(daycounts, "EVERY", 0.01)
    life = Life(tmp_path)
    life.keepers[0].start()
    life.turns[1].count(NAMES[0], 3)
    await _soon(lambda: counts_path(tmp_path).exists())
    assert Life(tmp_path).turns[0].today(NAMES[0]) == 3
    await life.end()


async def test_what_is_damaged_is_told_and_begins_anew(tmp_path: Path) -> None:
    first = Life(tmp_path)
    first.turns[0].count(NAMES[0])
    await first.end()
    counts_path(tmp_path).write_bytes(counts_path(tmp_path).read_bytes()[:-1])
    second = Life(tmp_path)
    assert [name for name, _ in second.events] == ["daily_counts_lost"]
    assert second.turns[0].today(NAMES[0]) == 0
    second.turns[0].count(NAMES[0])
    await second.end()
    assert Life(tmp_path).turns[0].today(NAMES[0]) == 1


async def test_what_cannot_be_kept_is_told_once_until_it_can(tmp_path: Path) -> None:
    home = tmp_path / "home"
    life = Life(home)
    for _ in range(3):
        life.turns[0].count(NAMES[0])
        await life.keepers[0].stop()
    assert [name for name, _ in life.events] == ["daily_counts_not_kept"]
    home.mkdir()
    await life.keepers[0].stop()
    kept = read_counts(home)
    assert kept is not None and max(kept.counts.values()) == 3
    assert len(life.events) == 1


async def test_of_several_homes_the_latest_counts_whichever_is_the_first_now(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    first = Life(one)
    first.turns[0].count(NAMES[0])
    await first.end()
    second = Life(other, one, now=20_000.0 * DAY + 60)
    assert second.turns[0].today(NAMES[0]) == 1
    second.turns[0].count(NAMES[0])
    await second.end()
    third = Life(one, other, now=20_000.0 * DAY + 120)
    assert third.turns[0].today(NAMES[0]) == 2


def test_names_have_other_places_in_every_service(tmp_path: Path) -> None:
    salts = {Life(tmp_path).turns[0].salt for _ in range(3)}
    assert len(salts) == 3 and 0 not in salts


async def _soon(true: Callable[[], bool]) -> None:
    await asyncio.to_thread(until, true, "what a keeper does by itself")
