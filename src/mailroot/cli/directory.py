"""The command that tries LDAP routing: against the settings file, whether the service runs or not."""

import argparse
import asyncio
import dataclasses

from mailroot.cli import screen
from mailroot.cli.commands import refuse
from mailroot.edge.settingsfile import SettingsFile
from mailroot.routing.directory.resolve import Outcome, Resolution
from mailroot.service.resolve.trial import Step, Trial, trial_of, walk
from mailroot.settings.problem import Problems

_SHOWN = 20
_MARGIN = " " * 8


def run(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Ask the directory about an address, and show each step; 1 where its mail would be refused, or wait."""
    settings = file.load()
    if isinstance(settings, Problems):
        return refuse(settings, arguments)
    trial = trial_of(settings, arguments.address, arguments.server)
    steps: list[Step] = []

    def tell(step: Step) -> None:
        steps.append(step)
        if not arguments.json:
            _show(step)

    if not arguments.json:
        screen.show(trial.plan)
    found = asyncio.run(walk(trial, tell))
    if arguments.json:
        print(screen.as_json(_facts(trial, steps, found)))
    else:
        _verdict(found)
    return 1 if found.outcome in {Outcome.FAILED, Outcome.WAITING} else 0


def _show(step: Step) -> None:
    screen.show(f"{'ok' if step.holds else 'FAILED':8}{step.link}: {step.said}")
    if step.mend and not step.holds:
        screen.show(f"{_MARGIN}To mend it: {step.mend}.")


def _verdict(found: Resolution) -> None:
    for step in found.steps[:_SHOWN]:
        screen.show(f"{_MARGIN}{step}")
    if len(found.steps) > _SHOWN:
        screen.show(f"{_MARGIN}... and {len(found.steps) - _SHOWN} steps more (--json shows them)")
    listed = ", ".join(str(one) for one in found.mailboxes[:_SHOWN])
    more = f" and {len(found.mailboxes) - _SHOWN} more" if len(found.mailboxes) > _SHOWN else ""
    verdicts = {
        Outcome.SAME: f"Mail for {found.address} goes on as it is.",
        Outcome.REPLACED: f"Mail for {found.address} goes to {listed}.",
        Outcome.EXPANDED: f"Mail for {found.address} goes to {len(found.mailboxes)} recipients: {listed}{more}.",
        Outcome.FAILED: f"Mail for {found.address} is returned: {found.cause}",
        Outcome.WAITING: f"Mail for {found.address} waits: {found.cause}.",
    }
    screen.show(verdicts[found.outcome])


def _facts(trial: Trial, steps: list[Step], found: Resolution) -> dict[str, object]:
    return {
        "server": trial.server,
        "address": str(found.address),
        "outcome": found.outcome.value,
        "recipients": [str(one) for one in found.mailboxes],
        "status": found.status.code if found.status else "",
        "cause": found.cause,
        "steps": [dataclasses.asdict(step) for step in steps],
        "resolution": list(found.steps),
    }
