"""The memory of hosts that failed: what cannot be reached is left alone for a short time."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from mailroot.mail.status import Status

# Seconds for which a host is left alone: doubled with each failure in a row.
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
    """Which hosts failed a short time ago, and how. Times are seconds of a clock that never goes back.

    A host is what its user tells apart: the same address may do for one demand of security and fail for another.

    `longest_rest` must be shorter than the waits between attempts, or attempts would be made up from memory.
    """

    def __init__(self, longest_rest: float = LONGEST_REST) -> None:
        self._longest = min(longest_rest, LONGEST_REST)
        self._failures: OrderedDict[Hashable, _Failure] = OrderedDict()

    def failed(self, host: Hashable, status: Status, moment: float) -> None:
        """Remember that a host could not be used."""
        last = self._failures.pop(host, None)
        fresh = last is not None and moment < last.until + last.rest * _FORGET_AFTER
        rest = min(last.rest * 2 if last is not None and fresh else FIRST_REST, self._longest)
        self._failures[host] = _Failure(moment + rest, rest, status)
        if len(self._failures) > _HOSTS:
            self._failures.popitem(last=False)

    def answered(self, host: Hashable) -> None:
        """Forget what a host did: it works."""
        if self._failures:
            self._failures.pop(host, None)

    def forget(self) -> None:
        """Forget all failures."""
        self._failures.clear()

    def status(self, host: Hashable, moment: float) -> Status | None:
        """How the host failed, while it is to be left alone; None when it may be tried."""
        if not self._failures:
            return None
        failure = self._failures.get(host)
        return failure.status if failure is not None and moment < failure.until else None
