"""What the directory says of each recipient, with `--network`: the same questions and conclusions as for live mail."""

from dataclasses import replace
from datetime import datetime

from mailroot.mail.envelope import Recipient
from mailroot.mail.events import EventRow
from mailroot.policy.chain import Finding, Step, shortened
from mailroot.policy.recipient import undeliverable
from mailroot.routing.directory.resolve import Outcome, Resolution
from mailroot.routing.route import Route
from mailroot.service.explain.explained import Explanation
from mailroot.service.explain.outlook import Outlook
from mailroot.service.explain.told import told_of_failure
from mailroot.service.explain.ways import fate_of, route_steps
from mailroot.service.resolve.building import built
from mailroot.service.resolve.directory import Directory
from mailroot.service.rules import Rules
from mailroot.settings.virtualserver import VirtualServer

# A group may go a thousand ways; these are shown.
_SHOWN = 5
_UNASKED = "the directory is not asked; --network has it asked"
_WAYS = {"route", "hold"}
_FINDINGS = {Outcome.FAILED: Finding.FAILS, Outcome.WAITING: Finding.OPEN}


async def with_directory(rules: Rules, explanation: Explanation, asked: bool, now: datetime) -> Explanation:
    """The explanation with what the directory says in it, or that it was not asked; as it is without LDAP routing.

    The message comes at `now`.
    """
    if not rules.settings.ldap_routing.enabled:
        return explanation
    if not asked:
        step = Step("directory", Finding.OPEN, _UNASKED)
        outlooks = [_before_ways(one, (step,)) if one.recipient else one for one in explanation.outlooks]
        return replace(explanation, outlooks=tuple(outlooks))
    directory = _directory(rules.key, rules.settings)
    try:
        outlooks = [await _asked(rules, directory, one, now) for one in explanation.outlooks]
    finally:
        await directory.close()
    return replace(explanation, outlooks=tuple(outlooks))


def _directory(key: str, settings: VirtualServer) -> Directory:
    return built(key, settings, _unheard)


def _unheard(row: EventRow, **fields: object) -> None:
    """What is only asked about is no event."""


async def _asked(rules: Rules, directory: Directory, one: Outlook, now: datetime) -> Outlook:
    if one.recipient is None:
        return one
    found = await directory.resolve(one.recipient.address)
    finding = _FINDINGS.get(found.outcome, Finding.HOLDS)
    step = Step("directory", finding, found.cause or found.steps[-1], shortened(found.steps))
    if found.outcome is Outcome.FAILED:
        late = _is_late(directory, one, found)
        return _returned(rules, one, found, step, now) if late else _refused(one, found, step)
    if found.outcome in {Outcome.SAME, Outcome.WAITING}:
        waits = f"waits for the directory; then {one.fate}" if found.outcome is Outcome.WAITING else one.fate
        return replace(_before_ways(one, (step,)), fate=waits)
    return _elsewhere(rules, one, found, step)


def _is_late(directory: Directory, one: Outlook, found: Resolution) -> bool:
    """Whether the failure can be known only when the client has gone."""
    assert one.recipient is not None and found.status is not None
    address = one.recipient.address
    # The answer is remembered: it is what RCPT would go by.
    known = directory.terms.local(address) and directory.glance(address) is not None
    return not known or found.status.code == "5.2.4"


def _returned(rules: Rules, one: Outlook, found: Resolution, step: Step, now: datetime) -> Outlook:
    """Failed after the client has gone: the sender is told, or the message goes to Badmail."""
    assert one.recipient is not None and found.status is not None
    told = told_of_failure(rules, one.sender, one.recipient, found.status, now)
    ended = _until_ways(one, step)
    fate = f"{'returned' if told.text else 'given up'}: {found.status.words}"
    return replace(ended, steps=(*ended.steps, *told.steps), fate=fate, report=told.text)


def _refused(one: Outlook, found: Resolution, step: Step) -> Outlook:
    """Failed while the client is there."""
    assert one.recipient is not None and found.status is not None
    reply = undeliverable(one.recipient.address, found.status).reply.text
    refused = replace(step, reply=reply)
    return replace(_until_ways(one, refused), fate=f"refused: {reply}", recipient=None, route=None, report="")


def _elsewhere(rules: Rules, one: Outlook, found: Resolution, step: Step) -> Outlook:
    """Others get the mail: the ways that it goes then."""
    ways: dict[Route, Recipient] = {}
    for mailbox in found.mailboxes:
        ways.setdefault(rules.plan.route(mailbox.domain), Recipient(mailbox))
    steps = [each for route, recipient in list(ways.items())[:_SHOWN] for each in route_steps(rules, recipient, route)]
    fates = shortened([fate_of(route) for route in ways])
    whom = str(found.mailboxes[0]) if len(found.mailboxes) == 1 else f"{len(found.mailboxes)} recipients"
    ended = _until_ways(one, step)
    steps += [each for each in one.steps if each.name == "report"]
    return replace(ended, steps=(*ended.steps, *steps), fate=f"for {whom} by the directory: {'; '.join(fates)}")


def _before_ways(one: Outlook, more: tuple[Step, ...]) -> Outlook:
    place = _place(one)
    return replace(one, steps=(*one.steps[:place], *more, *one.steps[place:]))


def _until_ways(one: Outlook, step: Step) -> Outlook:
    return replace(one, steps=(*one.steps[: _place(one)], step))


def _place(one: Outlook) -> int:
    return next((place for place, step in enumerate(one.steps) if step.name in _WAYS), len(one.steps))
