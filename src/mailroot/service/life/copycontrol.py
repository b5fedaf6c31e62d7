"""What operators ask to copy a configuration to another machine."""

import asyncio
from collections.abc import Mapping
from typing import Any

from mailroot.edge.machine import here, origin
from mailroot.mail.by import By
from mailroot.mail.faults import Conflict, Misconfigured
from mailroot.service.configure.edits import edit_of
from mailroot.service.configure.ledger import Ledger
from mailroot.service.life.settingscontrol import Perform, SettingsControl, as_faults, facts_of
from mailroot.settings.copying import adapted, exported, problems_of
from mailroot.settings.problem import Problems, Unsound

Arguments = Mapping[str, Any]


class CopyControl:
    """The operations `config.*`. No secret leaves by them: who is on the machine reads the file itself."""

    def __init__(self, ledger: Ledger, settings: SettingsControl) -> None:
        self._ledger = ledger
        self._settings = settings

    def operations(self) -> dict[str, Perform]:
        """Each operation by its name."""
        return {"config.export": self._export, "config.import": self._import}

    async def _export(self, _arguments: Arguments) -> object:
        file = self._ledger.file
        with as_faults():
            text, left = exported(file.text(), await asyncio.to_thread(origin, file))
        return {"text": text, "secrets_left_out": list(left)}

    async def _import(self, arguments: Arguments, by: By) -> object:
        file, text, wanted = self._ledger.file, arguments.get("text"), arguments.get("adapt") or {}
        if not isinstance(text, str) or not isinstance(wanted, Mapping):
            raise Misconfigured("text: the text of an exported configuration is wanted")
        if file.path.exists() and not arguments.get("force"):
            raise Conflict("there are settings already; say force to replace them (they stay a revision)")
        with as_faults():
            fitted = adapted(text.replace("\r\n", "\n"), here(file), dict(wanted))
        problems = problems_of(fitted.look_at)
        if problems:
            raise Unsound(Problems(problems))
        edit = edit_of("config.import", {"text": fitted.text})
        draft, answer = await self._settings.make_by_restart("config.import", edit, by)
        told = {"adapted": list(fitted.rows), "look_at": list(fitted.look_at), "restarted": True}
        return {**told, **facts_of(draft, answer)}
