"""Who is owed a report for what became of recipients, and the drafts of those reports (RFC 3461 section 6).

Not responsible for the shape of reports (`mail.report`) or for Badmail: what goes there is named in the result.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Envelope, Notify, Recipient
from mailroot.mail.faults import Unavailable
from mailroot.mail.header import new_message_id
from mailroot.mail.message import BytesContent, Content
from mailroot.mail.report import QUOTED_LIMIT, Kind, Making, Original, Outcome, Report, compose
from mailroot.mail.status import Disposition, Status
from mailroot.queue.entry import Origin, Pending, QueueEntry, SealedDraft
from mailroot.queue.settle import Settled

# More reports than this go to one sender only in the next minute's quota; the rest goes to Badmail.
REPORTS_PER_MINUTE = 100
_MINUTE = timedelta(minutes=1)
# How many senders the cap remembers; the one seen longest ago is forgotten first.
_SENDERS = 10_000

_DEFAULT = Notify.FAILURE | Notify.DELAY  # RFC 3461 section 4.1: where the client did not say
_WISH = {
    Kind.FAILURE: Notify.FAILURE,
    Kind.DELAY: Notify.DELAY,
    Kind.SUCCESS: Notify.SUCCESS,
    Kind.RELAY: Notify.SUCCESS,
    Kind.EXPANSION: Notify.SUCCESS,
}
_KINDS = {
    Disposition.FAILED: Kind.FAILURE,
    Disposition.DELIVERED: Kind.SUCCESS,
    Disposition.RELAYED: Kind.RELAY,
    Disposition.EXPANDED: Kind.EXPANSION,
}


Expires = Callable[[Pending], datetime]


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """A failed recipient whose sender cannot be told: the message goes to Badmail."""

    pending: Pending
    status: Status
    cause: str


@dataclass(frozen=True, slots=True)
class Made:
    """A report's draft, whom it is about and its kind, for the event."""

    draft: SealedDraft
    kind: Kind
    about: tuple[Pending, ...]


@dataclass(frozen=True, slots=True)
class Reported:
    """What follows from a settlement for reports.

    `made` are the reports in their order, copies included. `badmail` and `unreported` name the recipients without a
    report, each with its cause; a success that nobody asked to hear of is in neither. `storm` is the sender whose
    reports have just reached the limit of this minute; "" otherwise.
    """

    made: tuple[Made, ...] = ()
    badmail: tuple[Undeliverable, ...] = ()
    unreported: tuple[tuple[Pending, str], ...] = ()
    storm: str = ""

    @property
    def drafts(self) -> tuple[SealedDraft, ...]:
        """The reports as `Settlement.reports` takes them."""
        return tuple(made.draft for made in self.made)


@dataclass(frozen=True, slots=True)
class Identity:
    """In whose name reports are made.

    `domain` is the default (or masquerade) domain; `copy_to` gets a copy of each failure report, None: nobody. Dates
    are written in `zone`; None is the machine's own.
    """

    fqdn: str
    domain: str
    copy_to: Mailbox | None = None
    zone: tzinfo | None = None


@dataclass(frozen=True, slots=True)
class Naming:
    """What makes names unique: 16 hexadecimal digits and 19 letters or digits of this run, and a counter."""

    run: str
    filler: str
    count: Callable[[], int]


class StormCap:
    """Counts the reports to each sender within a minute. Its memory is bounded; each worker has its own."""

    def __init__(self, limit: int = REPORTS_PER_MINUTE) -> None:
        self._limit = limit
        self._windows: dict[str, tuple[datetime, int]] = {}

    def admit(self, sender: str, now: datetime) -> int:
        """How far one more report at `now` is beyond the sender's limit: 0 may pass, 1 is the first that may not."""
        begin, count = self._windows.pop(sender, (now, 0))
        if now - begin >= _MINUTE:
            begin, count = now, 0
        if len(self._windows) >= _SENDERS:
            del self._windows[next(iter(self._windows))]
        self._windows[sender] = begin, count + 1
        return max(0, count + 1 - self._limit)


class Reporting:
    """Makes the reports of one virtual server."""

    def __init__(self, identity: Identity, naming: Naming, cap: StormCap) -> None:
        self._identity = identity
        self._naming = naming
        self._cap = cap

    def reports_for(self, entry: QueueEntry, settled: Settled, now: datetime, expires: Expires) -> Reported:
        """The reports that the consequences of an attempt call for; recipients of one kind share one.

        `expires` says when trying ends for one that is delayed. Reads up to `QUOTED_LIMIT` octets of the content
        where a report is due: call it in a thread where the content is not in memory.
        """
        sender = entry.envelope.sender
        if sender is None:
            return _without_sender(settled)
        case = _Case(entry, sender, now, expires)
        result = _Collected()
        for kind, outcomes in _by_kind(settled):
            wished = [(pending, status) for pending, status in outcomes if _wishes(pending.recipient, kind)]
            if kind in (Kind.FAILURE, Kind.DELAY):
                refused = [pending for pending, _ in outcomes if not _wishes(pending.recipient, kind)]
                result.unreported += [(pending, "The sender asked for no such report") for pending in refused]
            if wished:
                self._report(kind, case, wished, result)
        return result.reported()

    def _report(self, kind: Kind, case: "_Case", outcomes: "_Outcomes", result: "_Collected") -> None:
        beyond = self._cap.admit(str(case.sender), case.now)
        if beyond:
            result.cap(kind, outcomes, str(case.sender) if beyond == 1 else "")
            return
        message_id = new_message_id(self._identity.fqdn, self._naming.filler, self._naming.count())
        report = self._compose(kind, case, outcomes, message_id)
        about = tuple(pending for pending, _ in outcomes)
        result.made.append(Made(_draft(report, case.sender, case.now, message_id), kind, about))
        copy_to = self._identity.copy_to
        if kind is Kind.FAILURE and copy_to is not None and copy_to != case.sender:
            result.made.append(Made(_draft(report, copy_to, case.now, message_id), kind, about))

    def _compose(self, kind: Kind, case: "_Case", outcomes: "_Outcomes", message_id: str) -> Report:
        identity, naming = self._identity, self._naming
        local = case.now.astimezone(identity.zone)
        making = Making(identity.fqdn, identity.domain, local, message_id, naming.run, naming.count())
        delayed = kind is Kind.DELAY
        told = [
            Outcome(pending.recipient, status, case.expires(pending) if delayed else None)
            for pending, status in outcomes
        ]
        return compose(kind, _original(case.entry, case.sender), told, making)


_Outcomes = Sequence[tuple[Pending, Status]]


@dataclass(frozen=True, slots=True)
class _Case:
    """The message whose recipients are settled, and the moments of the settlement."""

    entry: QueueEntry
    sender: Mailbox
    now: datetime
    expires: Expires


class _Collected:
    """A result while it grows."""

    def __init__(self) -> None:
        self.made: list[Made] = []
        self.badmail: list[Undeliverable] = []
        self.unreported: list[tuple[Pending, str]] = []
        self.storm = ""

    def cap(self, kind: Kind, outcomes: Sequence[tuple[Pending, Status]], storm: str) -> None:
        """Note recipients whose report is one too many: failures go to Badmail."""
        cause = "Too many reports to this sender within a minute"
        self.storm = self.storm or storm
        if kind is Kind.FAILURE:
            self.badmail += [Undeliverable(pending, status, cause) for pending, status in outcomes]
        self.unreported += [(pending, cause) for pending, _ in outcomes]

    def reported(self) -> Reported:
        return Reported(tuple(self.made), tuple(self.badmail), tuple(self.unreported), self.storm)


def _without_sender(settled: Settled) -> Reported:
    """Nobody is told of what happens to a message from the null sender (RFC 5321 section 4.5.5)."""
    failed = [(pending, status) for pending, status in settled.final if status.disposition is Disposition.FAILED]
    cause = "The message has the null sender, so nobody can be told"
    return Reported(
        badmail=tuple(Undeliverable(pending, status, cause) for pending, status in failed),
        unreported=tuple((pending, cause) for pending, _ in failed),
    )


def _by_kind(settled: Settled) -> Iterator[tuple[Kind, list[tuple[Pending, Status]]]]:
    kinds: dict[Kind, list[tuple[Pending, Status]]] = {}
    for pending, status in settled.final:
        # RFC 3461 section 6.2.4: who took the wish over reports the success by itself.
        if not (status.disposition is Disposition.RELAYED and status.dsn_passed_on):
            kinds.setdefault(_KINDS[status.disposition], []).append((pending, status))
    delayed = [(pending, pending.last or _UNTRIED) for pending in settled.delayed]
    if delayed:
        kinds[Kind.DELAY] = delayed
    yield from kinds.items()


_UNTRIED = Status(Disposition.DELAYED, "4.4.7", "The message waits to be tried.")


def _wishes(recipient: Recipient, kind: Kind) -> bool:
    notify = _DEFAULT if recipient.notify is None else recipient.notify
    return bool(notify & _WISH[kind])


def _original(entry: QueueEntry, sender: Mailbox) -> Original:
    envelope = entry.envelope
    quoted, readable = _beginning(entry.content)
    return Original(
        sender=sender,
        hello=entry.origin.hello,
        arrived=entry.arrived,
        quoted=quoted,
        whole=readable and entry.content.size <= QUOTED_LIMIT,
        body=envelope.body,
        ret=envelope.ret,
        envid=envelope.envid,
        message_id=entry.message_id,
    )


def _beginning(content: Content) -> tuple[bytes, bool]:
    """What a report may quote. False where the content is damaged: a sender is told with what can be read of it."""
    taken: list[bytes] = []
    size = 0
    try:
        for piece in content.pieces():
            taken.append(piece)
            size += len(piece)
            if size >= QUOTED_LIMIT:
                break
    except Unavailable:
        return b"".join(taken)[:QUOTED_LIMIT], False
    return b"".join(taken)[:QUOTED_LIMIT], True


def _draft(report: Report, recipient: Mailbox, now: datetime, message_id: str) -> SealedDraft:
    """The report's draft: from the null sender, and never the cause of another report (RFC 3464 section 2)."""
    envelope = Envelope(None, (Recipient(recipient, Notify.NEVER),), report.body, report.smtputf8)
    return SealedDraft(envelope, BytesContent(report.content), Origin("report"), now, message_id)
