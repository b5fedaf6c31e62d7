"""Who gets the mail for an address, as a conversation without I/O: questions go out, entries come in.

The generator yields questions and is sent their answers, in the same order. Groups are expanded to their members, those
of groups in them too; each entry is looked at once, so circles end; everybody gets one copy. The steps say in words
what was asked and what was made of the answers.
"""

import enum
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

from mailroot.mail.address import Mailbox
from mailroot.mail.status import Disposition, Status
from mailroot.routing.directory.entry import Entry, address_key, name_key
from mailroot.routing.directory.questions import Answer, ByAddress, ByName, NoAnswer, Question
from mailroot.settings.domains import Domain, DomainType

_MOST_STEPS = 200
# A person is known under each of our domains; more of them than these are not tried.
_MOST_DOMAINS = 10
_ALWAYS_THERE = "postmaster"  # RFC 5321 section 4.5.1


class Outcome(enum.Enum):
    """What became of an address."""

    SAME = "same"
    REPLACED = "replaced"
    EXPANDED = "expanded"
    FAILED = "failed"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every address of a virtual server. `homes` are the local domains, the default one first."""

    homes: tuple[str, ...]
    group_limit: int = 0
    refuse_disabled: bool = True

    def names(self, address: Mailbox) -> tuple[Mailbox, ...]:
        """The address, and where its domain is local, the same one in our other domains, which are aliases."""
        if address.domain_key not in self.homes:
            return (address,)
        others = [home for home in self.homes if home != address.domain_key][: _MOST_DOMAINS - 1]
        return (address, *(address.at(home) for home in others))

    def local(self, address: Mailbox) -> bool:
        """Whether the address is one of ours."""
        return address.domain_key in self.homes


@dataclass(frozen=True, slots=True)
class Resolution:
    """The end of it. `mailboxes` get the mail; where it failed, `status` says why; where it waits, `cause` does."""

    address: Mailbox
    outcome: Outcome
    mailboxes: tuple[Mailbox, ...] = ()
    status: Status | None = None
    cause: str = ""
    steps: tuple[str, ...] = ()


Conversation = Generator[tuple[Question, ...], Sequence[Answer], Resolution]


def terms_of(domains: Mapping[str, Domain], group_limit: int, refuse_disabled: bool) -> Terms:
    """The terms that a virtual server's domains make."""
    local = [
        (domain.type is not DomainType.DEFAULT, name)
        for name, domain in domains.items()
        if domain.type is not DomainType.REMOTE
    ]
    return Terms(tuple(name for _, name in sorted(local)), group_limit, refuse_disabled)


def chosen(entries: Sequence[Entry], names: Sequence[Mailbox]) -> Entry | str | None:
    """The entry that is meant; None where there is none, a clause where it is not to be told which.

    Where several match, one that has the address in the domain that was asked for goes before the others.
    """
    if len(entries) < 2:
        return entries[0] if entries else None
    for name in names:
        fitting = [entry for entry in entries if address_key(name) in entry.keys]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            entries = fitting
            break
    return f"{len(entries)} entries have it: {'; '.join(entry.dn for entry in entries)}"


def judged(address: Mailbox, entries: Sequence[Entry], terms: Terms) -> Entry | Status | None:
    """The entry of an address; a status where its mail cannot be delivered; None where it stays as it is."""
    found = chosen(entries, terms.names(address))
    if isinstance(found, str):
        return _failed("5.1.4", f"The address {address} is ambiguous in the directory: {found}.")
    if found is None:
        if not terms.local(address) or address.local.casefold() == _ALWAYS_THERE:
            return None
        return _failed("5.1.1", f"The directory knows nobody with the address {address}.")
    if found.disabled and terms.refuse_disabled:
        return _failed("5.2.1", f"The account of {address} is disabled.")
    return found


def resolve(address: Mailbox, terms: Terms) -> Conversation:
    """Who gets the mail for an address."""
    question = ByAddress(terms.names(address))
    (answer,) = yield (question,)
    if isinstance(answer, NoAnswer):
        return Resolution(
            address, Outcome.WAITING, cause=answer.cause, steps=(f"{question} No answer: {answer.cause}.",)
        )
    steps = [f"{question} {_said(answer)}"]
    found = judged(address, answer, terms)
    if isinstance(found, Status):
        steps.append(found.reason)
        return Resolution(address, Outcome.FAILED, status=found, cause=found.reason, steps=tuple(steps))
    if found is None:
        steps.append(f"{address} stays as it is.")
        return Resolution(address, Outcome.SAME, (address,), steps=tuple(steps))
    expansion = _Expansion(terms, steps)
    expansion.take(found)
    while questions := expansion.questions():
        answers = yield questions
        silent = next((one for one in answers if isinstance(one, NoAnswer)), None)
        if silent is not None:
            steps.append(f"No answer: {silent.cause}.")
            return Resolution(address, Outcome.WAITING, cause=silent.cause, steps=tuple(steps))
        expansion.hear(questions, answers)
    return expansion.end(address, found)


class _Expansion:
    """What is known so far of those that get the mail."""

    def __init__(self, terms: Terms, steps: list[str]) -> None:
        self._terms = terms
        self._steps = steps
        self._left_out = 0
        self._seen: set[str] = set()
        self._mailboxes: dict[str, Mailbox] = {}
        self._asked: list[Question] = []

    def take(self, entry: Entry) -> None:
        """Add an entry: a group's members are asked for next, a person gets the mail, or those it is forwarded to."""
        key = name_key(entry.dn)
        if key in self._seen:
            self._tell(f"{entry.dn} came before: it is looked at once.")
            return
        self._seen.add(key)
        for value in entry.odd:
            self._tell(f"{entry.dn}: left out, since it is no address: {value}.")
        if entry.group:
            self._tell(f"{entry.dn} is a group of {len(entry.members) + len(entry.member_addresses)}.")
            self._ask_names(entry.members)
            self._ask_addresses(entry.member_addresses, entry)
        elif entry.forward or entry.forward_names:
            copy = ", and a copy stays" if entry.keeps_copy else ""
            self._tell(f"{entry.dn} is forwarded{copy}.")
            self._ask_names(entry.forward_names)
            self._ask_addresses(entry.forward, entry)
            if entry.keeps_copy:
                self._add(entry)
        else:
            self._add(entry)

    def questions(self) -> tuple[Question, ...]:
        """What is to be asked next; nothing where all is known, or there are too many."""
        asked, self._asked = self._asked, []
        return () if self._too_many else tuple(dict.fromkeys(asked))

    def hear(self, questions: Sequence[Question], answers: Sequence[Answer]) -> None:
        """Take what the directory said."""
        for question, answer in zip(questions, answers, strict=True):
            assert not isinstance(answer, NoAnswer)
            if isinstance(question, ByAddress):
                found = judged(question.addresses[0], answer, self._terms)
            else:
                found = answer[0] if answer else None
            if isinstance(found, Status):
                self._tell(found.reason)
            elif found is not None and not (found.disabled and self._terms.refuse_disabled and not found.group):
                self.take(found)
            elif found is not None:
                self._tell(f"{found.dn} is disabled and gets nothing.")
            elif isinstance(question, ByAddress):
                self._mailboxes.setdefault(address_key(question.addresses[0]), question.addresses[0])
            else:
                self._tell(f"{question} Nothing that may be read.")

    def end(self, address: Mailbox, first: Entry) -> Resolution:
        """What it comes to."""
        found = tuple(self._mailboxes.values())
        if self._too_many:
            limit = self._terms.group_limit
            return self._failed(address, "5.2.4", f"The group {address} has more than {limit} recipients.")
        if not found:
            return self._failed(address, *_why_nobody(address, first))
        if first.group or len(found) > 1:
            self._tell(f"{address} is {len(found)} recipients.")
            return self._ended(address, Outcome.EXPANDED, found)
        if address_key(found[0]) == address_key(address):
            self._tell(f"{address} is {first.dn}.")
            return self._ended(address, Outcome.SAME, (address,))
        self._tell(f"{address} is {found[0]}.")
        return self._ended(address, Outcome.REPLACED, found)

    @property
    def _too_many(self) -> bool:
        limit = self._terms.group_limit
        # Names that lead nowhere count too: a directory could have no end of them.
        return bool(limit) and (len(self._mailboxes) > limit or len(self._seen) + len(self._asked) > 2 * limit)

    def _add(self, entry: Entry) -> None:
        if entry.mailbox is None:
            self._tell(f"{entry.dn} has no address and gets nothing.")
        else:
            self._mailboxes.setdefault(address_key(entry.mailbox), entry.mailbox)

    def _ask_names(self, names: Sequence[str]) -> None:
        for name in names:
            if name_key(name) in self._seen:
                self._tell(f"{name} came before: it is looked at once.")
            else:
                self._asked.append(ByName(name))

    def _ask_addresses(self, addresses: Sequence[Mailbox], holder: Entry) -> None:
        """Addresses of ours are looked up in their turn; others, and the holder's own, are where the mail goes."""
        for address in addresses:
            key = address_key(address)
            if self._terms.local(address) and key not in holder.keys:
                self._asked.append(ByAddress(self._terms.names(address)))
            else:
                self._mailboxes.setdefault(key, address)

    def _tell(self, step: str) -> None:
        if len(self._steps) < _MOST_STEPS:
            self._steps.append(step)
        else:
            self._left_out += 1

    def _failed(self, address: Mailbox, code: str, reason: str) -> Resolution:
        self._tell(reason)
        status = _failed(code, reason)
        return Resolution(address, Outcome.FAILED, status=status, cause=reason, steps=self._told)

    def _ended(self, address: Mailbox, outcome: Outcome, found: tuple[Mailbox, ...]) -> Resolution:
        return Resolution(address, outcome, found, steps=self._told)

    @property
    def _told(self) -> tuple[str, ...]:
        more = (f"... and {self._left_out} steps more",) if self._left_out else ()
        return (*self._steps, *more)


def _why_nobody(address: Mailbox, first: Entry) -> tuple[str, str]:
    """The enhanced code and the reason where an entry leads to no mailbox."""
    if first.group:
        return "5.2.4", f"The group {address} has no member that mail can go to."
    if first.forward or first.forward_names:
        return "5.4.6", f"Mail for {address} is forwarded in a circle, or to nobody."
    return "5.1.1", f"The directory has no address for the mail of {address}."


def _said(answer: Sequence[Entry]) -> str:
    if not answer:
        return "Nobody's."
    return "; ".join(entry.dn for entry in answer) + "."


def _failed(code: str, reason: str) -> Status:
    return Status(Disposition.FAILED, code, reason)
