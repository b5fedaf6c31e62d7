"""The ledger: every change of the settings file goes through it, and becomes a revision.

A revision is durable before the file is replaced, so no change is without one. What an editor wrote is recorded when it
is read, or before the next change. Whoever changes holds the file's lock.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime

from mailroot.edge.clock import utc_now
from mailroot.edge.revisions import Revisions
from mailroot.edge.settingsfile import SettingsFile
from mailroot.mail.by import By
from mailroot.mail.faults import Conflict, Fault, Misconfigured
from mailroot.service.configure.edits import Edit
from mailroot.settings.change import difference
from mailroot.settings.problem import Problem, Problems, Unsound
from mailroot.settings.revision import EDITOR, Revision, demand_unchanged
from mailroot.settings.service import Settings

# A service reads its file while nobody writes it, or very nearly.
_READING = 1.0


@dataclass(frozen=True, slots=True)
class Draft:
    """A change that is checked, and not made yet. `revisions` are those to be recorded; none where nothing changes.

    `before` is the text that the file has; `fresh` where there is no file yet.
    """

    fresh: bool
    before: str
    text: str
    settings: Settings
    revisions: tuple[Revision, ...]

    @property
    def changed(self) -> tuple[str, ...]:
        """The options that differ."""
        return tuple(change.path for change in self.revisions[-1].changes) if self.revisions else ()


class Ledger:
    """One settings file and its revisions. `tell` hears what could not be recorded."""

    def __init__(
        self, file: SettingsFile, tell: Callable[[str], object] = str, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.file = file
        self.revisions = Revisions(file.path)
        self._tell = tell
        self._now = now
        self._number = 0
        self._known: tuple[str, Settings | Problems] | None = None

    @property
    def number(self) -> int:
        """The number of the newest revision that is known."""
        return max(self._number, 1)

    def current(self) -> tuple[str, Settings | Problems]:
        """The file's text and what it stands for; what was found out about the same text is not found out again.

        Raises `Misconfigured` where it cannot be read.
        """
        text = self.file.text()
        if self._known is None or self._known[0] != text:
            self._known = text, self.file.check(text)
        return self._known

    def changing(self, patience: float) -> AbstractContextManager[object]:
        """Nobody else changes the file while this is entered. Raises `Unavailable` after so many seconds."""
        return self.file.changing(patience)

    # -- what is there

    def load(self, by: By = EDITOR) -> Settings | Problems:
        """The settings with the number of their revision; what nobody has recorded is recorded as changed by `by`.

        Nothing is raised: a service runs without its history too, and says so.
        """
        try:
            text = self.file.text()
        except Misconfigured as fault:
            return Problems((Problem("", "", str(fault)),))
        found = self.file.check(text)
        if isinstance(found, Problems):
            return found
        try:
            with self.changing(_READING):
                self._record_read(text, found, by)
        except Fault as fault:
            self._number += 1
            self._tell(f"the revision of the settings was not recorded: {fault}")
        return replace(found, revision=self.number)

    def _record_read(self, text: str, found: Settings, by: By) -> None:
        last = self._last()
        if last is not None and last.text == text:
            self._number = last.number
            return
        if self.file.path.exists():  # the quick start is no file; it is recorded once there is one
            revision = self._revision(last, text, found, by, "edit")
            self.revisions.add(revision)
            self._number = revision.number

    def _last(self) -> Revision | None:
        numbers = self.revisions.numbers()
        self._number = max(self._number, numbers[-1] if numbers else 0)
        return self.revisions.read(numbers[-1]) if numbers else None

    def _revision(self, last: Revision | None, text: str, found: Settings, by: By, operation: str) -> Revision:
        """The next revision, with what differs from the last one."""
        former = self.file.check(last.text) if last is not None else None
        changes = difference(former, found) if isinstance(former, Settings) else ()
        return Revision(self._next(), self._now(), by, operation, tuple(changes), text)

    def _next(self) -> int:
        return self._number + 1

    # -- changes

    def draft(self, edit: Edit, by: By, operation: str, base: int | None = None) -> Draft:
        """What an edit makes of the file, checked. With `base`, nobody's newer change of the same options is undone.

        Raises `Unsound`, `Conflict` or another `Fault`, and `ValueError` with a sentence.
        """
        text, fresh = self.file.text(), not self.file.path.exists()
        found, last = self.file.check(text), self._last()
        changed = edit(text, found)
        checked = self.file.check(changed)
        if isinstance(checked, Problems):
            raise Unsound(checked)
        if changed == text:
            return Draft(fresh, text, text, replace(checked, revision=self._number), ())
        unseen = self._unseen(last, text, found)
        number = (unseen[-1].number if unseen else self._number) + 1
        former = found if isinstance(found, Settings) else self.file.check(last.text) if last else found
        changes = tuple(difference(former, checked)) if isinstance(former, Settings) else ()
        made = Revision(number, self._now(), by, operation, changes, changed)
        if base is not None:
            self._demand_unchanged(made, base, unseen)
        return Draft(fresh, text, changed, replace(checked, revision=number), (*unseen, made))

    def _unseen(self, last: Revision | None, text: str, found: Settings | Problems) -> tuple[Revision, ...]:
        """What an editor wrote and nobody read yet."""
        if isinstance(found, Problems) or (last is not None and last.text == text):
            return ()
        return (self._revision(last, text, found, EDITOR, "edit"),)

    def _demand_unchanged(self, made: Revision, base: int, unseen: tuple[Revision, ...]) -> None:
        numbers = self.revisions.numbers()
        newest = unseen[-1].number if unseen else self._number
        if not 0 < base <= newest:
            raise Misconfigured(f"there is no revision {base} of the settings; the newest is {newest}")
        if numbers and base < numbers[0]:
            raise Conflict(f"revision {base} is not remembered any more; read the settings again")
        newer = [self.revisions.read(number) for number in numbers if number > base]
        demand_unchanged([change.path for change in made.changes], [*newer, *(r for r in unseen if r.number > base)])

    def write(self, draft: Draft) -> None:
        """Record the change and make it. Raises `Fault`; the file is as it was then."""
        if not draft.revisions:
            return
        recorded: list[int] = []
        try:
            for revision in draft.revisions:
                self.revisions.add(revision)
                recorded.append(revision.number)
            self.file.replace(draft.text)
        except BaseException:
            for number in reversed(recorded):
                self.revisions.take_back(number)
            raise
        self._number = draft.revisions[-1].number

    def put_back(self, draft: Draft) -> None:
        """The change could not be brought into force: the file is as it was, and there was no such revision."""
        if not draft.revisions:
            return
        if draft.fresh:
            self.file.path.unlink(missing_ok=True)
        else:
            self.file.replace(draft.before)
        self.revisions.take_back(draft.revisions[-1].number)
        self._number = draft.revisions[-1].number - 1
