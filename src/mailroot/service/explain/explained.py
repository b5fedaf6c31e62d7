"""Explaining a case: the chain of decisions from the binding to the report."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from mailroot.mail.faults import Misconfigured
from mailroot.policy.chain import Finding, Step
from mailroot.policy.client import NOT_ASKED, Names
from mailroot.service.explain.case import Case
from mailroot.service.explain.outlook import Outlook, outlook
from mailroot.service.explain.pickedup import picked_up
from mailroot.service.explain.rehearsal import rehearse
from mailroot.service.rules import Rules
from mailroot.settings.service import Settings
from mailroot.settings.virtualserver import VirtualServer


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to a case at one virtual server.

    `steps` are those of the session, `outlooks` those of each recipient. `reply` is what the client hears last.
    `dialogue` has its commands with the lines that answer them.
    """

    server: str
    case: Case
    steps: tuple[Step, ...]
    outlooks: tuple[Outlook, ...]
    reply: str
    accepted: bool
    dialogue: tuple[tuple[str, list[str]], ...] = ()

    @property
    def fates(self) -> tuple[str, ...]:
        """What becomes of each recipient, in a line each."""
        return tuple(one.fate for one in self.outlooks)

    def entered_by(self, step: Step) -> "Explanation":
        """The explanation with the way in before all else."""
        return replace(self, steps=(step, *self.steps))

    def facts(self) -> dict[str, Any]:
        """All of it as JSON shows it."""
        return {
            "server": self.server,
            "case": self.case.facts(),
            "accepted": self.accepted,
            "reply": self.reply,
            "steps": [step.facts() for step in self.steps],
            "recipients": [
                {
                    "recipient": one.asked,
                    "taken": one.taken,
                    "fate": one.fate,
                    "steps": [step.facts() for step in one.steps],
                    "report": one.report,
                }
                for one in self.outlooks
            ],
        }


def explain(rules: Rules, case: Case, now: datetime, names: Names = NOT_ASKED) -> Explanation:
    """What would become of the case under these rules, if it came at `now`.

    `names` are the client's, where somebody looked for them. Raises `ValueError` where the case is none.
    """
    if problem := case.problem():
        raise ValueError(problem)
    rehearsed = picked_up(rules, case) if case.by_pickup else rehearse(rules, case, names)
    outlooks = tuple(outlook(rules, rehearsed, heard, now) for heard in rehearsed.heard)
    steps, dialogue = tuple(rehearsed.steps), tuple(rehearsed.dialogue)
    return Explanation(rules.key, case, steps, outlooks, rehearsed.reply, rehearsed.accepted, dialogue)


def entered(settings: Settings, server: str, binding: str, case: Case) -> tuple[str, Case, Step]:
    """The virtual server that the case comes to, the case as its binding makes it, and the step that says so.

    `server` is a key or a display name, `binding` "address:port"; "" where none is given. Raises `Misconfigured`.
    """
    key = _server(settings, server, binding)
    found = settings.servers[key]
    if case.by_pickup:
        return key, case, Step("entrance", Finding.HOLDS, f"the Pickup folder of the server {key}: {found.home}/Pickup")
    chosen = binding or str(next(iter(found.general.listening), ""))
    implicit = any(str(one) == chosen for one in found.general.tls_bindings)
    said = "" if binding else ", its first binding"
    step = Step("entrance", Finding.HOLDS, f"{chosen} belongs to the server {key}{said}", _others(settings, key))
    return key, replace(case, implicit=implicit), step


def _server(settings: Settings, server: str, binding: str) -> str:
    for key, one in settings.servers.items():
        named = server in {key, one.name} if server else True
        if named and (not binding or binding in _bindings(one)):
            return key
    if binding:
        every = ", ".join(text for one in settings.servers.values() for text in _bindings(one))
        raise Misconfigured(f"there is no binding {binding}{' of ' + server if server else ''}; there are: {every}")
    raise Misconfigured(f"there is no virtual server {server}; there are: {', '.join(settings.servers)}")


def _bindings(server: VirtualServer) -> list[str]:
    return [str(binding) for binding in server.general.listening]


def _others(settings: Settings, key: str) -> tuple[str, ...]:
    return tuple(
        f"{other}: listens on {', '.join(_bindings(one)) or 'nothing'}"
        for other, one in settings.servers.items()
        if other != key
    )
