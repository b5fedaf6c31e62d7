"""The command that explains what would become of a message: from the settings file, whether the service runs or not."""

import argparse
import asyncio
from datetime import datetime

from mailroot.cli import against, screen
from mailroot.cli.commands import refuse
from mailroot.cli.trace import opened, show_story, window
from mailroot.edge.clock import utc_now
from mailroot.edge.control import ask
from mailroot.edge.settingsfile import SettingsFile
from mailroot.mail.faults import Fault
from mailroot.policy.chain import Step
from mailroot.policy.client import NOT_ASKED
from mailroot.service.explain.case import SOMEBODY, Case
from mailroot.service.explain.directory import with_directory
from mailroot.service.explain.explained import Explanation, entered, explain
from mailroot.service.explain.ground import rules_for
from mailroot.service.explain.network import names_of, with_hosts
from mailroot.service.explain.recorded import recorded
from mailroot.service.trace.stories import Found, Wanted, find
from mailroot.service.trace.story import Story
from mailroot.settings.fingerprint import fingerprint
from mailroot.settings.problem import Problems
from mailroot.settings.service import Settings

_NAME, _FINDING = 16, 6
_MARGIN = " " * (2 + _NAME + _FINDING)
NOT_WEIGHED = "limits that are reached by others, quotas, failed sign-ins that were counted"


def run(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Explain; 0 whenever there is an answer, whatever it is."""
    settings = file.load()
    if isinstance(settings, Problems):
        return refuse(settings, arguments)
    story = _story(arguments, settings) if arguments.message else None
    if story is not None:
        case: Case | None = _case_of(arguments, story)
    else:
        case = None if arguments.against and not arguments.to else _case(arguments)
    if arguments.against:
        return against.run(arguments, file, settings, case)
    assert case is not None
    explanation = asyncio.run(_explained(arguments, settings, case))
    _show(arguments, file, settings, explanation, story)
    return 0


def _story(arguments: argparse.Namespace, settings: Settings) -> Story:
    """The message of the past. Raises `ValueError` where the trace knows none by that name, or several."""
    when = window(arguments.since, arguments.until)
    with opened(settings) as search:
        found = find(search, Wanted(arguments.message, when, arguments.server))
    if not found.stories:
        raise ValueError(f"explain: no message of the name {arguments.message} is in the trace")
    if len(found.stories) > 1:
        raise ValueError(_several(arguments.message, found))
    return found.stories[0]


def _several(name: str, found: Found) -> str:
    """Which messages have the name, and what names each alone: its entry, or its session where it was refused."""
    names = [story.entry or str(story.events[0].get("session")) for story in found.stories]
    said = [f"explain: several messages have the name {name}; name one of these:"]
    for story, own in zip(found.stories, names, strict=True):
        at = story.events[0].get("time")
        # A session may have had several that were refused, and some that were taken: only the time tells them apart.
        when = "" if story.entry or (own != name and names.count(own) == 1) else f" --since {at} --until {at}"
        said.append(f"  --message {own}{when}  ({story.sender or '<>'} to {', '.join(story.recipients)}: {story.fate})")
    return "\n".join([*said, *(["  ... and others; --since and --until choose a time"] if found.more else [])])


def _case_of(arguments: argparse.Namespace, story: Story) -> Case:
    event = story.accepted or story.refusal
    one = recorded(event) if event is not None else None
    if one is None:
        raise ValueError(f"explain: {arguments.message}: the trace does not tell how that message came")
    arguments.server = arguments.server or one.server
    return one.case


def _case(arguments: argparse.Namespace) -> Case:
    if not arguments.to:
        raise ValueError("explain: give --to ADDRESS, or --message ID")
    return Case(
        sender=_path(arguments.sender),
        recipients=tuple(_path(one) for one in arguments.to),
        client="" if arguments.pickup else arguments.client or SOMEBODY,
        user=arguments.auth,
        tls=arguments.tls,
        size=arguments.size,
        headers=tuple(arguments.header),
        hello=arguments.hello,
    )


def _path(text: str) -> str:
    """An address with or without its brackets."""
    return text[1:-1] if text.startswith("<") and text.endswith(">") else text


async def _explained(arguments: argparse.Namespace, settings: Settings, case: Case) -> Explanation:
    key, case, entrance = entered(settings, arguments.server, arguments.binding, case)
    rules = rules_for(settings, key)
    asked = arguments.network and not case.by_pickup
    names = await names_of(rules, case.client) if asked else NOT_ASKED
    now = _now()
    explanation = await with_directory(rules, explain(rules, case, now, names), arguments.network, now)
    if arguments.network:
        explanation = await with_hosts(rules, settings, explanation)
    return explanation.entered_by(entrance)


def _now() -> datetime:
    return utc_now().astimezone()


def in_force(file: SettingsFile, settings: Settings) -> tuple[str, bool | None]:
    """What is to be said of the running service, and whether it has these settings; None where none runs."""
    try:
        status = ask(file.path, "status", {})
    except Fault:
        return "no service runs for this file", None
    same = status.get("settings") == fingerprint(settings)
    said = "the running service has the same settings" if same else "the running service has OTHER settings: reload it"
    return f"{said} (its revision {status['revision']})", same


# -- what people read


def _show(
    arguments: argparse.Namespace,
    file: SettingsFile,
    settings: Settings,
    explanation: Explanation,
    story: Story | None,
) -> None:
    said, same = in_force(file, settings)
    if arguments.json:
        then = {} if story is None else {"then": story.facts()}
        print(screen.as_json({**explanation.facts(), "file": str(file.path), "same_as_running": same, **then}))
        return
    if story is not None:
        screen.show("What happened:")
        show_story(story, "  ")
        screen.show("\nWhat would happen now:")
    screen.show(f"By {file.path}; {said}.\n")
    show_explanation(explanation)
    screen.show(f"\nNot weighed: {NOT_WEIGHED}.")


def show_explanation(explanation: Explanation) -> None:
    """The chain of decisions, step by step."""
    case = explanation.case
    by = "the Pickup folder" if case.by_pickup else f"{case.client}{' as ' + case.user if case.user else ''}"
    screen.show(f"A message from <{case.sender}> by {by}:")
    for step in explanation.steps:
        _show_step(step)
    for one in explanation.outlooks:
        screen.show(f"\nFor <{one.asked}>: {one.fate}")
        for step in one.steps:
            _show_step(step)
        if one.report:
            print(f"  {'report':{_NAME}}{'-':{_FINDING}}what the sender would be told if it failed:")
            for line in one.report.split("\n"):
                screen.show(f"{_MARGIN}| {line}".rstrip())
    if explanation.reply:
        screen.show(f"\nThe client would hear at last: {explanation.reply}")


def _show_step(step: Step) -> None:
    screen.show(f"  {step.name:{_NAME}}{step.finding.value:{_FINDING}}{step.cause}")
    for lost in step.lost:
        screen.show(f"{_MARGIN}not: {lost}")
    if step.reply:
        screen.show(f"{_MARGIN}reply: {step.reply}")
