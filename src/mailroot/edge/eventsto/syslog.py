"""Syslog: lines of RFC 5424 or RFC 3164 to a Unix socket, by UDP (RFC 5426) or by TCP (RFC 6587, octet counting)."""

import functools
import os
import socket
from collections.abc import Callable, Sequence
from datetime import datetime

from mailroot.edge.clock import to_the_millisecond
from mailroot.edge.eventsto.forwarder import Said
from mailroot.edge.eventsto.outlet import Datagrams, Outlet, Sender, Stream, unix_datagrams
from mailroot.mail.events import EVENT_ROWS, EventRow, Severity

FACILITIES = {"mail": 2, "daemon": 3} | {f"local{number}": 16 + number for number in range(8)}  # RFC 5424 section 6.2.1
PRIORITIES = {Severity.DETAIL: 6, Severity.NOTICE: 5, Severity.WARNING: 4, Severity.ERROR: 3}
_CONNECT_WAIT, _SEND_WAIT = 2.0, 2.0
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # in no language of the machine


class Lines:
    """Makes lines, without their end. `form` is "rfc5424" or "rfc3164"; `host` is "" for the machine's own syslog.

    Make it in the process that uses it, whose number stands in each line.
    """

    def __init__(self, form: str, facility: str, host: str) -> None:
        self._moment, around = (to_the_millisecond, _rfc5424) if form == "rfc5424" else (_local_second, _rfc3164)
        self._around = {row.name: around(row, _priority(row, facility), host) for row in EVENT_ROWS}

    def __call__(self, said: Said) -> bytes:
        """The line of an event."""
        at, row, _, text = said
        before, behind = self._around[row.name]
        return b"".join((before, self._moment(at), behind, text.encode()))


def _priority(row: EventRow, facility: str) -> int:
    return FACILITIES[facility] * 8 + PRIORITIES[row.severity]


# What stands before the moment of an event, and what between that and its text.


def _rfc5424(row: EventRow, priority: int, host: str) -> tuple[bytes, bytes]:
    behind = f"Z {host or '-'} mailroot {os.getpid()} {row.name} - {_source(row)}"
    return b"<%d>1 " % priority, behind.encode()


def _rfc3164(row: EventRow, priority: int, host: str) -> tuple[bytes, bytes]:
    behind = f" {f'{host} ' if host else ''}mailroot[{os.getpid()}]: {_source(row)}"
    return b"<%d>" % priority, behind.encode()


def _source(row: EventRow) -> str:
    return f"SMTPSVC {row.ident}: " if row.ident else ""


def _local_second(at: datetime) -> bytes:
    local = at.astimezone()
    return f"{_MONTHS[local.month - 1]} {local.day:2d} {local:%H:%M:%S}".encode()


class Syslog:
    """Sends events to a syslog (`forwarder.Place`): `transport` is "unix", "udp" or "tcp"."""

    def __init__(self, transport: str, address: tuple[str, int], form: str, facility: str, host: str) -> None:
        """`address` is host and port, or a path and 0. `host` is this machine's name."""
        self._counted = transport == "tcp"
        self._line = Lines(form, facility, "" if transport == "unix" else host)
        self._outlet = Outlet(functools.partial(_OPEN[transport], address))

    def send(self, group: Sequence[Said]) -> int:
        """Send these; how many were taken."""
        lines = [self._line(said) for said in group]
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
