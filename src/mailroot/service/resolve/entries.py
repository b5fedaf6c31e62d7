"""What a directory makes of an entry of the queue before it is routed (`service.deliver.resolving.Resolver`).

Who gets the mail of a group, or of somebody with a copy elsewhere, joins the entry; a single other address is where the
mail goes instead, found anew at each attempt. Who joined was looked up then, and is not again.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Envelope, Notify, Recipient
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.status import Disposition, Status
from mailroot.policy.recipient import original_recipient
from mailroot.queue.entry import UNRESOLVED, Pending, QueueEntry
from mailroot.routing.directory.entry import address_key
from mailroot.routing.directory.resolve import Outcome, Resolution
from mailroot.service.deliver.resolving import Resolution as Resolved
from mailroot.service.deliver.resolving import Resolver
from mailroot.service.resolve.directory import Directory
from mailroot.service.rules import Rules

_Found = Mapping[Mailbox, Resolution]
# RFC 3463 section 3.3: of the class of success, "other mailbox status" is the nearest.
_EXPANDED = Status(Disposition.EXPANDED, "2.2.0", "The address stands for several recipients.")


class EntryResolver:
    """Asks the directory for one virtual server."""

    def __init__(self, key: str, directory: Directory, emit: Emit) -> None:
        self._key = key
        self.directory = directory
        self._emit = emit

    @property
    def returns(self) -> int:
        """How often the directory has come back."""
        return self.directory.returns

    def when_back(self, listen: Callable[[], None]) -> None:
        """Call `listen` each time that the directory answers again."""
        self.directory.when_back(listen)

    def known(self, entry: QueueEntry) -> Resolved | None:
        """What becomes of the entry, where what is remembered suffices: then nothing waits."""
        found: dict[Mailbox, Resolution] = {}
        for address in self._addresses(entry):
            resolution = self.directory.known(address)
            if resolution is None:
                return None
            found[address] = resolution
        return self._made(entry, found)

    async def resolve(self, entry: QueueEntry) -> Resolved:
        """What becomes of the entry; ends in bounded time."""
        addresses = list(self._addresses(entry))
        # Each question is shared with others, so that giving up here ends none.
        tasks = [asyncio.shield(self.directory.resolve(address)) for address in addresses]
        return self._made(entry, dict(zip(addresses, await asyncio.gather(*tasks), strict=True)))

    def _addresses(self, entry: QueueEntry) -> Iterable[Mailbox]:
        """What is to be looked up: recipients, and a sender of ours."""
        asked = dict.fromkeys(one.recipient.address for one in entry.pending if not one.added)
        sender = entry.envelope.sender
        if asked and sender is not None and self.directory.terms.local(sender):
            asked[sender] = None
        return asked

    def _made(self, entry: QueueEntry, found: _Found) -> Resolved:
        outcomes = [None if one.added else found[one.recipient.address] for one in entry.pending]
        if all(one is None or one.outcome is Outcome.SAME for one in outcomes):
            return Resolved(entry.pending, envelope=self._envelope(entry, found))
        sorting = _Sorting(entry)
        for one, resolution in zip(entry.pending, outcomes, strict=True):
            if resolution is None or resolution.outcome is Outcome.SAME:
                sorting.routed.append(one)
            else:
                self._tell(entry, resolution)
                sorting.take(one, resolution)
        return sorting.end(self._envelope(entry, found))

    def _envelope(self, entry: QueueEntry, found: _Found) -> Envelope:
        """The envelope as it goes on: a sender of ours has the address that the directory gives as the first."""
        envelope, sender = entry.envelope, entry.envelope.sender
        resolution = found.get(sender) if sender is not None else None
        if resolution is None or resolution.outcome is not Outcome.REPLACED:
            return envelope
        (mailbox,) = resolution.mailboxes
        return replace(envelope, sender=mailbox) if self.directory.terms.local(mailbox) else envelope

    def _tell(self, entry: QueueEntry, resolution: Resolution) -> None:
        self._emit(
            EVENTS.resolved,
            server=self._key,
            entry=entry.key,
            message_id=entry.message_id,
            recipient=str(resolution.address),
            outcome=resolution.outcome.value,
            recipients=len(resolution.mailboxes),
            cause=resolution.cause or resolution.steps[-1],
        )


class _Sorting:
    """Sorts the recipients of an entry by what becomes of them. Nobody gets a second copy."""

    def __init__(self, entry: QueueEntry) -> None:
        self._entry = entry
        self.routed: list[Pending] = []
        self._decided: dict[int, Status] = {}
        self._silent: list[int] = []
        self._added: list[Pending] = []
        self._waiting: list[Pending] = []
        self._instead: set[str] = set()

    def take(self, one: Pending, resolution: Resolution) -> None:
        """Add a recipient that does not stay as it is."""
        match resolution.outcome:
            case Outcome.REPLACED:
                self._replace(one, resolution.mailboxes[0])
            case Outcome.WAITING:
                self._waiting.append(replace(one, held=UNRESOLVED))
            case Outcome.EXPANDED:
                self._decided[one.number] = _EXPANDED
                self._added += _members(one, resolution.mailboxes)
            case _:
                assert resolution.status is not None
                self._decided[one.number] = resolution.status

    def end(self, envelope: Envelope) -> Resolved:
        """All together, once every recipient was taken."""
        standing = {
            address_key(recipient.address)
            for number, recipient in enumerate(self._entry.envelope.recipients)
            if self._decided.get(number) is not _EXPANDED
        }
        kept: dict[str, Pending] = {}
        for one in self._added:
            key = address_key(one.recipient.address)
            if key not in standing and key not in self._instead:
                kept.setdefault(key, one)
        return Resolved(
            tuple(self.routed),
            self._decided,
            tuple(self._silent),
            tuple(kept.values()),
            tuple(self._waiting),
            envelope,
        )

    def _replace(self, one: Pending, mailbox: Mailbox) -> None:
        key = address_key(mailbox)
        if key in self._instead or any(address_key(each.address) == key for each in self._entry.envelope.recipients):
            self._silent.append(one.number)
        else:
            self._instead.add(key)
            self.routed.append(replace(one, recipient=_replaced(one.recipient, mailbox)))


def resolver_of(rules: Rules, emit: Emit, former: Resolver | None = None) -> EntryResolver | None:
    """What asks the directory under these rules; the former one where it asks the same."""
    if rules.directory is None:
        return None
    if isinstance(former, EntryResolver) and former.directory is rules.directory:
        return former
    return EntryResolver(rules.key, rules.directory, emit)


def _replaced(recipient: Recipient, mailbox: Mailbox) -> Recipient:
    """RFC 3461 section 5.2.7.1: everything goes on with the one new address."""
    return Recipient(mailbox, recipient.notify, recipient.orcpt or original_recipient(recipient.address))


def _members(one: Pending, mailboxes: Iterable[Mailbox]) -> list[Pending]:
    """RFC 3461 section 5.2.7.3: success was reported as expansion, so members report failures and delays only."""
    notify = one.recipient.notify
    if notify is not None and Notify.SUCCESS in notify:
        notify = notify & ~Notify.SUCCESS
    orcpt = one.recipient.orcpt or original_recipient(one.recipient.address)
    return [
        Pending(0, Recipient(mailbox, notify, orcpt), one.due, delay_reported=one.delay_reported, added=True)
        for mailbox in mailboxes
    ]
