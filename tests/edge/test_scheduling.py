"""When the system lets threads run: asked of the system, in threads of their own."""

import os
import threading
from collections.abc import Callable

import pytest

from mailroot.edge.scheduling import wait_when_waking


def policies(*calls: Callable[[], None]) -> list[int]:
    """The policy of a thread after each of these calls in it."""
    found = []

    def run() -> None:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # whatever the tests run under
        for call in calls:
            call()
            found.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found


def test_the_thread_waits_and_nobody_else() -> None:
    before = os.sched_getscheduler(0)
    assert policies(wait_when_waking) == [os.SCHED_BATCH]
    assert os.sched_getscheduler(0) == before


def test_a_policy_that_was_chosen_stays() -> None:
    choose = lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # noqa: E731
    assert policies(choose, wait_when_waking) == [os.SCHED_IDLE] * 2


def test_where_the_system_allows_no_change_everything_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    change = os.sched_setscheduler

    def refused(who: int, policy: int, parameters: os.sched_param) -> None:
        if policy == os.SCHED_BATCH:
            raise PermissionError
        change(who, policy, parameters)

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    assert policies(wait_when_waking) == [os.SCHED_OTHER]
