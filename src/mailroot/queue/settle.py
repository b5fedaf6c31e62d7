"""What an attempt changes: who is served, who waits and until when, who is owed a notice."""

from dataclasses import dataclass

from mailroot.mail.status import Status
from mailroot.queue.entry import Pending


@dataclass(frozen=True, slots=True)
class Settled:
    """The consequences of one attempt on some recipients of an entry.

    `final` leave the entry, each with its outcome (delivered, relayed, expanded, failed; a recipient that expired is
    failed). `deferred` stay, as they are from now on. `delayed` are those of `deferred` whose sender is owed a delay
    notice now; `delay_reported` is already set in them.
    """

    key: str
    final: tuple[tuple[Pending, Status], ...]
    deferred: tuple[Pending, ...]
    delayed: tuple[Pending, ...]
