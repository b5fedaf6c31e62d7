"""Carries out what is asked of the service, says what came of it, and records every change.

A request is a JSON object {"operation": name, "arguments": {...}}; its answer {"ok": true, "result": ...} or {"ok":
false, "error": sentence, "kind": one of `KINDS`, "problems": [...]}.
"""

import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias

from mailroot.mail.by import By
from mailroot.mail.events import EVENTS, Emit
from mailroot.mail.faults import Conflict, Fault, Misconfigured, Missing, NotAllowed
from mailroot.settings.problem import Unsound

Arguments: TypeAlias = Mapping[str, Any]
Perform: TypeAlias = Callable[..., Awaitable[object]]
"""Carries an operation out; called with its arguments, and where it takes two, with who asks as well."""

KINDS = ("request", "unknown", "missing", "conflict", "unsound", "forbidden", "unavailable", "mistake")
"""What can be wrong: the request itself, no such operation, nothing of that name, something in the way, values that
cannot be, what one may not do, something that does not work now, a mistake of the program."""


class Record(Protocol):
    """Where changes are recorded (`service.life.audit`)."""

    async def changed(self, operation: str, arguments: Arguments, by: By, outcome: str) -> None:
        """Record a change, or the attempt at one; `outcome` is "done" or why not."""


class Dispatch:
    """Every operation of the service by its name. `record` has what counts as a change."""

    def __init__(self, operations: Mapping[str, Perform], emit: Emit, record: Record) -> None:
        self._operations = {name: (perform, _takes_by(perform)) for name, perform in operations.items()}
        self._emit = emit
        self._record = record

    async def answer(self, line: bytes, by: By) -> dict[str, object]:
        """The answer to a request."""
        try:
            request = json.loads(line)
            operation, arguments = str(request["operation"]), dict(request.get("arguments") or {})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return refusal("a request is a JSON object with an operation and its arguments", "request")
        return await self.perform(operation, arguments, by)

    async def perform(self, operation: str, arguments: Arguments, by: By) -> dict[str, object]:
        """Carry an operation out; what came of it."""
        if operation not in self._operations:
            return refusal(f"there is no operation {operation!r}", "unknown")
        answer = await self._performed(operation, arguments, by)
        await self._record.changed(operation, arguments, by, _outcome(answer))
        return answer

    async def _performed(self, operation: str, arguments: Arguments, by: By) -> dict[str, object]:
        perform, takes_by = self._operations[operation]
        try:
            return {"ok": True, "result": await (perform(arguments, by) if takes_by else perform(arguments))}
        except Unsound as fault:
            return {**refusal(str(fault), "unsound"), "problems": list(fault.problems.rows())}
        except Fault as fault:
            return refusal(str(fault), kind_of(fault))
        except Exception as mistake:  # the outermost frame of a request: the service goes on, and who asked is told
            self._emit(EVENTS.task_failed, server="", task=operation, cause=repr(mistake))
            return refusal(f"{operation} failed by a mistake of the program: {mistake!r}", "mistake")


def refusal(error: str, kind: str) -> dict[str, object]:
    """The answer where nothing was done."""
    return {"ok": False, "error": error, "kind": kind}


def _outcome(answer: Mapping[str, Any]) -> str:
    """What came of it, as it is recorded: of problems of settings without the values, of which one may be a secret."""
    if answer["ok"]:
        return "done"
    problems = answer.get("problems") or ()
    return "; ".join(f"{row['path']}: {row['wrong']}" for row in problems) or str(answer["error"])


def kind_of(fault: Fault) -> str:
    """The one of `KINDS` that a fault is."""
    kinds: tuple[tuple[type[Fault], str], ...] = (
        (Missing, "missing"),
        (Conflict, "conflict"),
        (Misconfigured, "unsound"),
        (NotAllowed, "forbidden"),
    )
    return next((kind for of, kind in kinds if isinstance(fault, of)), "unavailable")


def _takes_by(perform: Perform) -> bool:
    return len(inspect.signature(perform).parameters) > 1
