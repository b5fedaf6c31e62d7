"""The way on from the session for one recipient: its domain, route, demands, retry plan, and the report of a failure.

The route is that of the plan that live mail goes by, the times those of its retry plan.
"""

import errno
import os
from dataclasses import dataclass
from datetime import datetime

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Recipient
from mailroot.mail.status import Disposition, Status
from mailroot.policy.chain import Finding, Step, relaying, shortened, verdict_step
from mailroot.policy.recipient import Place
from mailroot.queue.schedule import RetryPlan
from mailroot.queue.settle import EXPIRED, given_up
from mailroot.routing.candidates import losers
from mailroot.routing.masquerade import Masquerade, is_first_hop
from mailroot.routing.route import DropRoute, HoldRoute, NoRoute, RelayRoute, Route
from mailroot.service.deliver.drop import FULL, failure_of
from mailroot.service.explain.rehearsal import Heard, Rehearsed
from mailroot.service.explain.told import hears_of_delay, told_of_failure
from mailroot.service.explain.ways import caught, fate_of, route_steps
from mailroot.service.rules import Rules
from mailroot.settings.spelling import duration_text


@dataclass(frozen=True, slots=True)
class Outlook:
    """What becomes of one recipient.

    `fate` is it in one line: the refusal, or where the mail goes with what demands. `recipient` is who the message is
    for, once aliases are resolved; it and `route` are None for who was not taken. `report` is what the sender would be
    told if the mail could not be delivered; "" where nobody is told. `sender` is None for the null path too.
    """

    asked: str
    fate: str
    steps: tuple[Step, ...]
    recipient: Recipient | None = None
    route: Route | None = None
    report: str = ""
    sender: Mailbox | None = None

    @property
    def taken(self) -> bool:
        """Whether the mail would be ours to deliver."""
        return self.recipient is not None


def outlook(rules: Rules, rehearsed: Rehearsed, heard: Heard, now: datetime) -> Outlook:
    """The outlook of one recipient, whose message would arrive at `now`."""
    steps = list(_before(rules, rehearsed, heard))
    recipient = heard.recipient
    if recipient is None or not rehearsed.accepted:
        refusal = rehearsed.reply if recipient else heard.reply
        words = "hangs on the client's name" if heard.open else f"refused: {refusal}"
        return Outlook(heard.asked, words, tuple(steps))
    route = rules.plan.route(recipient.address.domain)
    steps += route_steps(rules, recipient, route)
    if isinstance(route, RelayRoute | HoldRoute):
        steps += _masquerade(rules, rehearsed)
    if isinstance(route, NoRoute):
        end = route.status
    else:
        plan = rules.retry_for(recipient.address.domain)
        hears = hears_of_delay(rules, rehearsed.sender, recipient, now)
        steps.append(Step("retry", Finding.NOTE, retry_words(plan, hears)))
        end = _expired(rules, route, plan)
    told = told_of_failure(rules, rehearsed.sender, recipient, end, now)
    steps += told.steps
    fate = caught(rules) + fate_of(route)
    return Outlook(heard.asked, fate, tuple(steps), recipient, route, told.text, rehearsed.sender)


def _before(rules: Rules, rehearsed: Rehearsed, heard: Heard) -> list[Step]:
    """The domain, the right to relay where it was asked for, and the verdict."""
    steps: list[Step] = []
    place = heard.place
    if place is not None:
        steps.append(_domain(rules, heard, place))
        if place.local and rules.settings.ldap_routing.enabled:
            steps.append(Step("directory", Finding.OPEN, "not asked; `mailroot ldap test` asks it about an address"))
        if rehearsed.standing is not None and not place.local and not place.relayed:
            trapped = rules.settings.delivery.trap is not None
            steps.append(relaying(rehearsed.standing.client, rules.settings.access, trapped))
    if heard.verdict is not None:
        step = verdict_step("recipient", heard.verdict, _unasked(rehearsed, place))
        steps.append(Step(step.name, step.finding, step.cause, step.lost, heard.reply))
    return steps


def _unasked(rehearsed: Rehearsed, place: Place | None) -> tuple[str, ...]:
    if rehearsed.standing is None or place is None or not (place.local or place.relayed):
        return ()
    return (f"the right to relay, which is not asked for here: {rehearsed.standing.right.cause}",)


def _domain(rules: Rules, heard: Heard, place: Place) -> Step:
    name = _domain_of(heard, place)
    lost = shortened(list(losers(rules.settings.domains, name)))
    if not place.name:
        return Step("domain", Finding.NOTE, f"no entry of domains holds for {name}: it is somebody else's", lost)
    entry = rules.settings.domains.get(place.name)
    if entry is None:
        return Step("domain", Finding.HOLDS, f"{place.name} is an address of this server", lost)
    kind = "an alias of the local domain " + place.default_domain if place.alias else f"the {entry.type.value} domain"
    return Step("domain", Finding.HOLDS, f"{place.name} holds for {name}: {kind}", lost)


def _domain_of(heard: Heard, place: Place) -> str:
    _, _, domain = heard.asked.rpartition("@") if "@" in heard.asked else ("", "", "")
    return domain or place.default_domain


def _masquerade(rules: Rules, rehearsed: Rehearsed) -> list[Step]:
    """The sender that other servers see, where that is not the one that it came with."""
    domain, sender = rules.settings.delivery.masquerade_domain, rehearsed.sender
    masquerade = Masquerade(domain, rules.domains)
    if not domain or sender is None or not masquerade.hides(sender):
        return []
    if not is_first_hop(rehearsed.hops + 1):
        return [Step("sender out", Finding.NOTE, f"{sender}: it came from another server, so it keeps its domain")]
    return [Step("sender out", Finding.NOTE, f"{masquerade.sender(sender)}, by delivery.masquerade_domain")]


def retry_words(plan: RetryPlan, hears: bool) -> str:
    """A retry plan as a sentence; `hears`: the sender gets the notice of a delay."""
    *first, last = [duration_text(wait) for wait in plan.intervals]
    waits = f"again after {', '.join(first)}, then every {last}" if first else f"again every {last}"
    most = f", at most {plan.attempts} times in all" if plan.attempts else ""
    notice = f"the sender is told of the delay after {duration_text(plan.delay_notification)}"
    if not hears or plan.delay_notification >= plan.expiration:
        notice = "the sender is told of no delay"
    return f"tried at once, {waits}{most}; {notice}; given up after {duration_text(plan.expiration)}"


def _expired(rules: Rules, route: DropRoute | HoldRoute | RelayRoute, plan: RetryPlan) -> Status:
    """The outcome of a message that nobody took until it was given up."""
    if isinstance(route, DropRoute):
        return given_up(_no_room(rules, route.folder))
    if isinstance(route, HoldRoute):
        return given_up(route.status)
    reason = f"{route.destination} could not be reached within {duration_text(plan.expiration)}."
    return Status(Disposition.FAILED, EXPIRED, reason, remote=route.destination)


def _no_room(rules: Rules, folder: str) -> Status:
    """What every attempt meets where a Drop folder takes no more: its quota, or a full disk where it has none."""
    if rules.quotas.get(folder, 0):
        return FULL
    return failure_of(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), folder)
