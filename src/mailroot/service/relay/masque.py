"""The envelope as other servers see it: with the masquerade domain, where the settings name one."""

import asyncio
from dataclasses import replace

from mailroot.mail.envelope import Envelope
from mailroot.mail.faults import Unavailable
from mailroot.mail.header import examine, header_end
from mailroot.mail.message import Content
from mailroot.queue.entry import QueueEntry
from mailroot.routing.domains import DomainTable
from mailroot.routing.masquerade import Masquerade, is_first_hop
from mailroot.settings.virtualserver import VirtualServer


class Masque:
    """Changes the sender of what leaves a virtual server for others; the message itself is never touched."""

    def __init__(self, masquerade: Masquerade) -> None:
        self._masquerade = masquerade

    async def over(self, entry: QueueEntry) -> Envelope:
        """The envelope of an entry, as it goes out. The header is read only where the sender might be hidden."""
        envelope = entry.envelope
        sender = envelope.sender
        if sender is None or not self._masquerade.hides(sender):
            return envelope
        content = entry.content
        received = _received(content) if content.in_memory else await asyncio.to_thread(_received, content)
        return replace(envelope, sender=self._masquerade.sender(sender)) if is_first_hop(received) else envelope


def masque_of(settings: VirtualServer) -> Masque | None:
    """The masque that the settings ask for; None without one."""
    domain = settings.delivery.masquerade_domain
    return Masque(Masquerade(domain, DomainTable(settings.domains))) if domain else None


def _received(content: Content) -> int:
    """How many Received fields the header has, as far as it can be read: what cannot be is found out by its sending."""
    begun = b""
    try:
        for piece in content.pieces():
            begun += piece
            end = header_end(begun, whole=False)
            if end >= 0:
                return examine(begun[:end]).received
    except Unavailable:
        return 0
    return examine(begun).received
