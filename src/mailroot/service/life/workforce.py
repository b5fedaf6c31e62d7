"""The worker processes: forked, watched, replaced when they die, and ended."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine

from mailroot.edge.channel import WorkerLine, open_channel
from mailroot.edge.process import fork_child, reap
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import ConnectionLost, Unavailable
from mailroot.service.life.state import State, WorkerAtWork
from mailroot.service.life.worker import Birth, run_worker

# Opening a shard after a crash reads its whole log; a worker that needs longer than this hangs.
_READY_PATIENCE = 300.0
_FIRST_PAUSE, _LONGEST_PAUSE, _SOUND_AFTER = 0.05, 2.0, 10.0
# A worker whose line has ended is about to end; one that does not is cut off from us and of no use.
_SILENT_PATIENCE = 30.0


class Workforce:
    """The workers of one service. While it is `replacing`, a worker that dies has a successor."""

    def __init__(self, state: State, emit: Emit) -> None:
        self._state = state
        self._emit = emit
        self._replacing = False
        self._pauses: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Start all workers; returns when all are ready. Raises `Unavailable` where one ends before it is."""
        await asyncio.gather(*(self._ready(self._fork(number)) for number in range(self._state.workers)))
        self._replacing = True
        for number in range(self._state.workers):
            if number not in self._state.running:  # it died before the last one was ready
                self._run(self._replace(number, 0.0))

    async def end(self, patience: float) -> None:
        """End every worker in good order; those that have not ended after `patience` seconds are killed."""
        self._replacing = False
        workers = list(self._state.running.values())
        for worker in workers:
            self._run(_dismiss(worker))
        if workers:
            await asyncio.wait([worker.gone for worker in workers], timeout=patience)
        for worker in workers:
            kill(worker)
            await worker.gone
        for task in self._tasks:
            task.cancel()

    def _fork(self, number: int) -> WorkerAtWork:
        """A new worker, born with what is true at this moment. Raises `Unavailable` where the system has no room."""
        state, loop = self._state, asyncio.get_running_loop()
        try:
            ends = open_channel()
            paused = frozenset(key for key, word in state.states.items() if word == "paused")
            birth = Birth(
                number, state.settings, state.counts, state.board, ends, dict(state.listeners), paused, state.tls
            )
            keep = [ends.theirs.fileno(), ends.their_sockets.fileno()]
            keep += [one.fileno() for sockets in state.listeners.values() for one in sockets]
            pid, ended = fork_child(lambda: run_worker(birth), keep)
        except OSError as fault:
            raise Unavailable(f"cannot start worker {number}: {fault.strerror}") from fault
        ends.close_theirs()
        worker = WorkerAtWork(number, pid, WorkerLine(ends, state.serve), loop.create_future(), loop.time())
        state.running[number] = worker
        loop.add_reader(ended, self._ended, worker, ended)
        worker.answers = asyncio.create_task(worker.line.run())
        worker.answers.add_done_callback(lambda _: self._run(_cut_off(worker)))
        return worker

    async def _ready(self, worker: WorkerAtWork) -> None:
        """Wait until a worker works. Raises `Unavailable` where it ends before that, or hangs."""
        try:
            async with asyncio.timeout(_READY_PATIENCE):
                await worker.line.ask("ready")
        except TimeoutError as fault:
            kill(worker)
            raise Unavailable(f"worker {worker.number} was not ready after {_READY_PATIENCE:g} s") from fault
        except ConnectionLost as fault:
            said = f"worker {worker.number} ended ({await worker.gone}) before it was ready; its reason stands above"
            raise Unavailable(said) from fault
        self._emit(EVENTS.worker_started, worker=worker.number, pid=worker.pid)

    def _ended(self, worker: WorkerAtWork, descriptor: int) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(descriptor)
        os.close(descriptor)
        code = reap(worker.pid)
        worker.line.close()
        self._state.counts.clear(worker.number)
        self._state.board.forget(worker.number)
        self._state.running.pop(worker.number, None)
        worker.gone.set_result(code)
        if self._replacing:
            self._emit(EVENTS.worker_died, worker=worker.number, pid=worker.pid, exit=code)
            self._run(self._replace(worker.number, loop.time() - worker.since))

    async def _replace(self, number: int, lived: float) -> None:
        """Start a successor; ever more slowly while they die at once."""
        await asyncio.sleep(self._pause(number, lived))
        while self._replacing:
            try:
                worker = self._fork(number)
            except Unavailable as fault:
                print(f"mailroot: {fault}", file=sys.stderr, flush=True)
                await asyncio.sleep(_LONGEST_PAUSE)
                continue
            with contextlib.suppress(Unavailable):  # it died again: its own end begins the next one
                await self._ready(worker)
            return

    def _pause(self, number: int, lived: float) -> float:
        """Seconds before a worker is replaced: next to none at first, more while its successors die young."""
        before = self._pauses.get(number, 0.0)
        pause = 0.0 if lived > _SOUND_AFTER else min(max(before * 2, _FIRST_PAUSE), _LONGEST_PAUSE)
        self._pauses[number] = pause
        return pause

    def _run(self, step: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def kill(worker: WorkerAtWork) -> None:
    """End a worker at once, if it has not ended; its queue is recovered by its successor."""
    if not worker.gone.done():
        os.kill(worker.pid, signal.SIGKILL)


async def _dismiss(worker: WorkerAtWork) -> None:
    with contextlib.suppress(ConnectionLost):
        await worker.line.ask("shutdown")


async def _cut_off(worker: WorkerAtWork) -> None:
    await asyncio.wait([worker.gone], timeout=_SILENT_PATIENCE)
    kill(worker)
