"""Where events leave to: datagrams, many by one system call, or a stream; with what to do where nobody takes them."""

import ctypes
import errno
import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Protocol

_AT_ONCE = 64  # pieces of one system call
_AGAIN = 5.0  # seconds until one that is not there is tried again


class Sender(Protocol):
    """An open way to a place."""

    def send(self, pieces: Sequence[bytes]) -> int:
        """Send the first ones, how many is told. Raises `TimeoutError` where the place does not keep up, `OSError`."""

    def close(self) -> None:
        """End."""


class Outlet:
    """A way to a place that is opened when it is needed. One that is not there is tried again every five seconds."""

    def __init__(self, opening: Callable[[], Sender]) -> None:
        """`opening` raises `OSError` where nobody is there."""
        self._opening = opening
        self._sender: Sender | None = None
        self._not_before = 0.0

    def send(self, pieces: Sequence[bytes]) -> int:
        """Send these; how many were taken. Never raises."""
        place = taken = 0
        anew = False
        while place < len(pieces) and (sender := self._opened()) is not None:
            try:
                sent = sender.send(pieces[place : place + _AT_ONCE])
            except TimeoutError:
                break
            except OSError as fault:
                if fault.errno == errno.EMSGSIZE:
                    place += 1
                    continue
                self.close()
                if anew:
                    break
                anew = True  # a daemon that was started anew has another socket
                continue
            anew = False
            place += sent
            taken += sent
        return taken

    def close(self) -> None:
        """End the connection."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    def _opened(self) -> Sender | None:
        if self._sender is None and (now := time.monotonic()) >= self._not_before:
            try:
                self._sender = self._opening()
            except OSError:
                self._not_before = now + _AGAIN
        return self._sender


class Stream:
    """A connected stream: a wait of more than `patience` seconds ends it, for a piece may have left in part."""

    def __init__(self, connection: socket.socket, patience: float) -> None:
        connection.settimeout(patience)
        self._socket = connection

    def send(self, pieces: Sequence[bytes]) -> int:
        """All of them (see `Sender.send`)."""
        try:
            self._socket.sendall(b"".join(pieces))
        except TimeoutError as fault:
            raise ConnectionError("the stream does not move") from fault
        return len(pieces)

    def close(self) -> None:
        """End."""
        self._socket.close()


class _Part(ctypes.Structure):
    _fields_ = (("octets", ctypes.c_char_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("parts", ctypes.POINTER(_Part)),
        ("count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Sent(ctypes.Structure):
    _fields_ = (("message", _Message), ("length", ctypes.c_uint))


_C = ctypes.CDLL(None, use_errno=True)


class Datagrams:
    """A connected socket for datagrams, many of which leave by one sendmmsg(2): the standard library has no such call.

    So the interpreter lock is let go of once for all of them: beside a busy loop, getting it back costs a thread more
    than the sending. `patience` is how many seconds a place may need to make room.
    """

    def __init__(self, connection: socket.socket, patience: float) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._patience = patience
        self._parts = (_Part * _AT_ONCE)()
        self._messages = (_Sent * _AT_ONCE)()
        for number, sent in enumerate(self._messages):
            sent.message.parts = ctypes.pointer(self._parts[number])
            sent.message.count = 1

    def send(self, pieces: Sequence[bytes]) -> int:
        """As many as there is room for (see `Sender.send`)."""
        for part, piece in zip(self._parts, pieces, strict=False):
            part.octets, part.length = piece, len(piece)
        count = min(len(pieces), _AT_ONCE)
        while (sent := _C.sendmmsg(self._socket.fileno(), self._messages, count, 0)) < 0:
            fault = OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            if isinstance(fault, ConnectionRefusedError) and self._socket.family != socket.AF_UNIX:
                return 1  # nobody heard the one before; datagrams promise nothing
            if fault.errno == errno.EINTR:
                continue
            if not isinstance(fault, BlockingIOError):
                raise fault
            self._wait()
        return int(sent)

    def close(self) -> None:
        """End."""
        self._socket.close()

    def _wait(self) -> None:
        room = select.poll()
        room.register(self._socket, select.POLLOUT)
        if not room.poll(self._patience * 1000):
            raise TimeoutError("the place does not keep up")


def unix_datagrams(path: str, patience: float) -> Datagrams:
    """A way to a Unix socket. Raises `OSError`."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        opened.connect(path)
        return Datagrams(opened, patience)
    except OSError:
        opened.close()
        raise
