"""Where each shared count stands: sessions and connections by virtual server, connections by destination, guesses."""

from mailroot.edge.sharedcounts import DESTINATION_SLOTS, SharedCounts, destination_slot
from mailroot.edge.sharedrates import RATE_SLOTS
from mailroot.service.relay.connections import reserve
from mailroot.settings.service import Settings


def slots_for(settings: Settings) -> int:
    """How many slots these settings need."""
    return guesses_slot(settings) + 2 * RATE_SLOTS


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


class SharedLimit:
    """Outgoing connections of a virtual server, counted over all workers (`ConnectionLimit`)."""

    def __init__(self, counts: SharedCounts, worker: int, settings: Settings, key: str) -> None:
        delivery = settings.servers[key].delivery
        self._counts = counts
        self._worker = worker
        self._all = outgoing_slot(settings, key)
        self._destinations = first_destination_slot(settings)
        self._total = delivery.connection_limit
        self._each = delivery.connection_limit_per_domain

    def take(self, destination: str) -> bool:
        """Whether one more connection may be opened to the destination; if so, it is counted."""
        slot = self._destinations + destination_slot(destination)
        own = self._counts.total(slot)
        if self._total and self._counts.total(self._all) >= self._total - (reserve(self._total) if own else 0):
            return False
        if self._each and own >= self._each:
            return False
        self._counts.add(self._worker, self._all, 1)
        self._counts.add(self._worker, slot, 1)
        return True

    def give(self, destination: str) -> None:
        """A connection that was taken has ended."""
        self._counts.add(self._worker, self._all, -1)
        self._counts.add(self._worker, self._destinations + destination_slot(destination), -1)
