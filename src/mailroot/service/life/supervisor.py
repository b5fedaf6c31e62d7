"""The supervisor: owns the listening sockets and the homes; starts, changes and ends the service.

It is small and has one thread. The processes are `service.life.workforce`, what operators ask is answered by
`service.life.control`, states are changed by `service.life.serverstates`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path

from mailroot import __version__
from mailroot.edge.auditlog import AuditLog
from mailroot.edge.clock import utc_now
from mailroot.edge.listening import bound_port, shown
from mailroot.edge.systemd.parent import Parent
from mailroot.edge.tls.contexts import ServerTls
from mailroot.mail.by import By
from mailroot.mail.events import EVENTS, EventRow
from mailroot.mail.faults import Fault
from mailroot.service.configure.ledger import Ledger
from mailroot.service.life.adminline import AdminLine
from mailroot.service.life.adminprocess import Administration, AdminProcess
from mailroot.service.life.audit import Audit
from mailroot.service.life.control import Control
from mailroot.service.life.daycounts import recall
from mailroot.service.life.holdings import Figures, Homes
from mailroot.service.life.identities import IdentityWatch, present, tell_presented, wanted
from mailroot.service.life.reload import Reloaded, put_in_force
from mailroot.service.life.restart import END_MARGIN, Restart, memory_for
from mailroot.service.life.serverstates import ServerStates
from mailroot.service.life.state import State
from mailroot.service.life.unbroken import to_its_end
from mailroot.settings.change import Problems, difference
from mailroot.settings.revision import EDITOR
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import VirtualServer

# Whoever asked through the administration has the answer before its process is replaced.
_ANSWERED = 1.0
_LOOK = 0.05  # seconds between looks for the end of a process


def run(
    settings: Settings,
    ledger: Ledger,
    control: Path,
    ready: Callable[[], None],
    administration: Administration,
    parent: Parent,
) -> int:
    """Run the service until it is told to end; the exit code of the process.

    `settings` are what `ledger` has read. `control` is where the control socket is made. Prints one line `listening
    ADDRESS:PORT smtp NAME` per binding (`smtps` where TLS is spoken from the first octet on) on standard output once
    all workers are ready, then calls `ready`. `parent` is who started us.
    """
    try:
        return asyncio.run(Supervisor(settings, ledger, control, ready, administration, parent).run())
    except Fault as fault:
        print(f"mailroot: {fault}", file=sys.stderr)
        return 1


class Supervisor:
    """One service: its state, its workers, and the steps that operators and signals ask for.

    `changing` is held by whoever changes what is in force.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        control: Path,
        ready: Callable[[], None],
        administration: Administration,
        parent: Parent,
    ) -> None:
        self.ledger = ledger
        self._control_path = control
        self._say_more = ready
        self._administration = administration
        self._parent = parent
        self.audit = Audit(administration.recorded, lambda: self.emit, lambda: self._audit_log)
        self._audit_log = _audit_log(settings)
        counts, board = memory_for(settings)
        self.state = State(settings, counts, board, settings.service.workers)
        self.state.inherited = parent.inherited
        self.state.tls.update({key: ServerTls() for key in settings.servers})
        self.servers = ServerStates(self.state, self.emit, ledger.file.path)
        self._homes, self._figures = Homes(), Figures()
        self._restart = Restart(self.state, self.emit, self._homes, self._figures)
        self._admin: AdminProcess | None = None
        self._ending = asyncio.Event()
        self.changing = asyncio.Lock()

    def emit(self, row: EventRow, **fields: object) -> None:
        """Record an event, wherever events go at present."""
        self._restart.crew.events(row, **fields)

    # -- life

    async def run(self) -> int:
        """From the first lock to the last worker's end. Raises `Fault` where the service cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        try:
            self._homes.take(self.state.settings)
            self._restart.crew = self._restart.crew_of()
            recall(self.state.settings, self.state.counts, self.emit)
            await self._open()
        finally:
            if self._admin is not None:
                self._admin.end()
            self._figures.end()
            self._homes.release()
            if hasattr(self._restart, "crew"):
                self._restart.crew.events.close()
        return 0 if self._restart.sound else 1

    async def _open(self) -> None:
        await present(self.state, wanted(self.state.settings))
        self.servers.open()
        with self._figures.moved(self.state.settings.service.metrics):
            pass  # nothing else can fail
        self._figures.serve(self.state)
        self._open_admin()
        async with Control(self, self._control_path, self._administration.allow) as control:
            self._control = control
            try:
                await self._work()
            finally:
                await self._end()

    async def _work(self) -> None:
        """Start the workers, say so, and wait for the end, which may be asked for at any moment."""
        begun = asyncio.ensure_future(self._restart.crew.workforce.begin())
        ending = asyncio.ensure_future(self._ending.wait())
        await asyncio.wait({begun, ending}, return_when=asyncio.FIRST_COMPLETED)
        if begun.done():
            begun.result()
            self._announce()
            self._start_admin()
            watching = asyncio.ensure_future(IdentityWatch(self.state, self.emit, self.changing).run())
            alive = asyncio.ensure_future(self._parent.notices.keep_alive())
            await ending
            watching.cancel()
            alive.cancel()
        begun.cancel()
        await ending

    def _open_admin(self) -> None:
        self._admin = AdminProcess(self._administration, self.state.settings, self.emit)
        self._admin.open()

    def _start_admin(self) -> None:
        admin = self._admin
        if admin is not None:
            admin.start(lambda: AdminLine(self._control, self.audit, admin.setup))

    def _renew_admin(self) -> None:
        """Have the administration served under new settings, once the process that has its port is gone."""
        if self._admin is None or self._ending.is_set():
            return
        self._admin.end()
        if self._admin.gone:
            self._open_admin()
            self._start_admin()
        else:
            asyncio.get_running_loop().call_later(_LOOK, self._renew_admin)

    def _announce(self) -> None:
        for key, server in self.state.settings.servers.items():
            for number, listener in enumerate(self.state.listeners.get(key, ())):
                address, port = listener.getsockname()[0], bound_port(listener)
                protocol = "smtp" if number < len(server.general.bindings) else "smtps"
                print(f"listening {shown(address, port)} {protocol} {server.name}", flush=True)
        if self._admin is not None and self._admin.place:
            print(f"console {self._admin.place}", flush=True)
        named = {str(one) for server in self.state.settings.servers.values() for one in server.general.listening}
        for place in set(self._parent.inherited.unused) - named:
            print(f"mailroot: {place} was opened for us, and no binding names it", file=sys.stderr, flush=True)
        self._say_more()
        self._parent.ready(self._status())
        self.emit(EVENTS.service_started, version=__version__, pid=os.getpid())
        self._tell_traps({})

    def _status(self) -> str:
        """One line for people who look at the process from outside."""
        servers = len(self.state.settings.servers)
        return f"{servers} virtual server(s), {self.state.workers} worker(s), settings {self.state.settings.revision}"

    async def _end(self) -> None:
        """No new connections, then every worker ends in good order; what does not in time is killed."""
        self._ending.set()
        self._parent.ending()
        self._restart.give_up()
        for listener in (one for sockets in self.state.listeners.values() for one in sockets):
            listener.close()
        patience = self.state.settings.service.shutdown_timeout.total_seconds() + END_MARGIN
        await self._restart.crew.workforce.end(patience)
        self.emit(EVENTS.service_stopped)

    # -- what operators and signals ask

    async def change_state(self, key: str, word: str) -> dict[str, object]:
        """Start, stop, pause or continue a virtual server in all workers; its state then, and what others could not.

        Raises `Misconfigured` where it cannot be done, `Unavailable` where a worker could not do it.
        """
        faults = await to_its_end(self._alone(self.servers.change(key, word)))
        return {"server": key, "state": self.state.states[key], **_failed(faults)}

    async def change_service(self, word: str) -> dict[str, object]:
        """Start, stop, pause or continue the service; its state then, and which virtual servers could not follow."""
        faults = await to_its_end(self._alone(self.servers.change_all(word)))
        return {"state": self.servers.service, **_failed(faults)}

    async def _alone(self, step: Coroutine[None, None, dict[str, str]]) -> dict[str, str]:
        async with self.changing:
            return await step

    def _hang_up(self) -> None:
        self._reloading = asyncio.get_running_loop().create_task(self._reload_now())

    async def _reload_now(self) -> None:
        self._parent.notices.reloading()
        answer = await self.reload(EDITOR)
        self._parent.notices.ready(self._status())
        if isinstance(answer, Problems):
            print(f"mailroot: the settings were not changed:\n{answer}", file=sys.stderr, flush=True)
        elif answer.needs_restart:
            waiting = ", ".join(answer.needs_restart)
            print(f"mailroot: counts after `mailroot service restart`: {waiting}", file=sys.stderr, flush=True)

    async def settle_operators(self) -> bool:
        """Have nobody's right name a virtual server that is not in force; whether that is so."""
        return await self._control.settle_operators()

    async def reload(self, by: By) -> Reloaded | Problems:
        """Read the settings again and put them in force everywhere, or change nothing at all."""
        return await to_its_end(self._reload(by))

    async def _reload(self, by: By) -> Reloaded | Problems:
        async with self.changing:
            found = self.ledger.load(by)
            if isinstance(found, Problems):
                self.emit(EVENTS.settings_refused, problems=str(found))
                return found
            return await self.apply(found)

    async def apply(self, wanted: Settings) -> Reloaded | Problems:
        """Put settings in force as far as that is possible without a restart; the lock is held."""
        before = self.state.settings
        answer = await put_in_force(self.state, wanted)
        if isinstance(answer, Problems):
            self.emit(EVENTS.settings_refused, problems=str(answer))
        else:
            self.servers.adapt(before)
            self._tell_applied(before, answer)
        return answer

    async def restart(self, wanted: Settings) -> Reloaded:
        """Put settings in force, all of them, by a restart inside; the lock is held.

        Raises `Fault`; the former settings are in force then, or the service ends.
        """
        before, presented = self.state.settings, dict(self.state.presented)
        try:
            await self._restart.run(wanted)
        except Fault as fault:
            self.emit(EVENTS.settings_refused, problems=str(fault))
            raise
        finally:
            if not self._restart.sound:
                self._ending.set()
        self.servers.adapt(before)
        self._audit_log = _audit_log(wanted)
        # Whoever changes the settings has the lock of the folder, which this waits for.
        self._settling = asyncio.get_running_loop().create_task(self._control.settle_operators())
        if (before.admin, before.service.run_as) != (wanted.admin, wanted.service.run_as):
            asyncio.get_running_loop().call_later(_ANSWERED, self._renew_admin)
        applied = tuple(change.path for change in difference(before, wanted))
        shown_anew = tuple(key for key, one in self.state.presented.items() if one != presented.get(key))
        answer = Reloaded(wanted.revision, applied, (), shown_anew)
        self._tell_applied(before, answer)
        return answer

    def _tell_applied(self, before: Settings, answer: Reloaded) -> None:
        self.emit(
            EVENTS.settings_applied,
            revision=answer.revision,
            applied=answer.applied,
            needs_restart=answer.needs_restart,
        )
        tell_presented(self.state, answer.presented, self.emit)
        self._tell_traps(before.servers)

    def _tell_traps(self, before: Mapping[str, VirtualServer]) -> None:
        """Warn of virtual servers whose mail reaches nobody, where they were not so before."""
        for key, server in self.state.settings.servers.items():
            trap = server.delivery.trap
            if trap is not None and (key not in before or before[key].delivery.trap != trap):
                self.emit(EVENTS.trap_set, server=key, trap=str(trap))


def _audit_log(settings: Settings) -> AuditLog | None:
    return AuditLog(settings.admin.audit, utc_now) if settings.admin.audit else None


def _failed(faults: Mapping[str, str]) -> dict[str, object]:
    """Which virtual servers could not follow, and why."""
    return {"failed": [{"server": key, "cause": cause} for key, cause in faults.items()]} if faults else {}
