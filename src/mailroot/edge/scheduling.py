"""When the system lets the threads of a worker run."""

import contextlib
import os


def wait_when_waking() -> None:
    """Have this thread interrupt nobody when it wakes, least of all the loop that woke it (SCHED_BATCH, sched(7)).

    Woken by the event loop it would take the loop's core at once, only to ask for the interpreter lock, which the loop
    holds. Its share of the processor stays the same. Where somebody has chosen another policy it stays, and where the
    system allows no change (a sandbox), everything does.
    """
    with contextlib.suppress(OSError):
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
