"""The process of the administration: its listening socket, its birth, its line to us, and its next life when it dies.

It is born when somebody knocks for the first time: a service at which nobody looks does not pay for it. It runs under
the workers' account and at low priority, and holds no socket but its own. If it ends, mail does not notice; where its
port is taken, mail is served all the same.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from mailroot.edge.listening import bound_port, listen, shown
from mailroot.edge.operators import OperatorFile, SetupCode
from mailroot.edge.process import become, fork_child, reap
from mailroot.edge.tls.certificates import FOLDER
from mailroot.edge.tls.contexts import ServerTls, TlsTerms
from mailroot.edge.tls.identity import own_identity, read_identity
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Fault, Misconfigured
from mailroot.service.life.adminline import LONGEST_REQUEST, AdminLine
from mailroot.service.life.audit import Recorded
from mailroot.service.life.localaccess import Allow
from mailroot.settings.service import Settings

_FIRST_PAUSE, _LONGEST_PAUSE, _SOUND_AFTER = 1.0, 30.0, 60.0
_NICER = 10


@dataclass(frozen=True, slots=True)
class AdminBirth:
    """What the process is born with. `tls` is None on the machine itself; `line` is its end of the line to us.

    `public_url` is where browsers find it, "" where no proxy stands before it. `become` lays privileges down, once
    everything is imported.
    """

    listener: socket.socket
    line: socket.socket
    tls: ServerTls | None
    become: Callable[[], None]
    idle: timedelta
    longest: timedelta
    public_url: str = ""
    longest_request: int = LONGEST_REQUEST


@dataclass(frozen=True, slots=True)
class Administration:
    """What `cli` hands us, since faces are above us.

    The whole life of the process, what is recorded, and what members of groups may do at the control socket.
    """

    run: Callable[[AdminBirth], int]
    recorded: Recorded
    allow: Allow


class AdminProcess:
    """Opens the port, and keeps the process alive."""

    def __init__(self, administration: Administration, settings: Settings, emit: Emit) -> None:
        self._administration = administration
        self._settings = settings
        self._emit = emit
        self._listener: socket.socket | None = None
        self._tls: ServerTls | None = None
        self._pid = 0
        self._pause = _FIRST_PAUSE
        self._since = 0.0
        self._ending = False
        self._again: asyncio.TimerHandle | None = None
        self._line: asyncio.Task[None] | None = None

    @property
    def setup(self) -> SetupCode:
        """What makes the first administrator."""
        return SetupCode(Path(self._settings.admin.operators))

    @property
    def place(self) -> str:
        """Where browsers find it, "" where it is not served."""
        if self._listener is None:
            return ""
        address, port = self._listener.getsockname()[0], bound_port(self._listener)
        return f"{'https' if self._tls else 'http'}://{shown(address, port)}/"

    def open(self) -> None:
        """Take the port. Where that cannot be, it is told, and there is no administration by browser."""
        wanted = self._settings.admin.listen
        if wanted is None:
            return
        try:
            local = ip_address(wanted.address).is_loopback and not self._settings.admin.certificate
            self._tls = None if local else self._secured()
            self._listener = listen(wanted.address, wanted.port)
        except Fault as fault:
            cause = str(fault).replace("general.bindings", "admin.listen")
            self._emit(EVENTS.admin_failed, address=str(wanted), cause=cause)
            print(f"mailroot: no administration by browser: {cause}", file=sys.stderr, flush=True)

    def _secured(self) -> ServerTls:
        admin, tls = self._settings.admin, ServerTls()
        if admin.certificate:
            identity = read_identity(admin.certificate, admin.key)
        else:
            folder = Path(self._settings.folder, FOLDER)
            identity = own_identity((folder,), "administration", socket.getfqdn())
        tls.apply(TlsTerms(), {"": identity})
        return tls

    def start(self, line: Callable[[], AdminLine]) -> None:
        """Let it be born when somebody knocks, and once it has died again; `line` makes what answers it."""
        if self._listener is not None and not self._ending:
            self._make_setup_code()
            asyncio.get_running_loop().add_reader(self._listener, self._born, self._listener, line)

    def _make_setup_code(self) -> None:
        """Whoever makes the first administrator finds the code before a browser has asked for anything."""
        with contextlib.suppress(Fault):
            if OperatorFile(self._settings.admin.operators).book().unclaimed:
                self.setup.made()

    def _born(self, listener: socket.socket, line: Callable[[], AdminLine]) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        admin, account = self._settings.admin, self._settings.service.run_as
        birth = AdminBirth(
            listener, theirs, self._tls, lambda: _lay_down(account), admin.idle, admin.longest, admin.public_url
        )
        try:
            self._pid, ended = fork_child(lambda: self._administration.run(birth), [listener.fileno(), theirs.fileno()])
        except OSError:
            ours.close()
            self._later(line)
            return
        finally:
            theirs.close()
        self._since = loop.time()
        self._line = loop.create_task(line().run(ours))
        loop.add_reader(ended, self._ended, ended, line)

    def _ended(self, descriptor: int, line: Callable[[], AdminLine]) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(descriptor)
        os.close(descriptor)
        code = reap(self._pid)
        self._pid = 0
        if not self._ending:
            self._emit(
                EVENTS.admin_failed, address=self.place, cause=f"its process ended with {code}; another one follows"
            )
            self._later(line)

    def _later(self, line: Callable[[], AdminLine]) -> None:
        loop = asyncio.get_running_loop()
        sound = loop.time() - self._since > _SOUND_AFTER
        self._pause = _FIRST_PAUSE if sound else min(self._pause * 2, _LONGEST_PAUSE)
        self._again = loop.call_later(self._pause, self.start, line)

    @property
    def gone(self) -> bool:
        """Whether no process is left that could hold the port."""
        return self._pid == 0

    def end(self) -> None:
        """End it at once: it holds nothing that could be lost. Nothing happens where it is done twice."""
        self._ending = True
        if self._again is not None:
            self._again.cancel()
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
        if self._line is not None:
            self._line.cancel()
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None


def _lay_down(account: str) -> None:
    """Run under the workers' account, and after all else that has to be done. Raises `Fault`."""
    with contextlib.suppress(OSError):
        os.nice(_NICER)
    try:
        become(account)
    except OSError as fault:
        raise Misconfigured(f"service.run_as: {fault.strerror}") from fault
