"""Which waiting recipients an operator means: the same filters for lists and for everything that is done in bulk."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from mailroot.mail.address import domain_key
from mailroot.queue.entry import Listed

# What `Selection.held` may ask for besides one of the causes.
ANY_CAUSE = "any"

# What is done to a recipient: the row as it is to be, the same row where nothing is to be done, None to remove it.
Change = Callable[[Listed], Listed | None]


@dataclass(frozen=True, slots=True)
class Selection:
    """All of its conditions hold for a recipient that is meant; what is "" or None asks nothing.

    In `sender`, `recipient` and `status`, "*" stands for anything and "?" for one sign; case does not count. `sender`
    "<>" is the null sender. `domain` is the recipient's, "*.example.com" for those below it. `status` is the enhanced
    code of the latest attempt, "4.4.1" or "4.4.*". `text` is somewhere in sender, recipient, Message-ID or the latest
    outcome, in upper or lower case. `before` is a moment at which the message had arrived, `larger` a
    size in octets that it exceeds. `held` is a cause (`Pending.held`), or `ANY_CAUSE`. `destination` is where the
    recipient goes, as operators read it; `placed`, which has to be there then, tells it from a domain (as domains are
    compared) and the route that an operator chose.
    """

    key: str = ""
    sender: str = ""
    recipient: str = ""
    domain: str = ""
    status: str = ""
    held: str = ""
    text: str = ""
    before: datetime | None = None
    larger: int | None = None
    destination: str = ""
    placed: Callable[[str, str], str] | None = field(default=None, compare=False, repr=False)

    @property
    def everything(self) -> bool:
        """Whether it asks nothing."""
        return all(getattr(self, one.name) in ("", None) for one in fields(self))

    def means(self, row: Listed) -> bool:
        """Whether a recipient is meant."""
        return (
            (not self.key or self.key == row.key)
            and _fits(self.sender, row.sender or ("<>" if row.recipient else ""))
            and _fits(self.recipient, row.recipient)
            and (not self.domain or of_domain(self.domain, row.recipient.rpartition("@")[2]))
            and _fits(self.status, row.status)
            and (not self.held or self.held == row.held or (self.held == ANY_CAUSE and row.held != ""))
            and (not self.text or _mentions(self.text.casefold(), row))
            and (self.before is None or row.arrived < self.before)
            and (self.larger is None or row.size > self.larger)
            and (not self.destination or self.goes_there(domain_key(row.recipient.rpartition("@")[2]), row.via))
        )

    def goes_there(self, domain: str, via: str) -> bool:
        """Whether the recipients of a domain, as it is compared, go to the destination that is asked for."""
        assert self.placed is not None
        return self.placed(domain, via).lower() == self.destination.lower()


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator wants done to whom: a word ("retry", "bounce") with its value, "" where it has none."""

    selected: Selection
    word: str
    value: str = ""


def of_domain(pattern: str, domain: str) -> bool:
    """Whether a domain is the one of a pattern, or below that of "*.example.com"; the domain itself is not below it."""
    key = domain_key(domain)
    if pattern.startswith("*."):
        return key.endswith(f".{domain_key(pattern[2:])}")
    return key == domain_key(pattern)


def _mentions(text: str, row: Listed) -> bool:
    return any(text in one.casefold() for one in (row.recipient, row.sender, row.message_id, row.last))


def _fits(pattern: str, text: str) -> bool:
    """Whether a text fits a pattern of "*" and "?"; brackets are no signs of a pattern, as addresses may hold them."""
    return not pattern or fnmatchcase(text.lower(), pattern.lower().replace("[", "[[]"))


# --- changes


class Effect(NamedTuple):
    """What a change comes to: rows as they are to be, rows that leave, and how many are in delivery and stay as is."""

    changed: list[Listed]
    removed: list[Listed]
    in_delivery: int

    @property
    def entries(self) -> dict[str, int]:
        """How many recipients are changed or leave, by their entries' keys."""
        return Counter(row.key for row in (*self.changed, *self.removed))


def effect(rows: Iterable[Listed], selection: Selection, change: Change) -> Effect:
    """The effect of a change on those of these rows that are meant."""
    changed: list[Listed] = []
    removed: list[Listed] = []
    in_delivery = 0
    for row in rows:
        if not selection.means(row):
            continue
        new = change(row)
        if new is not None and new != row:
            changed.append(new)
        elif row.leased:
            in_delivery += 1
        elif new is None:
            removed.append(row)
    return Effect(changed, removed, in_delivery)


def retry(now: datetime) -> Change:
    """Try now. Who is held stays held."""
    return lambda row: row if row.held or row.leased else _with(row, due=now)


def remove(_row: Listed) -> None:
    """Remove without a report."""
    return


def freeze(cause: str, until: Callable[[Listed], datetime]) -> Change:
    """Hold; `until` says when something happens next to a recipient that is held (`schedule.held_until`)."""

    def change(row: Listed) -> Listed:
        return row if row.held == cause else _with(row, held=cause, due=until(row))

    return change


def thaw(now: datetime) -> Change:
    """Hold no longer: try now."""
    return lambda row: _with(row, held="", due=now) if row.held else row


def reroute(via: str, now: datetime) -> Change:
    """Send by another route from the next attempt on, which is due now; "" is the usual one. Who is held stays held."""

    def change(row: Listed) -> Listed:
        if row.via == via:
            return row
        return _with(row, via=via, due=row.due if row.held else now)

    return change


def _with(row: Listed, **changed: Any) -> Listed:
    """A row with other values; the due of one that is leased is not to be changed."""
    if row.leased:
        changed.pop("due", None)
    return replace(row, **changed)
