"""The settings as a whole, and the options of the service itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from mailroot.settings.eventsto import EventsTo
from mailroot.settings.option import Applies, option, section, strict
from mailroot.settings.places import LISTEN, WEB_PLACE, Binding
from mailroot.settings.spelling import Duration, File, Folder, Size, Text, choice, count
from mailroot.settings.virtualserver import Start, VirtualServer

_RESTART = Applies.SERVICE


@strict
@dataclass(frozen=True, slots=True)
class Trace:
    """What `mailroot trace` finds. `folder` is absolute or "" once the file was read."""

    folder: Folder = option(
        "Logs/trace", "The folder of the trace; empty: none is kept.", applies=_RESTART, caption="Folder of the trace"
    )
    keep: Duration = option(
        timedelta(days=30), "How long the trace of a message is kept.", applies=_RESTART, caption="Keep the trace for"
    )
    size: Size = option(
        2 << 30,
        "How much the trace may hold; the oldest part goes first; 0: no limit.",
        applies=_RESTART,
        caption="Size limit of the trace",
    )


@strict
@dataclass(frozen=True, slots=True)
class Service:
    """Processes, queue, events, figures. Once the file was read, `workers` is at least 1, `events` absolute or ""."""

    workers: Annotated[int, count(0, 256)] = option(
        0,
        "How many worker processes there are; 0: one for each core that the service may use.",
        applies=_RESTART,
        caption="Worker processes",
    )
    run_as: Text = option(
        "",
        "The account that the workers run under once the ports are bound; empty: the one that starts them.",
        applies=_RESTART,
        caption="Run the workers as account",
    )
    queue: Text = option("embedded", 'Where the queue is kept: "embedded" or "postgresql://...".', applies=_RESTART)
    start: Annotated[Start, choice(Start)] = option(
        Start.AUTOMATIC,
        "Whether the virtual servers start with the service's process, when asked to, or never.",
        caption="Start of the virtual servers",
    )
    events: Folder = option(
        "Logs", "The folder of the event log; empty: none is kept.", applies=_RESTART, caption="Folder of the event log"
    )
    events_to: EventsTo = section(EventsTo, "Where events go besides the event log.", applies=_RESTART)
    metrics: Annotated[Binding | None, LISTEN] = option(
        None,
        "Where the figures can be scraped by Prometheus, at /metrics, without a sign-in; empty: nowhere.",
        applies=_RESTART,
        caption="Address and port for Prometheus",
    )
    history: Folder = option(
        "Logs/history",
        "The folder of past figures, from which pictures are drawn; empty: none are kept.",
        applies=_RESTART,
        caption="Folder of past figures",
    )
    trace: Trace = section(Trace, "The trace of messages and sessions.")
    shutdown_timeout: Duration = option(
        timedelta(seconds=8),
        "How long transactions that are under way may take when the service ends.",
        caption="Wait for transactions when the service ends",
    )


@strict
@dataclass(frozen=True, slots=True)
class Admin:
    """Administration by browser and REST. `listen` is None where there is none.

    Once the file was read, `operators` is absolute, and so are `audit`, `certificate` and `key` unless they are "".
    """

    listen: Annotated[Binding | None, LISTEN] = option(
        Binding("127.0.0.1", 8025),
        "Where the web console and REST listen; empty: nowhere. Beyond this machine they speak TLS only.",
        applies=_RESTART,
        caption="Address and port of the console",
    )
    public_url: Annotated[str, WEB_PLACE] = option(
        "",
        "The address under which people reach the console, where a proxy stands before it; empty: that of `listen`.",
        applies=_RESTART,
        caption="Public address of the console",
    )
    certificate: File = option(
        "", "The certificate for TLS, a PEM file; empty: one that signed itself is made.", applies=_RESTART
    )
    key: File = option(
        "",
        "The certificate's key, where it is in another file.",
        applies=_RESTART,
        caption="Private key of the certificate",
    )
    operators: File = option(
        "Operators",
        "The file of operators and tokens; `mailroot operator` changes it.",
        applies=_RESTART,
        caption="File of operators and tokens",
    )
    audit: Folder = option(
        "Logs/audit",
        "The folder of the record of who changed what; empty: none is kept.",
        applies=_RESTART,
        caption="Folder of the record of changes",
    )
    idle: Duration = option(
        timedelta(minutes=30),
        "How long a sign-in by browser lasts without being used.",
        applies=_RESTART,
        caption="Sign out when idle for",
    )
    longest: Duration = option(
        timedelta(hours=12),
        "How long a sign-in by browser lasts at most.",
        applies=_RESTART,
        caption="Sign out in any case after",
    )


@strict
@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that was set. `revision` grows with every reload; `folder` is the settings file's, absolute."""

    service: Service = section(Service, "The service as a whole.")
    admin: Admin = section(Admin, "Administration.")
    servers: Mapping[str, VirtualServer] = section(dict, "The virtual servers, by their short names.")
    revision: int = 0
    folder: str = ""

    @property
    def instances(self) -> Mapping[str, str]:
        """The predecessor's names of the virtual servers, which protocol logs use: SMTPSVC1, SMTPSVC2 and so on."""
        return {key: f"SMTPSVC{number}" for number, key in enumerate(self.servers, 1)}
