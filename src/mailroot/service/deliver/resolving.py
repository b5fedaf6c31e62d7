"""What a directory says of recipients before they are routed: a stage that costs nothing where there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from mailroot.mail.status import Status
from mailroot.queue.entry import Pending, QueueEntry


@dataclass(frozen=True, slots=True)
class Resolution:
    """What becomes of an entry's recipients.

    `pending` are routed, as they are. `outcome` has those by number of whom the directory decides: expanded, failed, or
    delayed because it could not be asked; they are settled and reported as after an attempt. `replaced` leave without a
    word, because the `added` have taken over what their sender wishes to hear. `added` join the entry in the same
    transaction. Every recipient of `entry.pending` is in one of the first three.
    """

    pending: tuple[Pending, ...]
    outcome: Mapping[int, Status] = field(default_factory=dict)
    replaced: tuple[int, ...] = ()
    added: tuple[Pending, ...] = ()


class Resolver(Protocol):
    """Asks a directory."""

    async def resolve(self, entry: QueueEntry) -> Resolution:
        """What becomes of `entry.pending`. Nothing is raised but programming mistakes and cancellation."""
