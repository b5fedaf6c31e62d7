"""What operators ask of the settings: every value, changes, who made them, and the way back.

The service is the one writer of its file while it runs. A change is checked, recorded, written and put in force, or
nothing is changed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Protocol

from mailroot.mail.by import By
from mailroot.mail.faults import Misconfigured, Missing, Unavailable
from mailroot.service.configure.edits import Edit, edit_of
from mailroot.service.configure.ledger import Draft, Ledger
from mailroot.service.life.reload import Reloaded
from mailroot.service.life.state import State
from mailroot.service.life.unbroken import to_its_end
from mailroot.settings.change import difference
from mailroot.settings.declared import key_text
from mailroot.settings.domainrows import domain_rows
from mailroot.settings.problem import Problem, Problems, Unsound
from mailroot.settings.revision import Revision, change_rows, demand_unchanged, without
from mailroot.settings.serveredits import server_meant
from mailroot.settings.service import Settings
from mailroot.settings.sheet import sheet

# Seconds for another program to end its change; who asks waits for ten.
_PATIENCE, _LOOK = 5.0, 0.05
_SHOWN_REVISIONS = 100

Arguments = Mapping[str, Any]
Perform = Callable[..., Awaitable[object]]
Enforce = Callable[[Settings], Awaitable[Reloaded | Problems]]


class Service(Protocol):
    """Who puts settings in force (`service.life.supervisor`)."""

    @property
    def state(self) -> State:
        """What the supervisor knows."""

    @property
    def ledger(self) -> Ledger:
        """The settings file."""

    @property
    def changing(self) -> asyncio.Lock:
        """Held by whoever changes what is in force."""

    async def apply(self, wanted: Settings) -> Reloaded | Problems:
        """Put settings in force as far as a reload can; the lock is held."""

    async def restart(self, wanted: Settings) -> Reloaded:
        """Put settings in force by a restart inside; the lock is held."""


class SettingsControl:
    """The operations `settings.*` and `domain.*`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ledger = service.ledger
        self._compared: tuple[Settings, Settings, list[str]] | None = None

    def operations(self) -> dict[str, Perform]:
        """Each operation by its name."""
        return {
            "settings.get": self._get,
            "settings.change": self._edits("settings.change"),
            "settings.history": self._history,
            "settings.difference": self._difference,
            "settings.undo": self._undo,
            "domain.list": self._domains,
            **{f"domain.{word}": self._edits(f"domain.{word}") for word in _DOMAIN_WORDS},
        }

    # -- reading

    async def _get(self, arguments: Arguments) -> object:
        """Every value of a table; what the file says, and what counts."""
        key, (text, found) = str(arguments.get("key") or ""), self._ledger.current()
        settings = _sound(found)
        with as_faults():
            if arguments.get("server"):
                above = key_text(("servers", server_meant(settings, str(arguments["server"]))))
                key = key if key.startswith(f"{above}.") or key == above else f"{above}.{key}" if key else above
            rows = sheet(settings, text, key)
        return {"revision": self._ledger.number, "rows": rows, "needs_restart": self.waiting()}

    def waiting(self) -> list[str]:
        """The options that count after a restart of the service; none where the file cannot be read."""
        force = self._service.state.settings
        try:
            found = self._ledger.current()[1]
        except Misconfigured:
            return []
        if isinstance(found, Problems):
            return []
        if self._compared is None or self._compared[0] is not force or self._compared[1] is not found:
            paths = [change.path for change in difference(force, found) if change.needs_restart]
            self._compared = force, found, paths
        return self._compared[2]

    async def _domains(self, arguments: Arguments) -> object:
        settings = self._service.state.settings
        with as_faults():
            only = [server_meant(settings, str(arguments["server"]))] if arguments.get("server") else settings.servers
        return list(domain_rows(settings, only))

    # -- revisions

    async def _history(self, arguments: Arguments) -> object:
        most = _number(arguments, "limit") or _SHOWN_REVISIONS
        return [revision.row for revision in reversed(self._ledger.revisions.latest(most))]

    async def _difference(self, arguments: Arguments) -> object:
        """What differs between two revisions; the newest and the one before it, where none is named."""
        numbers = self._ledger.revisions.numbers()
        to = _number(arguments, "to") or (numbers[-1] if numbers else 0)
        since = _number(arguments, "from") or max((one for one in numbers if one < to), default=0)
        if not since:
            raise Missing(f"there is no revision before {to}")
        old, new = (_sound(self._ledger.file.check(self._revision(one).text)) for one in (since, to))
        return change_rows(difference(old, new))

    async def _undo(self, arguments: Arguments, by: By) -> object:
        """Put back what a revision changed, the newest one where none is named; newer changes of others stay."""
        numbers = self._ledger.revisions.numbers()
        number = _number(arguments, "revision") or (numbers[-1] if numbers else 0)
        undone = self._revision(number)
        older = [one for one in numbers if one < number]
        if not older:
            raise Missing(f"what was before revision {number} is not remembered")
        before = self._revision(older[-1]).text
        demand_unchanged([change.path for change in undone.changes], [self._revision(n) for n in numbers if n > number])
        edit: Edit = lambda text, _found: without(text, undone, before)  # noqa: E731 - a name for an argument
        return facts_of(*await self.make(f"settings.undo {number}", edit, by, numbers[-1]))

    def _revision(self, number: int) -> Revision:
        return self._ledger.revisions.read(number)

    # -- changing

    def _edits(self, operation: str) -> Perform:
        async def perform(arguments: Arguments, by: By) -> object:
            base = _number(arguments, "base") or None
            return facts_of(*await self.make(operation, edit_of(operation, arguments), by, base))

        return perform

    async def make(self, operation: str, edit: Edit, by: By, base: int | None = None) -> tuple[Draft, Reloaded]:
        """Check, record, write, and put in force what a reload can; or nothing. Raises `Fault`."""
        return await self._made(operation, edit, by, base, self._service.apply)

    async def make_by_restart(self, operation: str, edit: Edit, by: By) -> tuple[Draft, Reloaded]:
        """The same, but put all of it in force by a restart inside."""
        return await self._made(operation, edit, by, None, self._service.restart)

    async def _made(
        self, operation: str, edit: Edit, by: By, base: int | None, enforce: Enforce
    ) -> tuple[Draft, Reloaded]:
        return await to_its_end(self._made_now(operation, edit, by, base, enforce))

    async def _made_now(
        self, operation: str, edit: Edit, by: By, base: int | None, enforce: Enforce
    ) -> tuple[Draft, Reloaded]:
        async with self._service.changing, self._alone():
            with as_faults():
                draft = self._ledger.draft(edit, by, operation, base)
            self._ledger.write(draft)
            try:
                answer = await enforce(draft.settings)
            except BaseException:
                self._ledger.put_back(draft)
                raise
            if isinstance(answer, Problems):
                self._ledger.put_back(draft)
                raise Misconfigured(str(answer))
        return draft, answer

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Nobody else changes the file meanwhile; who does now is waited for without holding anybody up."""
        until = asyncio.get_running_loop().time() + _PATIENCE
        with contextlib.ExitStack() as held:
            while not self._enter(held, until):
                await asyncio.sleep(_LOOK)
            yield

    def _enter(self, held: contextlib.ExitStack, until: float) -> bool:
        try:
            held.enter_context(self._ledger.changing(0.0))
        except Unavailable:
            if asyncio.get_running_loop().time() > until:
                raise
            return False
        return True


_DOMAIN_WORDS = ("add", "change", "remove", "rename", "default")


def facts_of(draft: Draft, answer: Reloaded) -> dict[str, object]:
    """What a change did, as who asked for it reads it."""
    return {
        "revision": draft.settings.revision,
        "changed": list(draft.changed),
        "applied": list(answer.applied),
        "needs_restart": list(answer.needs_restart),
    }


def _sound(found: Settings | Problems) -> Settings:
    if isinstance(found, Problems):
        raise Unsound(found)
    return found


def _number(arguments: Arguments, name: str) -> int:
    """The number of a revision; 0 where none is given. Raises `Unsound`."""
    given = arguments.get(name)
    if given in (None, ""):
        return 0
    if isinstance(given, str) and given.isascii() and given.isdigit():
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int) or not 0 < given < 1 << 31:
        raise Unsound(Problems((Problem(name, "", "the number of a revision is wanted"),)))
    return given


@contextlib.contextmanager
def as_faults() -> Iterator[None]:
    """What is wrong with what was asked for is no mistake of the program."""
    try:
        yield
    except ValueError as fault:
        raise Misconfigured(str(fault)) from fault
