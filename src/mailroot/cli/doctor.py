"""The command that examines a service: by its settings, whether it runs or not, and by its answers where it does."""

import argparse
import asyncio
from typing import Any

from mailroot.cli import screen
from mailroot.edge.clock import utc_now
from mailroot.edge.control import NoService, ask
from mailroot.edge.probes.rights import account_named
from mailroot.edge.settingsfile import SettingsFile
from mailroot.mail.faults import Misconfigured
from mailroot.service.doctor.examination import CHECKS, examine
from mailroot.service.doctor.finding import Finding, Patient, State
from mailroot.settings.problem import Problems
from mailroot.settings.service import Settings

_MARKS = {State.OK: "ok", State.WARNING: "WARNING", State.FAULT: "FAULT"}
_WIDTH = 9


def run(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Examine, and show each finding as it comes; 1 where there is a fault."""
    known = {row.name for row in CHECKS}
    for name in arguments.check:
        if name not in known:
            raise Misconfigured(f"there is no check {name!r}; there are: {', '.join(row.name for row in CHECKS)}")
    told: list[dict[str, Any]] = []

    def tell(check: str, finding: Finding) -> None:
        told.append(_row(check, finding))
        if not arguments.json:
            _show(check, finding)

    settings = file.load()
    if isinstance(settings, Problems):
        for problem in settings.problems:
            said = " ".join(part for part in (problem.value, problem.wrong) if part)
            tell("settings", Finding(problem.path or str(file.path), State.FAULT, said, problem.mend))
        sound = False
    else:
        sound = asyncio.run(examine(_patient(settings, file), arguments.check, tell))
    if arguments.json:
        print(screen.as_json({"sound": sound, "findings": told}))
    else:
        screen.show(_verdict(told))
    return 0 if sound else 1


def _patient(settings: Settings, file: SettingsFile) -> Patient:
    try:
        account = account_named(settings.service.run_as)
    except KeyError as fault:
        raise Misconfigured(f"service.run_as: there is no account {settings.service.run_as!r}") from fault
    try:
        status = ask(file.path, "status", {})
    except NoService:
        status = None
    return Patient(settings, account, status, lambda *asked: ask(file.path, *asked), utc_now())


def _row(check: str, finding: Finding) -> dict[str, Any]:
    return {
        "check": check,
        "subject": finding.subject,
        "state": finding.state.value,
        "said": finding.said,
        "mend": finding.mend,
    }


def _show(check: str, finding: Finding) -> None:
    about = "" if finding.subject == check else f"{finding.subject}: "
    screen.show(f"{_MARKS[finding.state]:{_WIDTH}}{check:14}{about}{finding.said}")
    if finding.mend:
        screen.show(f"{'':{_WIDTH + 14}}To mend it: {finding.mend}.")


def _verdict(told: list[dict[str, Any]]) -> str:
    count = {state: sum(1 for row in told if row["state"] == state.value) for state in State}
    return f"{count[State.FAULT]} fault(s), {count[State.WARNING]} warning(s), {count[State.OK]} in order."
