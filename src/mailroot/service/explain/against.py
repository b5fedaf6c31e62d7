"""The same cases under two settings: whose fate changes."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mailroot.service.explain.case import Case
from mailroot.service.explain.explained import explain
from mailroot.service.explain.ground import rules_for
from mailroot.service.explain.recorded import Recorded
from mailroot.service.rules import Rules
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import TlsOffer

_NO_SERVER = "nobody takes it: there is no such virtual server"


@dataclass(frozen=True, slots=True)
class Changed:
    """A recipient whose fate is another one, and how many messages of this kind there were."""

    server: str
    case: Case
    recipient: str
    before: str
    after: str
    messages: int

    def facts(self) -> dict[str, Any]:
        """The change as a row."""
        return {
            "messages": self.messages,
            "server": self.server,
            "client": self.case.client or "Pickup",
            "auth": self.case.user,
            "from": self.case.sender,
            "to": self.recipient,
            "before": self.before,
            "after": self.after,
        }


@dataclass(slots=True)
class Comparison:
    """What two settings make of the same messages. `open` hang on names of clients, which nobody looked up."""

    messages: int = 0
    kinds: int = 0
    open: int = 0
    changed: list[Changed] = field(default_factory=list)


def compare(old: Settings, new: Settings, cases: Iterable[Recorded], now: datetime) -> Comparison:
    """Weigh each kind of message once by either settings."""
    before, after = _weighing(old, now), _weighing(new, now)
    counted = Counter(cases)
    result = Comparison(sum(counted.values()), len(counted))
    for counted_one, messages in counted.items():
        one = _entered(old, counted_one)
        fates = before(one), after(one)
        result.open += messages * any("hangs on" in fate for fate in fates[0] + fates[1])
        for recipient, was, becomes in zip(one.case.recipients, *fates, strict=True):
            if was != becomes:
                result.changed.append(Changed(one.server, one.case, recipient, was, becomes, messages))
    result.changed.sort(key=lambda changed: -changed.messages)
    return result


def _weighing(settings: Settings, now: datetime) -> Callable[[Recorded], tuple[str, ...]]:
    known: dict[str, Rules] = {}

    def weigh(one: Recorded) -> tuple[str, ...]:
        if one.server not in settings.servers:
            return (_NO_SERVER,) * len(one.case.recipients)
        if one.server not in known:
            known[one.server] = rules_for(settings, one.server)
        return explain(known[one.server], one.case, now).fates

    return weigh


def _entered(old: Settings, one: Recorded) -> Recorded:
    """Who spoke TLS where STARTTLS is not offered came by a binding on which TLS comes first."""
    server = old.servers.get(one.server)
    if server is None or not one.case.tls or server.access.tls is not TlsOffer.OFF:
        return one
    return Recorded(one.server, replace(one.case, tls=False, implicit=True))
