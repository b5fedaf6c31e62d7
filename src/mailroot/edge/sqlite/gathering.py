"""Requests on their way from the event loop to the writer's thread, which is woken once for each group of them.

To wake a thread costs more than to write its row, and a thread that is woken by each request asks for the interpreter
lock each time. So the loop decides when a group is worth it: at once where few clients send; where several do, with the
eighth request or after two milliseconds; for those that are patient after ten.
"""

import threading
from asyncio import AbstractEventLoop, Future, TimerHandle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mailroot.edge.sqlite.rows import DraftRow
from mailroot.edge.sqlite.tables import Tables
from mailroot.queue.entry import Settlement

_GROUP = 512  # requests of one transaction
_GROUP_BYTES = 16 * 1024 * 1024  # contents of one transaction
_IDLE_SECONDS = 0.5  # without a request for this long, the writer keeps house
_PATIENCE = 0.01  # seconds that a patient request waits for others; its caller's client has had its answer before
_COMPANY = 0.002  # seconds that a group of few waits for others, while several commit at once: a sync less each time
_FEW = 8  # requests; a group of so many does not wait for more
_SEVERAL = 3  # commits in the group before: so many clients send at once


@dataclass(slots=True)
class Request:
    """Something for the writer: to commit `rows`, to apply `settlements` with their reports in `rows`, or to `call`.

    One that is `patient` waits a moment for others to share a transaction with.
    """

    future: "Future[Any]"
    rows: Sequence[DraftRow] = ()
    settlements: Sequence[Settlement] = ()
    patient: bool = False
    call: Callable[[Tables], object] | None = None
    result: Any = None
    fault: BaseException | None = None

    @property
    def commits(self) -> bool:
        """Whether the request brings a new message, and so needs room that others do not."""
        return not self.settlements and self.call is None


class Gathering:
    """Gathers in the event loop; one thread takes."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        # One list for ever: the loop appends, the thread takes from its front.
        self._waiting: list[Request] = []
        self._gate = threading.Lock()  # closed until there is something to take; the loop opens, the thread closes
        self._gate.acquire()
        self._timer: TimerHandle | None = None
        self._due = 0.0
        self._ended = False
        # Written by the thread.
        self._several = False
        self._more = False

    def put(self, request: Request) -> None:
        """Have the thread take it, soon."""
        self._waiting.append(request)
        if request.patient:
            self._wake_within(_PATIENCE)
        elif self._several and len(self._waiting) < _FEW:
            self._wake_within(_COMPANY)
        else:
            self._wake()

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._wake()

    def _wake_within(self, seconds: float) -> None:
        due = self._loop.time() + seconds
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._timer, self._due = self._loop.call_later(seconds, self._wake), due

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._gate.locked() and (self._waiting or self._ended):
            self._gate.release()

    # --- in the thread --------------------------------------------------------------------------------------------

    def next_group(self) -> tuple[list[Request], bool]:
        """What waits, up to a bound, and whether to go on after it. Nothing, if nothing came for a while."""
        while not self._more and self._gate.acquire(timeout=_IDLE_SECONDS):
            if self._waiting or self._ended:
                break  # else it was called for what the group before has taken along
        waiting, ended = self._waiting, self._ended  # what is put before the end is there when the end is
        count = size = 0
        for request in waiting[:_GROUP]:
            if size >= _GROUP_BYTES:
                break
            for row in request.rows:
                size += len(row.content or b"")
            count += 1
        group = waiting[:count]
        del waiting[:count]
        self._more = bool(waiting) and (count == _GROUP or size >= _GROUP_BYTES)
        self._several = sum([request.commits for request in group]) >= _SEVERAL
        return group, bool(waiting) or not ended
