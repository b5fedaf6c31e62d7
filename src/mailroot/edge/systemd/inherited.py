"""Listening sockets that were opened for us before we began (sd_listen_fds(3)), so that low ports need no rights.

A binding whose address and port are those of such a socket uses it. While no virtual server does, because it is
stopped, whoever connects is turned away by a reset, as if nobody listened: the socket itself is the manager's, and
stays open. Once the end has begun, clients wait in it for the next service.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterator, MutableMapping, Sequence

from mailroot.edge.listening import BACKLOG, listen, shown
from mailroot.mail.faults import Misconfigured

_FIRST = 3  # SD_LISTEN_FDS_START
_MOST = 1024
_OURS = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends a reset
_AT_ONCE = 64

Place = tuple[str, int]


class Inherited:
    """The sockets that we were born with. Belongs to one event loop, once there is one."""

    def __init__(self, sockets: Sequence[socket.socket] = ()) -> None:
        self._sockets: dict[Place, socket.socket] = {one.getsockname()[:2]: one for one in sockets}
        self._lent: set[Place] = set()
        self._ending = False

    @classmethod
    def taken(cls, environment: MutableMapping[str, str]) -> "Inherited":
        """The sockets that the environment tells of; it is taken out of it. Raises `Misconfigured` for other kinds."""
        count, pid, _ = (environment.pop(name, "") for name in _OURS)
        if pid != str(os.getpid()) or not count.isdigit():
            return cls()
        return cls([_listening(number) for number in range(_FIRST, _FIRST + min(int(count), _MOST))])

    @property
    def unused(self) -> tuple[str, ...]:
        """The sockets that no binding names, as people write their places."""
        return tuple(shown(*place) for place in self._sockets if place not in self._lent)

    def listen(self, address: str, port: int, leaving: Sequence[socket.socket] = ()) -> socket.socket:
        """A listening socket as `edge.listening` opens it; the inherited one where there is one for this place."""
        place = (address, port)
        if place not in self._sockets or place in self._lent:
            return listen(address, port, leaving)
        self._lent.add(place)
        with contextlib.suppress(RuntimeError, ValueError):  # no loop yet, or nobody was turned away
            asyncio.get_running_loop().remove_reader(self._sockets[place])
        return _Lent(self, place, os.dup(self._sockets[place].fileno()))

    def turn_away(self) -> None:
        """Turn away, from now on, whoever connects to a socket that no virtual server uses."""
        for place in self._sockets:
            self._watch(place)

    def end(self) -> None:
        """Nobody is turned away any more: clients wait for the service that comes next."""
        self._ending = True
        for place in self._sockets:
            asyncio.get_running_loop().remove_reader(self._sockets[place])

    def given_back(self, place: Place) -> None:
        """A binding does not use its socket any more."""
        self._lent.discard(place)
        with contextlib.suppress(RuntimeError):  # no loop: the process ends
            self._watch(place)

    def _watch(self, place: Place) -> None:
        if place not in self._lent and not self._ending:
            asyncio.get_running_loop().add_reader(self._sockets[place], _reset_clients, self._sockets[place])


class _Lent(socket.socket):
    """An inherited socket in use by a binding. Closing it gives it back; the socket itself goes on listening."""

    def __init__(self, owner: Inherited, place: Place, descriptor: int) -> None:
        super().__init__(fileno=descriptor)
        self._owner, self._place = owner, place

    def close(self) -> None:
        if self.fileno() >= 0:
            super().close()
            self._owner.given_back(self._place)


def _listening(number: int) -> socket.socket:
    """One inherited descriptor, as our own sockets are set. Raises `Misconfigured` where it is of another kind."""
    try:
        one = socket.socket(fileno=number)
    except OSError as fault:
        raise Misconfigured(f"the inherited descriptor {number} is no socket: {fault.strerror}") from fault
    if one.family not in (socket.AF_INET, socket.AF_INET6) or one.type != socket.SOCK_STREAM:
        raise Misconfigured(f"the inherited socket {number} is not one of TCP; write ListenStream=ADDRESS:PORT")
    if not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise Misconfigured(f"the inherited socket {number} does not listen; leave Accept=no")
    os.set_inheritable(number, False)
    one.setblocking(False)
    one.listen(BACKLOG)
    return one


def _reset_clients(listener: socket.socket) -> None:
    for client in _clients(listener):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        client.close()


def _clients(listener: socket.socket) -> Iterator[socket.socket]:
    with contextlib.suppress(OSError):
        for _ in range(_AT_ONCE):
            yield listener.accept()[0]
