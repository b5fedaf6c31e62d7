"""Who changed what: each change as an event, and in the audit record. No secret is in either."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mailroot.edge.auditlog import AuditLog
from mailroot.mail.by import By, is_by
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Fault, Misconfigured, Missing
from mailroot.settings.declared import declared, key_parts, pattern

_LONGEST = 2_000
_MOST_ROWS = 1_000
_HIDDEN = "(a secret)"
_TELLING = 3  # characters
# Where a virtual server or a domain is named, keys are those below it.
_ABOVE = ((), ("servers", "x"), ("servers", "x", "domains", "x"))

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Which operations are changes, and which of their arguments are secrets, as (operation, argument)."""

    changes: frozenset[str] = frozenset()
    secrets: frozenset[tuple[str, str]] = frozenset()


class Audit:
    """Records changes. `log` gives the record's files, None where none is kept."""

    def __init__(self, recorded: Recorded, emit: Callable[[], Emit], log: Callable[[], AuditLog | None]) -> None:
        self._recorded = recorded
        self._emit = emit
        self._log = log

    async def changed(self, operation: str, arguments: Arguments, by: By, outcome: str) -> None:
        """Record a change; returns when the record is on disk. Where that cannot be, an event says so."""
        if operation in self._recorded.changes:
            await self.record(operation, arguments, by, outcome)

    async def record(self, operation: str, arguments: Arguments, by: By, outcome: str) -> None:
        """Record what is known to be a change."""
        record = {
            "who": by.name,
            "face": by.face,
            "address": by.address,
            "operation": operation,
            "arguments": self._shown(operation, arguments),
            "outcome": self._without_secrets(operation, arguments, outcome)[:_LONGEST],
        }
        self._emit()(EVENTS.operation_done, **record)
        log = self._log()
        if log is not None:
            try:
                await asyncio.to_thread(log.append, record)
            except Fault as fault:
                self._emit()(EVENTS.audit_failed, cause=str(fault))

    def _shown(self, operation: str, arguments: Arguments) -> dict[str, object]:
        return {
            str(name)[:64]: _HIDDEN if self._secret(operation, name, value) else _shown(value)
            for name, value in arguments.items()
        }

    def _secret(self, operation: str, name: str, value: object) -> bool:
        """Whether an argument is one, or holds options as they were mistyped: nobody knows what stands in these."""
        return (operation, name) in self._recorded.secrets or (name == "options" and isinstance(value, list | tuple))

    def _without_secrets(self, operation: str, arguments: Arguments, outcome: str) -> str:
        """What went wrong, without the values that are not recorded: a sentence may quote them."""
        for name, value in arguments.items():
            texts = _leaves(value) if self._secret(operation, name, value) else _hidden_in(value)
            for text in texts:
                outcome = outcome.replace(text, _HIDDEN)
        return outcome

    async def page(self, arguments: Arguments) -> object:
        """Records, the newest first."""
        log = self._log()
        if log is None:
            raise Missing("no audit record is kept (admin.audit)")
        who, what = arguments.get("who"), arguments.get("what")

        def wanted(row: Mapping[str, Any]) -> bool:
            return (who is None or is_by(row.get("who"), str(who))) and what in (None, row.get("operation"))

        after, limit = str(arguments.get("after") or ""), _limit(arguments.get("limit"))
        try:
            rows, following = await asyncio.to_thread(log.page, after, limit, wanted)
        except ValueError as fault:
            raise Misconfigured(f"{after!r} is no cursor of this list") from fault
        return {"rows": rows, "next": following}

    async def check(self, _arguments: Arguments) -> object:
        """Whether the files are as they were written."""
        log = self._log()
        broken = [] if log is None else await asyncio.to_thread(lambda: list(log.broken()))
        return {"sound": not broken, "broken": broken}


def _limit(wanted: object) -> int:
    if wanted in (None, ""):
        return 100
    with contextlib.suppress(ValueError):
        number = int(str(wanted))
        if 1 <= number <= _MOST_ROWS:
            return number
    raise Misconfigured(f"limit: a number from 1 to {_MOST_ROWS}")


def _shown(value: object) -> object:
    """A value as it is recorded: not at length, and of a table only the options that are known and no secrets."""
    if isinstance(value, Mapping):
        return {str(name)[:256]: _shown(one) if _plain(str(name), one) else _HIDDEN for name, one in value.items()}
    if isinstance(value, bool | int | float) or value is None:
        return value
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _plain(key: str, value: object) -> bool:
    """Whether an option's value may be recorded. Under a key that is mistyped may stand what is a secret."""
    if value is None:
        return True
    try:
        parts = key_parts(key)
    except ValueError:
        return False
    found = [one for above in _ABOVE if (one := declared().get(pattern((*above, *parts)))) is not None]
    return bool(found) and not any(one.option.secret for one in found)


def _hidden_in(value: object) -> Iterator[str]:
    """The texts in a table that are not recorded."""
    for name, one in value.items() if isinstance(value, Mapping) else ():
        if not _plain(str(name), one):
            yield from _leaves(one)


def _leaves(value: object) -> Iterator[str]:
    """The texts that a value is made of, that are too long to be anything else by chance."""
    if isinstance(value, Mapping):
        for one in value.values():
            yield from _leaves(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one)
    elif len(str(value)) >= _TELLING:
        yield str(value)
