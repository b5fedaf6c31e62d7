"""The journal of systemd, by its native protocol: a datagram of fields (systemd.journal-fields(7), native protocol)."""

import contextlib
import os
import socket
import struct

from mailroot.edge.eventsto.forwarder import Said
from mailroot.edge.eventsto.syslog import FACILITIES, PRIORITIES
from mailroot.mail.eventwords import shown

SOCKET = "/run/systemd/journal/socket"
_LENGTH = struct.Struct("<Q")


class Journal:
    """Sends events to the journal (`forwarder.Place`)."""

    def __init__(self, facility: str, path: str = SOCKET) -> None:
        self._path = path
        self._facility = FACILITIES[facility]
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def send(self, said: Said) -> bool:
        """Send one; False where the journal is not there, or does not keep up."""
        with contextlib.suppress(OSError):
            self._socket.sendto(self._entry(said), self._path)
            return True
        return False

    def close(self) -> None:
        """End."""
        self._socket.close()

    def _entry(self, said: Said) -> bytes:
        fields = {
            "MESSAGE": said.text,
            "PRIORITY": str(PRIORITIES[said.row.severity]),
            "SYSLOG_FACILITY": str(self._facility),
            "SYSLOG_IDENTIFIER": "mailroot",
            "SYSLOG_PID": str(os.getpid()),
            "SYSLOG_TIMESTAMP": said.at.isoformat(timespec="milliseconds"),
            "MAILROOT_EVENT": said.row.name,
        }
        if said.row.ident:
            fields |= {"MAILROOT_EVENT_SOURCE": "SMTPSVC", "MAILROOT_EVENT_ID": str(said.row.ident)}
        fields |= {f"MAILROOT_{name.upper()}": shown(value) for name, value in said.fields.items()}
        return b"".join(_field(name, text) for name, text in fields.items())


def _field(name: str, text: str) -> bytes:
    octets = text.encode()
    if b"\n" not in octets:
        return name.encode() + b"=" + octets + b"\n"
    return name.encode() + b"\n" + _LENGTH.pack(len(octets)) + octets + b"\n"
