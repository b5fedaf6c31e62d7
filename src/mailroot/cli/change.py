"""A change of the settings file: made by the service that runs for it, which applies it, or else by us.

There is one writer at a time: a second one waits until the first is through, so neither loses what the other wrote.
"""

import argparse
import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from mailroot.cli import screen
from mailroot.edge.control import NoService, Refused, ask
from mailroot.edge.settingsfile import SettingsFile
from mailroot.mail.by import By
from mailroot.mail.faults import Misconfigured
from mailroot.service.configure.edits import edit_of
from mailroot.service.configure.ledger import Ledger
from mailroot.settings.problem import Problem, Problems, Unsound
from mailroot.settings.service import Settings

_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Changed:
    """What was done: the settings that the file stands for now, and what the service says of them."""

    settings: Settings
    facts: dict[str, Any]

    def told(self, file: SettingsFile) -> str:
        """The facts in sentences."""
        return told(str(file.path), self.facts)


def told(place: str, facts: Mapping[str, Any]) -> str:
    """What was done to the settings of a place, in sentences."""
    said = [f"{place} is written."]
    if not facts["running"]:
        said.append("No service runs for it; the change counts from the next start on.")
    return "\n".join([*said, *in_force(facts)])


def in_force(facts: Mapping[str, Any]) -> list[str]:
    """What a service says of a change that it made, in sentences."""
    said = []
    if facts.get("restarted"):
        said.append("The service was restarted inside; all of it is in force.")
    if facts["applied"]:
        said.append(f"Applied: {screen.cell(facts['applied'])}.")
    if facts["needs_restart"]:
        said.append(f"Counts after a restart of the service: {screen.cell(facts['needs_restart'])}.")
    return said


def based_on(arguments: argparse.Namespace) -> dict[str, int]:
    """The revision that the change was made from, where one was typed: nobody's newer change is undone then."""
    return {} if arguments.base is None else {"base": arguments.base}


def change(file: SettingsFile, operation: str, arguments: Mapping[str, Any]) -> Changed | Problems:
    """Have an operation of `service.configure.edits` carried out, if the result is sound and the service can apply it.

    Where it is not, the file stays as it is, which is said. Raises `Fault` and `ValueError`.
    """
    try:
        facts = ask(file.path, operation, arguments)
    except NoService:
        return change_here(file, operation, arguments)
    except Refused as fault:
        if not fault.problems:
            screen.complain(f"{file.path} was not changed:")
            raise_as_here(fault)
        return _problems(file, tuple(problem_of(row) for row in fault.problems))
    loaded = file.load()
    return loaded if isinstance(loaded, Problems) else Changed(loaded, {"running": True, **facts})


def change_here(file: SettingsFile, operation: str, arguments: Mapping[str, Any]) -> Changed | Problems:
    """Without a service: the file is changed, and counts from the next start on. Raises `Fault` and `ValueError`."""
    ledger = Ledger(file, screen.complain)
    with ledger.changing(_PATIENCE):
        try:
            by, base = By(getpass.getuser()), arguments.get("base")
            draft = ledger.draft(edit_of(operation, arguments), by, operation, base)
        except Unsound as fault:
            return _problems(file, fault.problems.problems)
        ledger.write(draft)
    facts = {"running": False, "revision": draft.settings.revision, "applied": [], "needs_restart": []}
    return Changed(draft.settings, facts)


def _problems(file: SettingsFile, problems: tuple[Problem, ...]) -> Problems:
    screen.complain(f"{file.path} was not changed:")
    return Problems(problems, str(file.path))


def raise_as_here(fault: Refused) -> NoReturn:
    """Raise what a service refused as what it would be without one: the exit code is the same then."""
    if fault.kind in ("unsound", "422"):
        raise Misconfigured(str(fault)) from fault
    raise fault


def problem_of(row: Mapping[str, Any]) -> Problem:
    """A problem that a service tells of."""
    path, value, wrong, mend = (str(row.get(name, "")) for name in ("path", "value", "wrong", "mend"))
    return Problem(path, value, wrong, mend, int(row.get("line", 0)))
