"""A change of the settings file: checked, written with everything else as it was, applied by the service if one runs.

One at a time: a second program waits until the first one is through, so neither loses what the other has written.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mailroot.cli import screen
from mailroot.edge.control import NoService, Refused, ask
from mailroot.edge.settingsfile import SettingsFile
from mailroot.settings.problem import Problems
from mailroot.settings.service import Settings


@dataclass(frozen=True, slots=True)
class Changed:
    """What was done: the settings that the file stands for now, and what the service says of them."""

    settings: Settings
    facts: dict[str, Any]

    def told(self, file: SettingsFile) -> str:
        """The facts in sentences."""
        said = [f"{file.path} is written."]
        if not self.facts["running"]:
            said.append("No service runs for it; the change counts from the next start on.")
        if self.facts["applied"]:
            said.append(f"Applied: {screen.cell(self.facts['applied'])}.")
        if self.facts["needs_restart"]:
            said.append(f"Counts after a restart of the service: {screen.cell(self.facts['needs_restart'])}.")
        return "\n".join(said)


def change(file: SettingsFile, edit: Callable[[str], str]) -> Changed | Problems:
    """Put what `edit` makes of the file's text in its place, if that is sound and the service can apply it.

    Where it is not, the file stays as it is, which is said. Raises `Fault`, and what `edit` raises.
    """
    with file.changing():
        text = edit(file.text())
        checked = file.check(text)
        if isinstance(checked, Problems):
            screen.complain(f"{file.path} was not changed:")
            return checked
        undo = file.keep()
        file.replace(text)
        try:
            return Changed(checked, {"running": True, **ask(file.path, "settings.reload", {})})
        except NoService:
            return Changed(checked, {"running": False, "applied": [], "needs_restart": []})
        except Refused:
            undo()
            screen.complain(f"{file.path} was not changed, because the service cannot apply it:")
            raise
