"""What a directory says of recipients before they are routed: a stage that costs nothing where there is none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from mailroot.mail.envelope import Envelope
from mailroot.mail.status import Status
from mailroot.queue.entry import Pending, QueueEntry


@dataclass(frozen=True, slots=True)
class Resolution:
    """What becomes of an entry's recipients.

    `pending` are routed, as they are. `outcome` has those by number of whom the directory decides: expanded, failed, or
    delayed because it could not be asked; they are settled and reported as after an attempt. `replaced` leave without a
    word, because the `added` have taken over what their sender wishes to hear. `added` join the entry in the same
    transaction. `waiting` are held until the directory answers. Every recipient of `entry.pending` is in one of these
    but `added`. `envelope` is the one that goes on, where it is another: a sender has another address, perhaps.
    """

    pending: tuple[Pending, ...]
    outcome: Mapping[int, Status] = field(default_factory=dict)
    replaced: tuple[int, ...] = ()
    added: tuple[Pending, ...] = ()
    waiting: tuple[Pending, ...] = ()
    envelope: Envelope | None = None

    def routed(self, entry: QueueEntry) -> QueueEntry:
        """The entry with those who are routed, as it goes on."""
        if self.pending is entry.pending and self.envelope in (None, entry.envelope):
            return entry
        return replace(entry, pending=self.pending, envelope=self.envelope or entry.envelope)


class Resolver(Protocol):
    """Asks a directory."""

    @property
    def returns(self) -> int:
        """How often the directory has come back."""

    def when_back(self, listen: Callable[[], None]) -> None:
        """Call `listen` each time that the directory answers again."""

    def known(self, entry: QueueEntry) -> Resolution | None:
        """What becomes of `entry.pending`, where that is known without asking."""

    async def resolve(self, entry: QueueEntry) -> Resolution:
        """What becomes of `entry.pending`. Nothing is raised but programming mistakes and cancellation."""
