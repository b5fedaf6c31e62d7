"""Where events go besides the event log: the system's journal and syslog."""

import enum
import re
from dataclasses import dataclass
from typing import Annotated

from mailroot.mail.events import Severity
from mailroot.settings.option import Applies, option, strict
from mailroot.settings.spelling import Flag, Spelling, choice

_RESTART = Applies.SERVICE
_PLACE = re.compile(r"(udp|tcp)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII)
# RFC 5426 section 3.3; RFC 6587 names no port for TCP, and 514 of TCP belongs to another protocol.
_PORTS = {"udp": 514, "tcp": 601}


@dataclass(frozen=True, slots=True)
class SyslogPlace:
    """A syslog: a Unix socket (`transport` "unix", `host` its path), or a host and port by "udp" or "tcp"."""

    transport: str
    host: str
    port: int = 0

    def __str__(self) -> str:
        if self.transport == "unix":
            return self.host
        return f"{self.transport}://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


class SyslogForm(enum.Enum):
    """How a line of syslog is written."""

    RFC_5424 = "rfc5424"
    RFC_3164 = "rfc3164"


class Facility(enum.Enum):
    """Which part of the system a line of syslog is said to come from."""

    MAIL = "mail"
    DAEMON = "daemon"
    LOCAL0 = "local0"
    LOCAL1 = "local1"
    LOCAL2 = "local2"
    LOCAL3 = "local3"
    LOCAL4 = "local4"
    LOCAL5 = "local5"
    LOCAL6 = "local6"
    LOCAL7 = "local7"


def _parse_place(value: object) -> SyslogPlace | None:
    if value == "":
        return None
    wanted = '"/dev/log", "udp://192.0.2.5" or "tcp://logs.example:601" is wanted'
    if not isinstance(value, str):
        raise ValueError(wanted)
    if value.startswith("/"):
        return SyslogPlace("unix", value)
    found = _PLACE.fullmatch(value)
    if found is None:
        raise ValueError(wanted)
    transport, host, port = found.groups()
    number = int(port) if port else _PORTS[transport]
    if not 1 <= number <= 65535:
        raise ValueError("a port from 1 to 65535 is wanted")
    return SyslogPlace(transport, host.strip("[]"), number)


PLACE = Spelling("syslog", _parse_place, lambda value: "" if value is None else str(value), '"/dev/log"')


@strict
@dataclass(frozen=True, slots=True)
class EventsTo:
    """The places to which events go too. `syslog` is None where there is none."""

    journal: Flag = option(False, "Whether events go to the journal of systemd.", applies=_RESTART)
    syslog: Annotated[SyslogPlace | None, PLACE] = option(
        None,
        'A syslog that has events too: "/dev/log", "udp://HOST:PORT", "tcp://HOST:PORT".',
        applies=_RESTART,
        caption="Syslog server",
    )
    syslog_form: Annotated[SyslogForm, choice(SyslogForm)] = option(
        SyslogForm.RFC_5424,
        "The form of the lines for syslog.",
        applies=_RESTART,
        caption="Form of the lines for syslog",
    )
    facility: Annotated[Facility, choice(Facility)] = option(
        Facility.MAIL,
        "Which part of the system the lines are said to come from.",
        applies=_RESTART,
        caption="Syslog facility",
    )
    least: Annotated[Severity, choice(Severity)] = option(
        Severity.NOTICE,
        "The least severity that goes to the journal and to syslog.",
        applies=_RESTART,
        caption="Lowest severity sent to journal and syslog",
    )
