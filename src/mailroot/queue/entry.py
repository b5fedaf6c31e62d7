"""Entries of the queue, and drafts of them."""

from dataclasses import dataclass
from datetime import datetime

from mailroot.mail.envelope import Envelope, Recipient
from mailroot.mail.message import Content
from mailroot.mail.status import Status

# Why a recipient is held: an operator froze it, its domain's server is to ask for its mail (ETRN, ATRN, TURN),
FROZEN = "operator"
AWAITED = "domain"
# or a directory is to say who gets its mail, and does not answer.
UNRESOLVED = "directory"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message came from.

    `source` is "smtp", "submission" (by SMTP, from a client that may relay), "pickup" or "report". `hello` is what the
    client called itself, "" where it did not. `address` is the client's, "" without one. `session` identifies the
    session in the events.
    """

    source: str
    hello: str = ""
    address: str = ""
    session: str = ""


@dataclass(frozen=True, slots=True)
class SealedDraft:
    """A complete message that is to become an entry.

    `content` is whole; where it is a file, that file is synced, its folder too, and it belongs to the store from the
    commit on. `claim` is unique over time (a Pickup file's claim key): a second draft with the same claim is not
    committed again; None where the source cannot repeat itself. `lease` asks that the new entry be leased to its
    committer at once, so that it is delivered from memory.
    """

    envelope: Envelope
    content: Content
    origin: Origin
    arrived: datetime
    message_id: str
    claim: str | None = None
    lease: bool = True


@dataclass(frozen=True, slots=True)
class Pending:
    """A recipient that is still to be served.

    `number` is its place in the envelope, from 0, and never changes. `attempts` counts those that were made. `due` is
    when the next one may begin. `delay_reported` tells whether its sender had a delay notice. `last` is the outcome
    of the latest attempt; None before the first. `held` is "", `FROZEN`, `AWAITED` or `UNRESOLVED`: who is held is not
    tried; its `due` is when its sender is owed a notice, or the end. `via` is a route that an operator chose, as
    settings write smart hosts; "" for the usual one.
    """

    number: int
    recipient: Recipient
    due: datetime
    attempts: int = 0
    delay_reported: bool = False
    last: Status | None = None
    held: str = ""
    via: str = ""
    added: bool = False
    """It joined the entry by a settlement, so that a directory has spoken of it already."""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A committed message with its unserved recipients.

    `key` is unique over time in all shards of one virtual server, and names the entry to people and in Drop files.
    `envelope.recipients` is complete as it was accepted, followed by those that settlements added; `pending` is what is
    left of it. `failures` counts how often working on the entry made a worker fail (guarantee G6).
    """

    key: str
    envelope: Envelope
    content: Content
    origin: Origin
    arrived: datetime
    message_id: str
    pending: tuple[Pending, ...]
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on some recipients of an entry until a time.

    `entry.pending` holds exactly the recipients that are leased.
    """

    entry: QueueEntry
    until: datetime


@dataclass(frozen=True, slots=True)
class Settlement:
    """Everything that one attempt changes, applied atomically: all of it or nothing.

    `served` are the numbers of the recipients that leave the entry; `deferred` those that stay: one whose `held` is ""
    stays as held as it was, and `via` is not changed. `added` join the entry, unleased (members of a group, a new
    address of somebody); the store gives them their numbers. `reports` are committed in the same transaction
    (guarantee G5). An entry without recipients leaves the queue, its content too.
    """

    key: str
    served: tuple[int, ...] = ()
    deferred: tuple[Pending, ...] = ()
    reports: tuple[SealedDraft, ...] = ()
    added: tuple[Pending, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """One waiting recipient as an operator sees it, and as a `Selection` looks at it.

    `due` is None while it is leased, and where its entry is damaged. `status` is the code of `last`, "" where it was
    not tried. The rest is as in `Pending` and `QueueEntry`.
    """

    key: str
    sender: str
    recipient: str
    size: int
    arrived: datetime
    due: datetime | None = None
    attempts: int = 0
    status: str = ""
    last: str = ""
    message_id: str = ""
    recipient_number: int = 0
    held: str = ""
    via: str = ""
    delay_reported: bool = False
    leased: bool = False
