"""Where each shared count stands: sessions and outgoing connections by virtual server, connections by destination."""

from mailroot.edge.sharedcounts import DESTINATION_SLOTS
from mailroot.settings.service import Settings


def slots_for(settings: Settings) -> int:
    """How many slots these settings need."""
    return 2 * len(settings.servers) + DESTINATION_SLOTS


def sessions_slot(settings: Settings, key: str) -> int:
    """The slot of a virtual server's sessions."""
    return sorted(settings.servers).index(key)


def outgoing_slot(settings: Settings, key: str) -> int:
    """The slot of a virtual server's outgoing connections."""
    return len(settings.servers) + sessions_slot(settings, key)


def first_destination_slot(settings: Settings) -> int:
    """Where the slots of destinations begin."""
    return 2 * len(settings.servers)
