"""Listening sockets, and their way into other processes."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Sequence
from pathlib import Path

from mailroot.mail.faults import Misconfigured

BACKLOG = 4096  # below the number of clients that come at once, a connection costs a second of SYN retries


def listen(address: str, port: int) -> socket.socket:
    """A listening socket. Raises `Misconfigured`, naming address, port and the mend."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as fault:
        listener.close()
        mend = "stop what listens there, or change general.bindings"
        if isinstance(fault, PermissionError):
            mend = "ports below 1024 need root or CAP_NET_BIND_SERVICE"
        raise Misconfigured(f"cannot listen on {shown(address, port)}: {fault.strerror}; {mend}") from fault
    return listener


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
    home.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(home / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        holder = os.read(descriptor, 32).decode(errors="replace").strip()
        os.close(descriptor)
        text = f"home {home} is in use by another service (process {holder or 'unknown'}): stop it, or give this one its own home"
        raise Misconfigured(text) from fault
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def open_private(path: Path) -> socket.socket:
    """A Unix socket that only this account may connect to, at a path of any length."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    mask = os.umask(0o177)
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        listener.listen(64)
    except OSError as fault:
        listener.close()
        raise Misconfigured(f"cannot make the control socket {path}: {fault.strerror}") from fault
    finally:
        os.umask(mask)
        os.close(folder)
    return listener
