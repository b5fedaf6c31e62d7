"""Hosts that offer chunks (RFC 3030) and have no use for them: firewalls in front of servers, above all.

Binary mail for them is converted where MIME allows it; where it does not, chunks are tried again.
"""

from collections.abc import Callable
from dataclasses import replace

from mailroot.routing.exchangers import Host
from mailroot.wire.client import Outcome
from mailroot.wire.offer import Offer

# Seconds for which a host is remembered; it may be mended. The oldest one goes where there are too many.
_KEPT = 3600.0
_MOST = 1000
_LOST = 2


class ChunklessHosts:
    """Remembers them, for one virtual server in one worker."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[Host, float] = {}
        self._doubts: dict[Host, int] = {}

    def heard(self, host: Host, outcome: Outcome) -> bool:
        """Learn from the outcome of a binary message; whether one that is stale may be tried again at once.

        A host that refused one is remembered; one that hung up is after the second time, for connections are lost for
        other reasons too.
        """
        if not outcome.unchunked:
            if not outcome.stale:
                self._doubts.pop(host, None)
            return True
        if len(self._doubts) >= _MOST:
            self._doubts.clear()
        self._doubts[host] = self._doubts.get(host, 0) + 1
        if not outcome.stale and self._doubts[host] < _LOST:
            return False
        known = self._knows(host)
        if len(self._until) >= _MOST:
            del self._until[next(iter(self._until))]
        self._until[host] = self._clock() + _KEPT
        return outcome.stale and not known

    def without(self, host: Host, offer: Offer) -> Offer:
        """What a host offers, without what it is known to have no use for."""
        return replace(offer, binary=False) if offer.binary and self._knows(host) else offer

    def _knows(self, host: Host) -> bool:
        return self._until.get(host, 0.0) > self._clock()
