"""What the supervisor holds while settings are in force: a lock on each home, the folders, and who serves figures.

A restart inside the process takes what the new settings need before it lets go of anything.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from mailroot.edge.listening import listen, lock_home
from mailroot.edge.process import give_folder, may_become
from mailroot.mail.faults import Misconfigured
from mailroot.service.life.state import State
from mailroot.service.measure.endpoint import Endpoint, EndpointProcess
from mailroot.service.measure.reader import reader_of
from mailroot.settings.places import Binding
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import VirtualServer


class Homes:
    """Locks on homes: no second service works there."""

    def __init__(self) -> None:
        self._locks: dict[str, int] = {}

    def take(self, settings: Settings) -> None:
        """Lock every home, and give the workers' account what it must write: what root makes is root's.

        Raises `Fault`; what was locked before stays locked, and nothing else is.
        """
        account = settings.service.run_as
        may_become(account)
        known = {*self._locks}
        try:
            for server in settings.servers.values():
                if server.home not in self._locks:
                    self._locks[server.home] = lock_home(Path(server.home))
                give_folder(server.home, account)
                for folder in _folders_elsewhere(server):
                    give_folder(folder, account, made=False)
            for logs in (settings.service.events, settings.service.trace.folder, settings.service.history):
                if logs:
                    give_folder(logs, account)
        except BaseException:
            self._release({*self._locks} - known)
            raise

    def keep(self, settings: Settings) -> None:
        """Let go of every home but these settings'."""
        self._release({*self._locks} - {server.home for server in settings.servers.values()})

    def release(self) -> None:
        """Let go of all."""
        self._release({*self._locks})

    def _release(self, homes: set[str]) -> None:
        for home in homes:
            os.close(self._locks.pop(home))


class Figures:
    """Has the figures served where the settings say; see `measure.endpoint`."""

    def __init__(self) -> None:
        self._listener: socket.socket | None = None
        self._place: Binding | None = None
        self._process: EndpointProcess | None = None

    @contextlib.contextmanager
    def moved(self, place: Binding | None) -> Iterator[None]:
        """Listen at another place once the block is through, and at the former one where it fails.

        Raises `Misconfigured` where the place is taken.
        """
        listener, fresh = self._listener, place != self._place
        if fresh:
            listener = _listening(place)
        try:
            yield
        except BaseException:
            if fresh and listener is not None:
                listener.close()
            raise
        if fresh:
            if self._listener is not None:
                self._listener.close()
            self._listener, self._place = listener, place

    def serve(self, state: State) -> None:
        """Have a new process serve what is on the present board."""
        self.pause()
        if self._listener is not None:
            endpoint = Endpoint(self._listener.dup(), state.settings.service.run_as, reader_of(state))
            self._process = EndpointProcess(endpoint)
            self._process.start()

    def pause(self) -> None:
        """End the process; who asks waits for the next one."""
        if self._process is not None:
            self._process.end()
            self._process = None

    def end(self) -> None:
        """Serve no more."""
        self.pause()
        if self._listener is not None:
            self._listener.close()
            self._listener = None


def _listening(place: Binding | None) -> socket.socket | None:
    if place is None:
        return None
    try:
        return listen(place.address, place.port)
    except Misconfigured as fault:
        raise Misconfigured(f"service.metrics: {fault}") from fault


def _folders_elsewhere(server: VirtualServer) -> set[str]:
    """The folders of a virtual server that need not lie in its home."""
    drops = {domain.drop for domain in server.domains.values() if domain.drop}
    log = server.general.log.folder
    return {server.messages.badmail, *drops, *([log] if log else [])}
