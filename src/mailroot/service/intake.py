"""The way into the queue, for everything that takes mail: drafts, the commit, and the first delivery from memory."""

from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from mailroot.edge.files.contents import ContentFile
from mailroot.mail.address import Mailbox
from mailroot.mail.counters.layout import UNCOUNTED, Tally
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import StoreFailed
from mailroot.mail.header import Made, Trace
from mailroot.mail.message import Content
from mailroot.queue.entry import QueueEntry, SealedDraft
from mailroot.queue.store import QueueStore
from mailroot.routing.route import DropRoute
from mailroot.service.deliver.dispatcher import Dispatcher
from mailroot.service.receive.draft import Draft

# So many recipients are named in the event of an accepted message.
_MOST_NAMED = 100


class Taking:
    """Whom a message was taken for, as its client named them, and by which rules."""

    __slots__ = ("causes", "named")

    def __init__(self) -> None:
        self.named: list[str] = []
        self.causes: list[str] = []

    def add(self, address: str, cause: str) -> None:
        """One more recipient was taken."""
        self.named.append(address)
        if cause not in self.causes:
            self.causes.append(cause)


_NO_MARKS: Mapping[str, str] = MappingProxyType({})


@dataclass(slots=True)
class Intake:
    """What one virtual server has in one worker to take messages with.

    `local_now` is the moment in the machine's zone, for header fields. `filler` has 19 random letters or digits, made
    at the start; with the counter it makes a Message-ID unique.
    """

    key: str
    store: QueueStore
    create_content: Callable[[], ContentFile]
    dispatcher: Dispatcher
    emit: Emit
    now: Callable[[], datetime]
    local_now: Callable[[], datetime]
    over_quota: Callable[[DropRoute], bool]
    store_failed: Callable[[StoreFailed], None]
    filler: str
    pool: ThreadPoolExecutor
    count: Callable[[], int]
    tally: Tally = UNCOUNTED

    def draft(self, trace: Trace, sender: Mailbox | None) -> Draft:
        """An empty draft of a message that is about to come in."""
        return Draft(trace, self.made(sender), self.create_content, self.pool)

    def made(self, sender: Mailbox | None) -> Made:
        """What comes with one message's header."""
        return Made(self.local_now(), "" if sender is None else str(sender), self.filler, self.count())

    def room(self, content: Content) -> bool:
        """Whether a message of this size can be delivered from memory at once; otherwise it waits in the queue."""
        return self.dispatcher.room(content)

    def commit(self, draft: SealedDraft) -> Awaitable[QueueEntry | None]:
        """Make the message durable."""
        return self.store.commit(draft)

    def accepted(self, entry: QueueEntry, leased: bool, taking: Taking, marks: Mapping[str, str] = _NO_MARKS) -> None:
        """Tell of the message, and have its delivery begin with the loop's next turn: the client's 250 goes first."""
        self.emit(
            EVENTS.accepted,
            server=self.key,
            session=entry.origin.session,
            entry=entry.key,
            message_id=entry.message_id,
            sender=entry.envelope.sender_text,
            recipients=len(entry.envelope.recipients),
            size=entry.content.size,
            to=taking.named[:_MOST_NAMED],
            address=entry.origin.address,
            cause="; ".join(taking.causes),
            **marks,
        )
        if leased:
            self.dispatcher.begin(entry)
        else:
            self.dispatcher.wake()
