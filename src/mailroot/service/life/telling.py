"""Who hears of events, in a worker as in the supervisor: the one place where sinks are put together."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mailroot.edge.clock import utc_now
from mailroot.edge.eventsto.forwarder import Forwarder
from mailroot.edge.eventsto.journal import Journal
from mailroot.edge.eventsto.syslog import Syslog
from mailroot.edge.logs import open_log
from mailroot.edge.trace.keeping import Retention, TraceKeeper
from mailroot.mail.counters.layout import SLOTS, Tally
from mailroot.mail.fanout import Fanout, Sink
from mailroot.service.measure.counting import Counting
from mailroot.settings.eventsto import EventsTo
from mailroot.settings.service import Settings, Trace


def telling(settings: Settings, process: str, tallies: Mapping[str, Tally], *more: Sink) -> Fanout:
    """The fan-out of the events of this process, which is named so in them and counts in these tallies.

    `more` hear of them too. Made after a fork: sinks have threads.
    """
    return Fanout(utc_now, (*_sinks(settings, process, tallies), *more))


def _sinks(settings: Settings, process: str, tallies: Mapping[str, Tally]) -> Iterator[Sink]:
    yield Counting(tallies)
    lost = tallies[""].adder(SLOTS.events_lost)
    yield from _forwarders(settings.service.events_to, lost)
    log = open_log(settings.service.events, utc_now, process, lost, _keeper(settings.service.trace, process))
    if log is not None:
        yield log


def _forwarders(wanted: EventsTo, lost: Callable[[int], None]) -> Iterator[Sink]:
    facility = wanted.facility.value
    if wanted.journal:
        yield Forwarder(Journal(facility), wanted.least, lost, time.monotonic, "the journal")
    place = wanted.syslog
    if place is not None:
        syslog = Syslog(
            place.transport, (place.host, place.port), wanted.syslog_form.value, facility, socket.gethostname()
        )
        yield Forwarder(syslog, wanted.least, lost, time.monotonic, "syslog")


def _keeper(trace: Trace, process: str) -> TraceKeeper | None:
    if not trace.folder:
        return None
    return TraceKeeper(Path(trace.folder), process, Retention(trace.keep, trace.size), utc_now)
