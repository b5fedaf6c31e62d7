"""The supervisor: owns the listening sockets and the homes; starts, changes and ends the service.

It is small and has one thread. The processes are `service.life.workforce`, what operators ask is answered by
`service.life.control`.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from mailroot import __version__
from mailroot.edge.auditlog import AuditLog
from mailroot.edge.clock import utc_now
from mailroot.edge.listening import bound_port, listen, lock_home, shown
from mailroot.edge.process import give_folder, may_become
from mailroot.edge.sharedboard import SharedBoard
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.tls.contexts import ServerTls
from mailroot.mail.events import EVENTS
from mailroot.mail.faults import Fault, Misconfigured
from mailroot.service.life.adminline import AdminLine
from mailroot.service.life.adminprocess import Administration, AdminProcess
from mailroot.service.life.audit import Audit
from mailroot.service.life.control import Control
from mailroot.service.life.identities import IdentityWatch, present, tell_presented, wanted
from mailroot.service.life.reload import Reloaded, put_in_force
from mailroot.service.life.slots import LASTING_SLOTS, slots_for
from mailroot.service.life.state import State, state_after
from mailroot.service.life.telling import telling
from mailroot.service.life.workforce import Workforce
from mailroot.service.measure.endpoint import Endpoint, EndpointProcess
from mailroot.service.measure.reader import reader_of
from mailroot.settings.change import Problems
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import Start, VirtualServer

# From the workers' own limit until they are killed; with it the end comes within 10 seconds.
_END_MARGIN = 1.0

Reload = Callable[[], Settings | Problems]


def run(
    settings: Settings, reload: Reload, control: Path, ready: Callable[[], None], administration: Administration
) -> int:
    """Run the service until it is told to end; the exit code of the process.

    `reload` reads the settings again. `control` is where the control socket is made. Prints one line `listening
    ADDRESS:PORT smtp NAME` per binding (`smtps` where TLS is spoken from the first octet on) on standard output once
    all workers are ready, then calls `ready`.
    """
    try:
        return asyncio.run(Supervisor(settings, reload, control, ready, administration).run())
    except Fault as fault:
        print(f"mailroot: {fault}", file=sys.stderr)
        return 1


class Supervisor:
    """One service: its state, its workers, and the steps that operators and signals ask for."""

    def __init__(
        self,
        settings: Settings,
        reload: Reload,
        control: Path,
        ready: Callable[[], None],
        administration: Administration,
    ) -> None:
        self._read_settings = reload
        self._control_path = control
        self._say_more = ready
        self._administration = administration
        self._audit_log = AuditLog(settings.admin.audit, utc_now) if settings.admin.audit else None
        self.audit = Audit(administration.recorded, lambda: self.emit, lambda: self._audit_log)
        workers = settings.service.workers
        board = SharedBoard(workers, tuple(settings.servers), time.monotonic)
        counts = SharedCounts(workers, slots_for(settings), LASTING_SLOTS)
        self.state = State(settings, counts, board, workers)
        self.state.tls.update({key: ServerTls() for key in settings.servers})
        self._ending = asyncio.Event()
        self._changing = asyncio.Lock()

    # -- life

    async def run(self) -> int:
        """From the first lock to the last worker's end. Raises `Fault` where the service cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        with contextlib.ExitStack() as held:
            self._take_homes(held)
            board = self.state.board
            self.emit = telling(self.state.settings, "supervisor", board.tallies(board.supervisor))
            held.callback(self.emit.close)
            self._workforce = Workforce(self.state, self.emit)
            await present(self.state, wanted(self.state.settings))
            self._open_servers()
            self._open_metrics(held)
            self._admin = AdminProcess(self._administration, self.state.settings, self.emit)
            self._admin.open()
            held.callback(self._admin.end)
            async with Control(self, self._control_path) as control:
                try:
                    await self._work(control)
                finally:
                    await self._end()
        return 0

    async def _work(self, control: Control) -> None:
        """Start the workers, say so, and wait for the end, which may be asked for at any moment."""
        begun = asyncio.ensure_future(self._workforce.begin())
        ending = asyncio.ensure_future(self._ending.wait())
        await asyncio.wait({begun, ending}, return_when=asyncio.FIRST_COMPLETED)
        if begun.done():
            begun.result()
            self._announce()
            self._admin.start(lambda: AdminLine(control, self.audit, self._admin.setup))
            watching = asyncio.ensure_future(IdentityWatch(self.state, self.emit, self._changing).run())
            await ending
            watching.cancel()
        begun.cancel()
        await ending

    def _take_homes(self, held: contextlib.ExitStack) -> None:
        """Lock every home, and give the workers' account what it must write: what root makes is root's."""
        settings = self.state.settings
        account = settings.service.run_as
        may_become(account)
        for server in settings.servers.values():
            held.callback(os.close, lock_home(Path(server.home)))
            give_folder(server.home, account)
            for folder in _folders_elsewhere(server):
                give_folder(folder, account, made=False)
        for logs in (settings.service.events, settings.service.trace.folder, settings.service.history):
            if logs:
                give_folder(logs, account)

    def _open_servers(self) -> None:
        for key, server in self.state.settings.servers.items():
            self.state.states[key] = "stopped"
            if server.start is Start.AUTOMATIC:
                self.state.listeners[key] = self._bound(key, server)
                self.state.states[key] = "started"

    def _open_metrics(self, held: contextlib.ExitStack) -> None:
        """Have the figures served where the settings say; see `measure.endpoint`."""
        service = self.state.settings.service
        if service.metrics is not None:
            try:
                listener = listen(service.metrics.address, service.metrics.port)
            except Misconfigured as fault:
                raise Misconfigured(f"service.metrics: {fault}") from fault
            process = EndpointProcess(Endpoint(listener, service.run_as, reader_of(self.state)))
            process.start()
            held.callback(process.end)

    def _announce(self) -> None:
        for key, server in self.state.settings.servers.items():
            for number, listener in enumerate(self.state.listeners.get(key, ())):
                address, port = listener.getsockname()[0], bound_port(listener)
                protocol = "smtp" if number < len(server.general.bindings) else "smtps"
                print(f"listening {shown(address, port)} {protocol} {server.name}", flush=True)
        if self._admin.place:
            print(f"console {self._admin.place}", flush=True)
        self._say_more()
        self.emit(EVENTS.service_started, version=__version__, pid=os.getpid())
        self._tell_traps({})

    async def _end(self) -> None:
        """No new connections, then every worker ends in good order; what does not in time is killed."""
        self._ending.set()
        for listener in (one for sockets in self.state.listeners.values() for one in sockets):
            listener.close()
        await self._workforce.end(self.state.settings.service.shutdown_timeout.total_seconds() + _END_MARGIN)
        self.emit(EVENTS.service_stopped)

    # -- what operators and signals ask

    async def change_state(self, key: str, word: str) -> str:
        """Start, stop, pause or continue a virtual server in all workers; its state then.

        Raises `Misconfigured` where it cannot be done, `Unavailable` where a worker could not do it.
        """
        async with self._changing:
            before = self.state.states[key]
            after = state_after(key, before, word)
            if after != before:
                await self._enter(key, before, after)
                self.emit(EVENTS.server_state, server=key, state=after)
        return after

    async def _enter(self, key: str, before: str, after: str) -> None:
        state = self.state
        if before == "stopped":
            await self._start(key)
            return
        state.states[key] = after
        if after == "stopped":
            for listener in state.listeners.pop(key):
                listener.close()
            await state.tell("stop", key)
        else:
            await state.tell("pause" if after == "paused" else "resume", key)

    async def _start(self, key: str) -> None:
        """Start a virtual server everywhere, or leave it stopped."""
        state, server = self.state, self.state.settings.servers[key]
        if server.start is Start.DISABLED:
            raise Misconfigured(f'servers.{key}.start is "disabled"; change it and restart the service')
        state.listeners[key] = self._bound(key, server)
        state.states[key] = "started"
        try:
            await state.tell("start", key, sockets=tuple(state.listeners[key]))
        except Fault:
            state.states[key] = "stopped"
            for listener in state.listeners.pop(key):
                listener.close()
            with contextlib.suppress(Fault):
                await state.tell("stop", key)
            raise

    def _bound(self, key: str, server: VirtualServer) -> list[socket.socket]:
        """The sockets of a virtual server's bindings. Raises `Misconfigured`, which is told, where one is taken."""
        sockets: list[socket.socket] = []
        for binding in server.general.listening:
            try:
                sockets.append(listen(binding.address, binding.port))
            except Fault as fault:
                for one in sockets:
                    one.close()
                self.emit(EVENTS.bind_failed, server=key, address=str(binding), cause=str(fault))
                raise
        return sockets

    def _hang_up(self) -> None:
        self._reloading = asyncio.get_running_loop().create_task(self._reload_now())

    async def _reload_now(self) -> None:
        answer = await self.reload()
        if isinstance(answer, Problems):
            print(f"mailroot: the settings were not changed:\n{answer}", file=sys.stderr, flush=True)
        elif answer.needs_restart:
            waiting = ", ".join(answer.needs_restart)
            print(f"mailroot: counts after a restart of the service: {waiting}", file=sys.stderr, flush=True)

    async def reload(self) -> Reloaded | Problems:
        """Read the settings again and put them in force everywhere, or change nothing at all."""
        async with self._changing:
            before, wanted = self.state.settings.servers, self._read_settings()
            answer = wanted if isinstance(wanted, Problems) else await put_in_force(self.state, wanted)
        if isinstance(answer, Problems):
            self.emit(EVENTS.settings_refused, problems=str(answer))
        else:
            self.emit(
                EVENTS.settings_applied,
                revision=answer.revision,
                applied=answer.applied,
                needs_restart=answer.needs_restart,
            )
            tell_presented(self.state, answer.presented, self.emit)
            self._tell_traps(before)
        return answer

    def _tell_traps(self, before: Mapping[str, VirtualServer]) -> None:
        """Warn of virtual servers whose mail reaches nobody, where they were not so before."""
        for key, server in self.state.settings.servers.items():
            trap = server.delivery.trap
            if trap is not None and (key not in before or before[key].delivery.trap != trap):
                self.emit(EVENTS.trap_set, server=key, trap=str(trap))


def _folders_elsewhere(server: VirtualServer) -> set[str]:
    """The folders of a virtual server that need not lie in its home."""
    drops = {domain.drop for domain in server.domains.values() if domain.drop}
    log = server.general.log.folder
    return {server.messages.badmail, *drops, *([log] if log else [])}
