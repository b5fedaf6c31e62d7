"""Where each shared count stands: sessions and connections by virtual server, connections by destination, guesses."""

from mailroot.edge.sharedcounts import DESTINATION_SLOTS, SharedCounts, destination_slot
from mailroot.edge.sharedrates import RATE_SLOTS
from mailroot.edge.sharedturns import LASTING_SLOTS
from mailroot.service.relay.connections import allows
from mailroot.settings.service import Settings


def slots_for(settings: Settings) -> int:
    """How many slots these settings need."""
    return turns_slot(settings) + LASTING_SLOTS


def sessions_slot(settings: Settings, key: str) -> int:
    """The slot of a virtual server's sessions."""
    return sorted(settings.servers).index(key)


def outgoing_slot(settings: Settings, key: str) -> int:
    """The slot of a virtual server's outgoing connections."""
    return len(settings.servers) + sessions_slot(settings, key)


def first_destination_slot(settings: Settings) -> int:
    """Where the slots of destinations begin."""
    return 2 * len(settings.servers)


def guesses_slot(settings: Settings) -> int:
    """Where the slots of failed sign-ins begin; those of successful ones follow."""
    return first_destination_slot(settings) + DESTINATION_SLOTS


def turns_slot(settings: Settings) -> int:
    """Where the slots of destinations' turns begin; what they count holds when a worker dies, so they are the last."""
    return guesses_slot(settings) + 2 * RATE_SLOTS


def connection_levels(counts: SharedCounts, settings: Settings, key: str) -> dict[str, float]:
    """How many connections a virtual server has at this moment, by the names of counters."""
    return {
        "inbound_connections_current": counts.total(sessions_slot(settings, key)),
        "outbound_connections_current": counts.total(outgoing_slot(settings, key)),
    }


class SharedLimit:
    """Outgoing connections of a virtual server, counted over all workers (`ConnectionLimit`)."""

    def __init__(self, counts: SharedCounts, worker: int, settings: Settings, key: str) -> None:
        delivery = settings.servers[key].delivery
        self._counts = counts
        self._worker = worker
        self._all = outgoing_slot(settings, key)
        self._destinations = first_destination_slot(settings)
        self._total = delivery.connection_limit

    def take(self, destination: str, most: int) -> bool:
        """Whether one more connection may be opened to the destination; if so, it is counted.

        It is counted first: of two workers that ask in the same instant, both may be denied, but never one too many
        have it.
        """
        slot = self._destinations + destination_slot(destination)
        self._counts.add(self._worker, self._all, 1)
        self._counts.add(self._worker, slot, 1)
        own, every = self._counts.total(slot), self._counts.total(self._all)
        if allows(self._total, every, most, own):
            return True
        self.give(destination)
        return False

    @property
    def full(self) -> bool:
        """Whether there are as many connections as may be, to all destinations together."""
        return 0 < self._total <= self._counts.total(self._all)

    def give(self, destination: str) -> None:
        """A connection that was taken has ended."""
        self._counts.add(self._worker, self._all, -1)
        self._counts.add(self._worker, self._destinations + destination_slot(destination), -1)
