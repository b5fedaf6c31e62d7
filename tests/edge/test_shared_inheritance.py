"""Shared memory that is made anew goes on with what the old one counted."""

import pytest

from mailroot.edge.sharedboard import SharedBoard
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.sharedturns import TURN_SLOTS, merged


def board(workers: int, *servers: str) -> SharedBoard:
    return SharedBoard(workers, servers, lambda: 0.0)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_counts_of_servers_that_stay_are_kept_whatever_becomes_of_their_workers(workers: int) -> None:
    old, new = board(2, "one", "two"), board(workers, "two", "three")
    for process in range(3):  # two workers and the supervisor
        old.tallies(process)["two"].add(5, 10 ** (process + 1))
        old.tallies(process)["one"].add(5, 1)
        old.tallies(process)[""].add(0, 7)
    new.inherit(old)
    totals = new.totals()
    assert totals["two"][5] == 1110
    assert totals[""][0] == 21
    assert sum(totals["three"]) == 0
    assert new.tallies(new.supervisor)["two"].cells[5] == 1000


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_what_lasts_of_shared_counts_is_kept_and_the_rest_is_not(workers: int) -> None:
    old, new = SharedCounts(2, 10, lasting=2), SharedCounts(workers, 30, lasting=2)
    for worker in range(2):
        old.add(worker, 3, 99)
        old.add(worker, 8, 5 + worker)
        old.add(worker, 9, 1)
    new.inherit(old, lambda _place, one, other: one + other)
    assert (new.total(28), new.total(29)) == (11, 2)
    assert all(new.total(slot) == 0 for slot in range(28))


def test_of_two_workers_the_later_turn_counts_and_the_days_count_is_added() -> None:
    day = 20_000 << 32
    assert merged(0, 17, 40) == merged(0, 40, 17) == 40
    assert merged(TURN_SLOTS, day + 3, day + 4) == day + 7
    assert merged(TURN_SLOTS, day + 3, day + (1 << 32) + 4) == day + (1 << 32) + 4
    assert merged(TURN_SLOTS, 0, day + 4) == day + 4
