"""The command that tries a smart host: against the settings file, whether the service runs or not."""

import argparse
import asyncio
import dataclasses

from mailroot.cli import screen
from mailroot.cli.commands import refuse
from mailroot.edge.settingsfile import SettingsFile
from mailroot.service.relay.trial import Step, Trial, trial_of, walk
from mailroot.settings.problem import Problems

_MARGIN = " " * 22


def run(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Walk the links and show each; 1 where no transaction would be taken."""
    settings = file.load()
    if isinstance(settings, Problems):
        return refuse(settings, arguments)
    trial = trial_of(settings, arguments.name, arguments.server, arguments.sender, arguments.recipient)
    bindings = [
        (binding.address, binding.port) for server in settings.servers.values() for binding in server.general.listening
    ]
    steps: list[Step] = []

    def tell(step: Step) -> None:
        steps.append(step)
        if not arguments.json:
            _show(step)

    if not arguments.json:
        screen.show(trial.plan)
    holds = asyncio.run(walk(trial, bindings, tell))
    if arguments.json:
        print(screen.as_json(_facts(trial, steps, holds)))
    else:
        screen.show(_verdict(steps, holds))
    return 0 if holds else 1


def _show(step: Step) -> None:
    mark = "ok" if step.holds else "FAILED"
    screen.show(f"{mark:8}{step.link:14}{step.said}")
    if step.reply:
        screen.show(f"{_MARGIN}The server said: {step.reply}")
    if step.mend and not step.holds:
        screen.show(f"{_MARGIN}To mend it: {step.mend}.")


def _verdict(steps: list[Step], holds: bool) -> str:
    broken = [step.link for step in steps if not step.holds]
    if holds:
        return "Mail would go out." + (f" But see what failed: {', '.join(broken)}." if broken else "")
    return f"Mail would not go out. The broken link: {broken[-1]}." if broken else "Mail would not go out."


def _facts(trial: Trial, steps: list[Step], holds: bool) -> dict[str, object]:
    broken = [step for step in steps if not step.holds]
    return {
        "server": trial.server,
        "domain": trial.name,
        "destination": trial.route.destination,
        "tls": trial.route.security.tls.value,
        "authentication": trial.route.security.authentication.value,
        "sender": str(trial.sender),
        "recipient": str(trial.recipient),
        "holds": holds,
        "broken": "" if holds or not broken else broken[-1].link,
        "mend": "" if holds or not broken else broken[-1].mend,
        "steps": [dataclasses.asdict(step) for step in steps],
    }
