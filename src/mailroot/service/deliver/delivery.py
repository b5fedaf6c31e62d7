"""Deliveries, and what carries them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from mailroot.mail.status import Status
from mailroot.queue.entry import Pending, QueueEntry
from mailroot.routing.route import Route


@dataclass(frozen=True, slots=True)
class Delivery:
    """One entry's recipients that share a route: one SMTP transaction, or one Drop file."""

    entry: QueueEntry
    pending: tuple[Pending, ...]
    route: Route


class Carrier(Protocol):
    """Takes deliveries one hop further."""

    async def carry(self, delivery: Delivery) -> Mapping[int, Status]:
        """The outcome for each recipient, by `Pending.number`; every one of them is in it.

        "Delivered" and "relayed" mean durable at the other side. Failures of the other side are statuses; nothing is
        raised but programming mistakes and cancellation.
        """
