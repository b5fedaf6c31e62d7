"""Who hears of events, in a worker as in the supervisor: the one place where sinks are put together."""

from collections.abc import Iterator, Mapping

from mailroot.edge.clock import utc_now
from mailroot.edge.logs import open_log
from mailroot.mail.counters.layout import Tally
from mailroot.mail.fanout import Fanout, Sink
from mailroot.service.measure.counting import Counting
from mailroot.settings.service import Settings


def telling(settings: Settings, process: str, tallies: Mapping[str, Tally]) -> Fanout:
    """The fan-out of the events of this process, which is named so in them and counts in these tallies.

    Made after a fork: sinks have threads.
    """
    return Fanout(utc_now, _sinks(settings, process, tallies))


def _sinks(settings: Settings, process: str, tallies: Mapping[str, Tally]) -> Iterator[Sink]:
    yield Counting(tallies)
    log = open_log(settings.service.events, utc_now, process)
    if log is not None:
        yield log
