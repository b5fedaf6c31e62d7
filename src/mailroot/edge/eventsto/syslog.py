"""Syslog: lines of RFC 5424 or RFC 3164 to a Unix socket, by UDP (RFC 5426) or by TCP (RFC 6587, octet counting)."""

import functools
import os
import socket
from collections.abc import Callable, Sequence

from mailroot.edge.clock import to_the_millisecond
from mailroot.edge.eventsto.forwarder import Said
from mailroot.edge.eventsto.outlet import Datagrams, Outlet, Sender, Stream, unix_datagrams
from mailroot.mail.events import Severity

FACILITIES = {"mail": 2, "daemon": 3} | {f"local{number}": 16 + number for number in range(8)}  # RFC 5424 section 6.2.1
PRIORITIES = {Severity.DETAIL: 6, Severity.NOTICE: 5, Severity.WARNING: 4, Severity.ERROR: 3}
_CONNECT_WAIT, _SEND_WAIT = 2.0, 2.0
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # in no language of the machine


def line(said: Said, form: str, facility: str, host: str) -> bytes:
    """One line, without an end. `form` is "rfc5424" or "rfc3164"; `host` is "" for the machine's own syslog."""
    moment, row, _, text = said
    priority = FACILITIES[facility] * 8 + PRIORITIES[row.severity]
    if row.ident:
        text = f"SMTPSVC {row.ident}: {text}"
    if form == "rfc5424":
        about = f"{host or '-'} mailroot {os.getpid()} {row.name} - {text}"
        return b"<%d>1 %bZ %b" % (priority, to_the_millisecond(moment), about.encode())
    local = moment.astimezone()
    at = f"{_MONTHS[local.month - 1]} {local.day:2d} {local:%H:%M:%S}"
    return f"<{priority}>{at} {f'{host} ' if host else ''}mailroot[{os.getpid()}]: {text}".encode()


class Syslog:
    """Sends events to a syslog (`forwarder.Place`): `transport` is "unix", "udp" or "tcp"."""

    def __init__(self, transport: str, address: tuple[str, int], form: str, facility: str, host: str) -> None:
        """`address` is host and port, or a path and 0. `host` is this machine's name."""
        self._counted = transport == "tcp"
        self._form = form
        self._facility = facility
        self._host = "" if transport == "unix" else host
        self._outlet = Outlet(functools.partial(_OPEN[transport], address))

    def send(self, group: Sequence[Said]) -> int:
        """Send these; how many were taken."""
        lines = [line(said, self._form, self._facility, self._host) for said in group]
        if self._counted:
            lines = [b"%d %b" % (len(one), one) for one in lines]
        return self._outlet.send(lines)

    def close(self) -> None:
        """End the connection."""
        self._outlet.close()


def _unix(address: tuple[str, int]) -> Sender:
    return unix_datagrams(address[0], _SEND_WAIT)


def _udp(address: tuple[str, int]) -> Sender:
    family, _, _, _, place = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        opened.connect(place)
        return Datagrams(opened, _SEND_WAIT)
    except OSError:
        opened.close()
        raise


def _tcp(address: tuple[str, int]) -> Sender:
    return Stream(socket.create_connection(address, _CONNECT_WAIT), _SEND_WAIT)


_OPEN: dict[str, Callable[[tuple[str, int]], Sender]] = {"unix": _unix, "udp": _udp, "tcp": _tcp}
