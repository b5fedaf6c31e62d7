"""The supervisor: owns the listening sockets, the homes and the workers; replaces a worker that died.

It is small and has one thread. What operators ask is answered by `service.control`.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from mailroot import __version__
from mailroot.edge.clock import utc_now
from mailroot.edge.channel import WorkerLine, open_channel
from mailroot.edge.listening import bound_port, listen, lock_home, shown
from mailroot.edge.logs import open_log
from mailroot.edge.process import account_of, fork_child, reap
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.mail.events import EVENTS
from mailroot.mail.faults import ConnectionLost, Fault
from mailroot.service.control import Control
from mailroot.service.reload import Reloaded, put_in_force
from mailroot.service.slots import slots_for
from mailroot.service.state import AFTER, State, WorkerAtWork
from mailroot.service.worker import Birth, run_worker
from mailroot.settings.change import Problems
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import Start, VirtualServer

_READY_PATIENCE = 60.0
_END_MARGIN = 1.5

Reload = Callable[[], Settings | Problems]


def run(settings: Settings, reload: Reload, control: Path) -> int:
    """Run the service until it is told to end; the exit code of the process.

    `reload` reads the settings again. `control` is where the control socket is made. Prints one line `listening
    ADDRESS:PORT smtp NAME` per binding on standard output once all workers are ready.
    """
    try:
        return asyncio.run(Supervisor(settings, reload, control).run())
    except Fault as fault:
        print(f"mailroot: {fault}", file=sys.stderr)
        return 1


class Supervisor:
    """One service: its state, its workers, and the steps that operators and signals ask for."""

    def __init__(self, settings: Settings, reload: Reload, control: Path) -> None:
        self._reload = reload
        self._control_path = control
        workers = settings.service.workers or os.cpu_count() or 1
        self.state = State(settings, SharedCounts(workers, slots_for(settings)), workers)
        self.emit = open_log(settings.service.events, utc_now, "supervisor")
        self._ending: asyncio.Event
        self._restarts: set[asyncio.Task[None]] = set()
        self._reloading: asyncio.Lock

    # -- life

    async def run(self) -> int:
        """From the first lock to the last worker's end."""
        self._ending, self._reloading = asyncio.Event(), asyncio.Lock()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        state = self.state
        locks = [lock_home(Path(server.home)) for server in state.settings.servers.values()]
        try:
            self._open_servers()
            async with Control(self, self._control_path):
                await asyncio.gather(*(self._start_worker(number) for number in range(state.workers)))
                self._announce()
                await self._ending.wait()
                await self._end()
        finally:
            for descriptor in locks:
                os.close(descriptor)
            self.emit.close()
        return 0

    def _open_servers(self) -> None:
        for key, server in self.state.settings.servers.items():
            self._own_home(server)
            if server.start is Start.AUTOMATIC:
                self.state.listeners[key] = _bound(server)
            self.state.states[key] = "started" if server.start is Start.AUTOMATIC else "stopped"

    def _own_home(self, server: VirtualServer) -> None:
        """What root makes, the workers' account must be able to write."""
        account = self.state.settings.service.run_as
        if account and os.geteuid() == 0:
            user, group = account_of(account)
            os.chown(server.home, user, group)
            if self.state.settings.service.events:
                os.makedirs(self.state.settings.service.events, exist_ok=True)
                os.chown(self.state.settings.service.events, user, group)

    def _announce(self) -> None:
        for key, server in self.state.settings.servers.items():
            for listener in self.state.listeners.get(key, ()):
                address, port = listener.getsockname()[0], bound_port(listener)
                print(f"listening {shown(address, port)} smtp {server.name}", flush=True)
        self.emit(EVENTS.service_started, version=__version__, pid=os.getpid())

    async def _end(self) -> None:
        """No new connections, then every worker ends in good order; what does not in time is killed."""
        self._ending.set()
        for listener in (one for sockets in self.state.listeners.values() for one in sockets):
            listener.close()
        patience = self.state.settings.service.shutdown_timeout.total_seconds() + _END_MARGIN
        for worker in list(self.state.running.values()):
            with contextlib.suppress(ConnectionLost):
                await asyncio.wait_for(worker.line.ask("shutdown"), 1.0)
        gone = [worker.gone for worker in self.state.running.values()]
        if gone:
            await asyncio.wait(gone, timeout=patience)
        for worker in list(self.state.running.values()):
            if not worker.gone.done():
                os.kill(worker.pid, signal.SIGKILL)
                await worker.gone
        self.emit(EVENTS.service_stopped)

    # -- workers

    async def _start_worker(self, number: int) -> None:
        """Fork a worker and wait until it works. Raises `ConnectionLost` where it ends before that."""
        state = self.state
        ends = open_channel()
        paused = frozenset(key for key, word in state.states.items() if word == "paused")
        birth = Birth(number, state.settings, state.counts, ends, dict(state.listeners), paused)
        keep = [ends.theirs.fileno(), ends.their_sockets.fileno()]
        keep += [one.fileno() for sockets in state.listeners.values() for one in sockets]
        pid, ended = fork_child(lambda: run_worker(birth), keep)
        ends.close_theirs()
        loop = asyncio.get_running_loop()
        worker = WorkerAtWork(number, pid, WorkerLine(ends), loop.create_future(), loop.time())
        state.running[number] = worker
        loop.add_reader(ended, self._worker_ended, worker, ended, ends)
        worker.answers = asyncio.create_task(worker.line.run())
        async with asyncio.timeout(_READY_PATIENCE):
            await worker.line.ask("ready")
        self.emit(EVENTS.worker_started, worker=number, pid=pid)

    def _worker_ended(self, worker: WorkerAtWork, descriptor: int, ends: object) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(descriptor)
        os.close(descriptor)
        code = reap(worker.pid)
        worker.line.close()
        self.state.counts.clear(worker.number)
        self.state.running.pop(worker.number, None)
        worker.gone.set_result(code)
        if self._ending.is_set():
            return
        self.emit(EVENTS.worker_died, worker=worker.number, pid=worker.pid, exit=code)
        restart = asyncio.create_task(self._restart(worker.number, loop.time() - worker.since))
        self._restarts.add(restart)
        restart.add_done_callback(self._restarts.discard)

    async def _restart(self, number: int, lived: float) -> None:
        """Replace a worker; ever more slowly while its successors die at once."""
        pause = self.state.restart_pause(number, lived)
        await asyncio.sleep(pause)
        if self._ending.is_set():
            return
        try:
            await self._start_worker(number)
        except (ConnectionLost, TimeoutError):
            return  # it died again: its own end starts the next one

    # -- what operators and signals ask

    async def change_state(self, key: str, word: str) -> str:
        """Start, stop, pause or continue a virtual server in all workers; its state then."""
        state = self.state
        before = state.states[key]
        if word == "start" and before == "stopped":
            state.listeners[key] = _bound(state.settings.servers[key])
            await state.tell("start", key, sockets=tuple(state.listeners[key]))
        elif word == "stop" and before != "stopped":
            for listener in state.listeners.pop(key, []):
                listener.close()
            await state.tell("stop", key)
        elif word == "pause" and before == "started":
            await state.tell("pause", key)
        elif word in {"continue", "start"} and before == "paused":
            await state.tell("resume", key)
        state.states[key] = AFTER.get((before, word), before)
        if state.states[key] != before:
            self.emit(EVENTS.server_state, server=key, state=state.states[key])
        return state.states[key]

    def _hang_up(self) -> None:
        task = asyncio.create_task(self._reload_now())
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    async def _reload_now(self) -> None:
        answer = await self.reload()
        if isinstance(answer, Problems):
            print(f"mailroot: the settings were not changed:\n{answer}", file=sys.stderr, flush=True)

    async def reload(self) -> Reloaded | Problems:
        """Read the settings again and put them in force everywhere, or change nothing at all."""
        async with self._reloading:
            wanted = self._reload()
            answer = wanted if isinstance(wanted, Problems) else await put_in_force(self.state, wanted)
        if isinstance(answer, Problems):
            self.emit(EVENTS.settings_refused, problems=str(answer))
        else:
            self.emit(EVENTS.settings_applied, revision=answer.revision)
        return answer


def _bound(server: VirtualServer) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    try:
        for binding in server.general.bindings:
            sockets.append(listen(binding.address, binding.port))
    except Fault:
        for one in sockets:
            one.close()
        raise
    return sockets
