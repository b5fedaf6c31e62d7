"""Turns and daily counts over all workers, with clocks that are arguments."""

from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.sharedturns import LASTING_SLOTS, SharedTurns

DAY = 86_400


class Workers:
    """Two workers of one service."""

    def __init__(self) -> None:
        self.moment, self.now = 1000.0, 20_000.0 * DAY + 100
        self.counts = SharedCounts(2, 7 + LASTING_SLOTS, LASTING_SLOTS)
        self.both = [SharedTurns(self.counts, worker, 7, lambda: self.moment, lambda: self.now) for worker in range(2)]


def test_a_turn_that_one_worker_takes_all_see() -> None:
    one, other = Workers().both
    assert other.turn("a") == 0.0
    one.set_turn("a", 1001.5)
    assert one.turn("a") == other.turn("a") == 1001.5
    other.set_turn("a", 1003.0)
    assert one.turn("a") == 1003.0 and one.turn("b") == 0.0


def test_a_turn_is_never_brought_forward() -> None:
    one, other = Workers().both
    one.set_turn("a", 2000.0)
    one.set_turn("a", 1500.0)
    other.set_turn("a", 1500.0)
    assert one.turn("a") == 2000.0


def test_messages_of_a_day_are_counted_together_and_the_next_day_begins_with_none() -> None:
    workers = Workers()
    one, other = workers.both
    for _ in range(3):
        one.count("a")
    other.count("a")
    assert one.today("a") == other.today("a") == 4 and one.today("b") == 0
    other.count("a", -1)
    assert one.today("a") == 3
    other.count("a")
    assert one.until_tomorrow() == DAY - 100
    workers.now += DAY
    assert other.today("a") == 0
    one.count("a")
    assert other.today("a") == 1


def test_what_a_dead_worker_has_counted_still_counts() -> None:
    workers = Workers()
    one, other = workers.both
    one.count("a")
    one.set_turn("a", 1500.0)
    workers.counts.add(0, 0, 5)
    workers.counts.clear(0)
    assert workers.counts.total(0) == 0
    assert other.today("a") == 1 and other.turn("a") == 1500.0
