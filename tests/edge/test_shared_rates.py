"""Rates over all workers, with a clock that is an argument."""

import os

from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.sharedrates import RATE_SLOTS, SharedRates


class Rates:
    """Two workers that count over stretches of 100 seconds."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.counts = SharedCounts(2, RATE_SLOTS + 5)
        self.workers = [SharedRates(self.counts, number, 5, 100, lambda: self.time) for number in range(2)]


def test_what_one_worker_counts_all_see() -> None:
    rates = Rates()
    rates.workers[0].add("a")
    rates.workers[1].add("a")
    assert [one.level("a") for one in rates.workers] == [2, 2]
    assert rates.workers[0].level("b") == 0


def test_what_is_counted_fades() -> None:
    rates = Rates()
    for _ in range(8):
        rates.workers[0].add("a")
    rates.time += 100
    assert rates.workers[1].level("a") == 8
    rates.time += 50
    assert rates.workers[1].level("a") == 4
    rates.workers[0].add("a")
    assert rates.workers[1].level("a") == 5
    rates.time += 50
    assert rates.workers[1].level("a") == 1
    rates.time += 100
    assert rates.workers[1].level("a") == 0
    rates.workers[0].add("a")
    assert rates.workers[1].level("a") == 1


def test_a_dead_workers_counts_go_and_the_others_stay() -> None:
    rates = Rates()
    rates.workers[0].add("a")
    rates.workers[1].add("a")
    rates.counts.clear(0)
    assert rates.workers[0].level("a") == 1


def test_a_count_stays_in_its_cell_however_high() -> None:
    rates = Rates()
    for _ in range(70_000):
        rates.workers[0].add("a")
    assert rates.workers[0].level("a") == 65_535


def test_names_that_share_one_slot_are_told_apart_by_the_other() -> None:
    rates = Rates()
    for number in range(200):
        rates.workers[0].add(f"name {number}")
    assert sum(rates.workers[0].level(f"other {number}") for number in range(200)) <= 4


def test_forked_workers_use_the_same_slots() -> None:
    rates = Rates()
    child = os.fork()
    if not child:
        rates.workers[1].add("of a child")
        os._exit(0)
    os.waitpid(child, 0)
    assert rates.workers[0].level("of a child") == 1
