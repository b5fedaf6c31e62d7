"""The journal of systemd, by its native protocol: a datagram of fields (systemd.journal-fields(7), native protocol)."""

import functools
import os
import struct
from collections.abc import Sequence

from mailroot.edge.eventsto.forwarder import Said
from mailroot.edge.eventsto.outlet import Outlet, unix_datagrams
from mailroot.edge.eventsto.syslog import FACILITIES, PRIORITIES
from mailroot.mail.eventwords import shown

SOCKET = "/run/systemd/journal/socket"
_LENGTH = struct.Struct("<Q")


class Journal:
    """Sends events to the journal (`forwarder.Place`); what does not fit in at once is lost."""

    def __init__(self, facility: str, path: str = SOCKET) -> None:
        self._facility = FACILITIES[facility]
        self._outlet = Outlet(functools.partial(unix_datagrams, path, 0.0))

    def send(self, group: Sequence[Said]) -> int:
        """Send these; how many were taken: none where the journal is not there, fewer where it does not keep up."""
        return self._outlet.send([self._entry(said) for said in group])

    def close(self) -> None:
        """End."""
        self._outlet.close()

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
