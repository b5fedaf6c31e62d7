"""Who is suspected after a worker died, and who is given up."""

from dataclasses import replace

from mailroot.queue.entry import QueueEntry
from mailroot.queue.recovery import HOPELESS_AFTER, SUSPECT_AFTER, counted, hopeless, suspect
from tests.queue.test_settle import entry


def with_failures(failures: int) -> QueueEntry:
    return replace(entry(), failures=failures)


def test_an_entry_is_suspect_after_some_deaths_in_company() -> None:
    assert not suspect(with_failures(SUSPECT_AFTER - 1))
    assert suspect(with_failures(SUSPECT_AFTER))


def test_G6_deaths_in_company_never_condemn_an_innocent() -> None:
    failures = 0
    for _ in range(1000):
        failures = counted(failures)
    assert suspect(with_failures(failures))
    assert not hopeless(with_failures(failures))


def test_G6_deaths_alone_condemn_after_a_bounded_number() -> None:
    assert not hopeless(with_failures(HOPELESS_AFTER - 1))
    assert hopeless(with_failures(HOPELESS_AFTER))


def test_a_suspects_count_is_not_lowered_by_a_death_in_company() -> None:
    assert counted(HOPELESS_AFTER) == HOPELESS_AFTER
