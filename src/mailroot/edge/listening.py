"""Listening sockets, and their way into other processes."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from mailroot.edge.files.durable import translated
from mailroot.mail.faults import Misconfigured

BACKLOG = 4096  # below the number of clients that come at once, a connection costs a second of SYN retries


def listen(address: str, port: int, leaving: Sequence[socket.socket] = ()) -> socket.socket:
    """A listening socket. Raises `Misconfigured`, naming address, port and the mend.

    `leaving` are sockets of ours that are about to be closed: they are no obstacle, though they still listen.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections have it from their listener
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _listen(listener, address, port, leaving)
    except OSError as fault:
        listener.close()
        mend = "stop what listens there, or change general.bindings"
        if isinstance(fault, PermissionError):
            mend = "ports below 1024 need root or CAP_NET_BIND_SERVICE"
        raise Misconfigured(f"cannot listen on {shown(address, port)}: {fault.strerror}; {mend}") from fault
    return listener


def _listen(listener: socket.socket, address: str, port: int, leaving: Sequence[socket.socket]) -> None:
    try:
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError:
        if not leaving:
            raise
        # Two sockets that both have the option may share a port (socket(7)); those of others may not.
        _share_ports((listener, *leaving), shared=True)
        try:
            listener.bind((address, port))
            listener.listen(BACKLOG)
        finally:
            _share_ports((listener, *leaving), shared=False)


def _share_ports(sockets: Sequence[socket.socket], *, shared: bool) -> None:
    for one in sockets:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))


def shown(address: str, port: int) -> str:
    """An address and a port as people write them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def bound_port(listener: socket.socket) -> int:
    """The port that a socket listens on; where 0 was asked for, the one that was given."""
    return int(listener.getsockname()[1])


def hand_over(channel: socket.socket, listeners: Sequence[socket.socket]) -> None:
    """Send listening sockets to the process at the other end of a Unix socket, one message for each."""
    for listener in listeners:
        socket.send_fds(channel, [b"s"], [listener.fileno()])


def take_over(channel: socket.socket, count: int) -> list[socket.socket]:
    """Receive the sockets that `hand_over` sent. They were sent before we were asked to take them."""
    taken = []
    for _ in range(count):
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
        taken.append(socket.socket(fileno=descriptors[0]))
    return taken


def lock_home(home: Path) -> int:
    """Keep a second service out of a home; the descriptor that holds the lock. Raises `Misconfigured`."""
    with translated(f"the home {home} cannot be used; choose another one, or let this account write there"):
        home.mkdir(parents=True, exist_ok=True)
        # The workers' account may write there, and must not lead us, who may be root, to another file.
        descriptor = os.open(home / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        holder = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        told = f"home {home} is in use by another service (process {holder or 'unknown'})"
        text = f"{told}: stop it, or give this one its own home"
        raise Misconfigured(text) from fault
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def open_private(path: Path) -> socket.socket:
    """A Unix socket that only this account may connect to, at a path of any length; one that is dead is replaced.

    Raises `Misconfigured` where it cannot be made, or where somebody serves it already.
    """
    with translated("the control socket cannot be made"):
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    mask = os.umask(0o177)
    name = f"/proc/self/fd/{folder}/{path.name}"
    try:
        if _served(name):
            raise Misconfigured(f"a service runs for these settings already: it answers at {path}")
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        listener.bind(name)
        listener.listen(64)
    except OSError as fault:
        listener.close()
        raise Misconfigured(f"cannot make the control socket {path}: {fault.strerror}") from fault
    finally:
        os.umask(mask)
        os.close(folder)
    return listener


def _served(name: str) -> bool:
    """Whether somebody listens at this Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(name)
        except BlockingIOError:  # so many wait that there is no room for us
            return True
        except OSError:
            return False
    return True
