"""The memory of hosts that failed: what cannot be reached is left alone for a short time."""

from collections import OrderedDict
from dataclasses import dataclass

from mailroot.mail.status import Status
from mailroot.routing.exchangers import Host

# Seconds for which a host is left alone: doubled with each failure in a row. Shorter than any retry interval in use.
FIRST_REST = 30.0
LONGEST_REST = 300.0
# A failure is forgotten when the host was left alone for so many times its rest.
_FORGET_AFTER = 4
_HOSTS = 10_000


@dataclass(slots=True)
class _Failure:
    until: float
    rest: float
    status: Status


class FailedHosts:
    """Which hosts failed a short time ago, and how. Times are seconds of a clock that never goes back."""

    def __init__(self) -> None:
        self._failures: OrderedDict[Host, _Failure] = OrderedDict()

    def failed(self, host: Host, status: Status, moment: float) -> None:
        """Remember that a host could not be used."""
        last = self._failures.pop(host, None)
        fresh = last is not None and moment < last.until + last.rest * _FORGET_AFTER
        rest = min(last.rest * 2, LONGEST_REST) if last is not None and fresh else FIRST_REST
        self._failures[host] = _Failure(moment + rest, rest, status)
        if len(self._failures) > _HOSTS:
            self._failures.popitem(last=False)

    def answered(self, host: Host) -> None:
        """Forget what a host did: it works."""
        self._failures.pop(host, None)

    def status(self, host: Host, moment: float) -> Status | None:
        """How the host failed, while it is to be left alone; None when it may be tried."""
        failure = self._failures.get(host)
        return failure.status if failure is not None and moment < failure.until else None
