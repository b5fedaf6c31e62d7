"""The chain of decisions about a message, as people read it: which rule decided, which ones lost to it, and why.

Every step is made of the verdict of the function that decides for live mail (`policy.access`, `policy.relay`); what is
added here is only what that function passed over.
"""

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mailroot.policy.access import listed, may_connect
from mailroot.policy.client import Client
from mailroot.policy.relay import relay_right
from mailroot.policy.verdict import Accept, Refuse, Undecided, Verdict
from mailroot.settings.access import Access, AddressList, ListMode

# Of the rules that lost, so many are shown; the others are counted.
_SHOWN = 5


class Finding(enum.Enum):
    """What a step says of the message."""

    HOLDS = "yes"
    FAILS = "no"
    OPEN = "open"
    NOTE = "-"


@dataclass(frozen=True, slots=True)
class Step:
    """One decision. `cause` names the rule that made it; `lost` are others that were looked at, each with its reason.

    `reply` is what the client hears of it, "" where it hears nothing by itself.
    """

    name: str
    finding: Finding
    cause: str
    lost: tuple[str, ...] = ()
    reply: str = ""

    def facts(self) -> dict[str, object]:
        """The step as JSON shows it."""
        return {
            "step": self.name,
            "finding": self.finding.value,
            "cause": self.cause,
            "lost": list(self.lost),
            "reply": self.reply,
        }


def connecting(client: Client, access: Access) -> Step:
    """Whether the client may connect."""
    return verdict_step("connection", may_connect(client, access.connection), _list_lost(client, access.connection))


def relaying(client: Client, access: Access, trapped: bool = False) -> Step:
    """Whether the client may send to other people's domains; `trapped` as `relay_right` has it."""
    right = relay_right(client, access.relay, trapped)
    finding = Finding.HOLDS if right.allowed else Finding.OPEN if right.undecided else Finding.FAILS
    if trapped:
        return Step("right to relay", finding, right.cause)
    if client.user and access.relay.authenticated:
        lost: tuple[str, ...] = ("the list of access.relay is not looked at for clients that have signed in",)
    elif client.user:
        lost = ("access.relay.authenticated is off, so that signing in gives no right to relay",)
        lost += _list_lost(client, access.relay)
    else:
        lost = _list_lost(client, access.relay)
    return Step("right to relay", finding, right.cause, lost)


def verdict_step(name: str, verdict: Verdict | Undecided, lost: tuple[str, ...] = ()) -> Step:
    """A verdict as a step."""
    if isinstance(verdict, Accept):
        return Step(name, Finding.HOLDS, verdict.cause, lost)
    if isinstance(verdict, Refuse):
        return Step(name, Finding.FAILS, verdict.cause, lost, verdict.reply.text)
    finding = Finding.OPEN if isinstance(verdict, Undecided) else Finding.NOTE
    return Step(name, finding, verdict.cause, lost)


def shortened(lost: Sequence[str]) -> tuple[str, ...]:
    """The first of the rules that lost, and how many more there are."""
    if len(lost) <= _SHOWN:
        return tuple(lost)
    return (*lost[:_SHOWN], f"and {len(lost) - _SHOWN} more")


def _list_lost(client: Client, addresses: AddressList) -> tuple[str, ...]:
    if not addresses.list:
        return (f"the list is empty, and its mode is {addresses.mode.value}",)
    found = listed(client, addresses)
    if not found.found:
        return shortened(list(_misses(client, addresses.list)))
    return shortened(list(_also_listed(client, addresses)))


def _misses(client: Client, entries: Iterable[object]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, str):
            yield f"{entry}: no confirmed name of the client is that or below it ({client.names})"
        else:
            yield f"{entry}: {client.address} is not in it"


def _also_listed(client: Client, addresses: AddressList) -> Iterator[str]:
    """Entries before the one that decided, which do not hold the client, and those after it, which were not read."""
    decided = False
    for place, entry in enumerate(addresses.list):
        alone = listed(client, AddressList(ListMode.ONLY, addresses.list[place : place + 1]))
        if alone.found and not decided:
            decided = True
        elif alone.found:
            yield f"{entry}: holds too, but one that decides is enough"
        elif isinstance(entry, str):
            yield f"{entry}: no confirmed name of the client is that or below it"
        else:
            yield f"{entry}: {client.address} is not in it"
