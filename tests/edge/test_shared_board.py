"""The board that all processes of the service share."""

import os

from mailroot.edge.sharedboard import NOTE_LIMIT, SharedBoard
from mailroot.mail.counters.layout import SLOTS


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_counts_of_all_processes_add_up_by_server() -> None:
    board = SharedBoard(2, ("b", "a"), Seconds())
    board.tallies(0)["a"].add(SLOTS.messages_received, 2)
    board.tallies(1)["a"].add(SLOTS.messages_received, 3)
    board.tallies(1)["b"].add(SLOTS.messages_sent)
    board.tallies(board.supervisor)[""].add(SLOTS.worker_deaths)
    totals = board.totals()
    assert totals["a"][SLOTS.messages_received] == 5
    assert totals["b"][SLOTS.messages_sent] == 1
    assert totals[""][SLOTS.worker_deaths] == 1
    assert sum(map(sum, totals.values())) == 7


def test_what_a_process_counted_is_not_lost_with_it() -> None:
    board = SharedBoard(1, ("a",), Seconds())
    for _ in range(2):
        child = os.fork()
        if child == 0:
            board.tallies(0)["a"].add(SLOTS.messages_received)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        board.forget(0)
    assert board.totals()["a"][SLOTS.messages_received] == 2


def test_a_note_is_read_with_its_age_and_goes_with_its_worker() -> None:
    moment = Seconds()
    board = SharedBoard(2, (), moment)
    assert board.read(1) is None
    board.note(1, b"how it is")
    moment.now += 3
    assert board.read(1) == (3.0, b"how it is")
    assert board.read(0) is None
    board.forget(1)
    assert board.read(1) is None


def test_a_note_that_is_half_written_is_none() -> None:
    board = SharedBoard(1, (), Seconds())
    board.note(0, b"first text")
    place = board._place(0)
    board._notes[place + 18 : place + 19] = b"?"
    assert board.read(0) is None


def test_a_note_has_a_limit() -> None:
    board = SharedBoard(1, (), Seconds())
    board.note(0, b"x" * NOTE_LIMIT)
    assert board.read(0) is None


def test_who_wants_notes_is_remembered() -> None:
    moment = Seconds()
    board = SharedBoard(1, (), moment)
    assert board.asked() == float("inf")
    board.ask()
    moment.now += 5
    assert board.asked() == 5
