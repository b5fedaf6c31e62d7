"""Syslog: lines of RFC 5424 or RFC 3164 to a Unix socket, by UDP (RFC 5426) or by TCP (RFC 6587, octet counting)."""

import contextlib
import os
import socket
import time
from collections.abc import Callable

from mailroot.edge.eventsto.forwarder import Said
from mailroot.mail.events import Severity

FACILITIES = {"mail": 2, "daemon": 3} | {f"local{number}": 16 + number for number in range(8)}  # RFC 5424 section 6.2.1
PRIORITIES = {Severity.DETAIL: 6, Severity.NOTICE: 5, Severity.WARNING: 4, Severity.ERROR: 3}
_Send = Callable[[bytes], object]
_CONNECT_WAIT, _SEND_WAIT, _AGAIN = 2.0, 2.0, 5.0
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # in no language of the machine


def line(said: Said, form: str, facility: str, host: str) -> bytes:
    """One line, without an end. `form` is "rfc5424" or "rfc3164"; `host` is "" for the machine's own syslog."""
    priority = FACILITIES[facility] * 8 + PRIORITIES[said.row.severity]
    text = f"SMTPSVC {said.row.ident}: {said.text}" if said.row.ident else said.text
    if form == "rfc5424":
        at = f"{said.at.isoformat(timespec='milliseconds')[:-6]}Z"  # in place of +00:00
        return f"<{priority}>1 {at} {host or '-'} mailroot {os.getpid()} {said.row.name} - {text}".encode()
    local = said.at.astimezone()
    at = f"{_MONTHS[local.month - 1]} {local.day:2d} {local:%H:%M:%S}"
    return f"<{priority}>{at} {f'{host} ' if host else ''}mailroot[{os.getpid()}]: {text}".encode()


class Syslog:
    """Sends events to a syslog (`forwarder.Place`): `transport` is "unix", "udp" or "tcp".

    One that is not there is tried again every five seconds.
    """

    def __init__(self, transport: str, address: tuple[str, int], form: str, facility: str, host: str) -> None:
        """`address` is host and port, or a path and 0. `host` is this machine's name."""
        self._transport = transport
        self._address = address
        self._form = form
        self._facility = facility
        self._host = "" if transport == "unix" else host
        self._socket: socket.socket | None = None
        self._send: _Send = _nowhere
        self._not_before = 0.0

    def send(self, said: Said) -> bool:
        """Send one; False where nobody takes it."""
        octets = line(said, self._form, self._facility, self._host)
        if self._transport == "tcp":
            octets = b"%d %b" % (len(octets), octets)
        for _ in range(2):  # a daemon that was started anew has another socket
            if not self._connected():
                return False
            try:
                self._send(octets)
            except OSError:
                self.close()
            else:
                return True
        return False

    def close(self) -> None:
        """End the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> bool:
        if self._socket is None and time.monotonic() >= self._not_before:
            self._not_before = time.monotonic() + _AGAIN
            with contextlib.suppress(OSError):
                self._socket, self._send = _CONNECT[self._transport](self._address)
                self._socket.settimeout(_SEND_WAIT)
                self._not_before = 0.0
        return self._socket is not None


def _nowhere(_octets: bytes) -> object:
    raise OSError("not connected")


def _unix(address: tuple[str, int]) -> tuple[socket.socket, _Send]:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        opened.connect(address[0])
    except OSError:
        opened.close()
        raise
    return opened, opened.send


def _udp(address: tuple[str, int]) -> tuple[socket.socket, _Send]:
    """Not connected: nobody at the other end would be an error of every second datagram, and UDP promises nothing."""
    family, _, _, _, place = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    return opened, lambda octets: opened.sendto(octets, place)


def _tcp(address: tuple[str, int]) -> tuple[socket.socket, _Send]:
    opened = socket.create_connection(address, _CONNECT_WAIT)
    return opened, opened.sendall


_CONNECT: dict[str, Callable[[tuple[str, int]], tuple[socket.socket, _Send]]] = {
    "unix": _unix,
    "udp": _udp,
    "tcp": _tcp,
}
