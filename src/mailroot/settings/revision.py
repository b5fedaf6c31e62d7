"""Revisions of a settings file: who changed what and when, and whether a change would undo somebody's newer one."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mailroot.mail.by import By
from mailroot.mail.faults import Conflict
from mailroot.settings.batch import placed, remove, spelling_of
from mailroot.settings.change import Change
from mailroot.settings.declared import Parts, key_parts
from mailroot.settings.edited import NewTable, edited
from mailroot.settings.option import Applies

EDITOR = By("somebody with an editor", "file")


@dataclass(frozen=True, slots=True)
class Revision:
    """One text of the settings file. `operation` is what made it; `changes` are what differs from the one before."""

    number: int
    at: datetime
    by: By
    operation: str
    changes: tuple[Change, ...]
    text: str

    @property
    def row(self) -> dict[str, object]:
        """What people read of it in a list."""
        return {
            "revision": self.number,
            "at": self.at.isoformat(timespec="seconds"),
            "by": self.by.name,
            "face": self.by.face,
            "address": self.by.address,
            "operation": self.operation,
            "changed": [change.path for change in self.changes],
        }

    def as_kept(self) -> dict[str, Any]:
        """The revision in values that JSON can hold; `revision_from` is the way back."""
        changes = [[one.path, one.old, one.new, one.applies.value] for one in self.changes]
        by = [self.by.name, self.by.face, self.by.address]
        return {
            "revision": self.number,
            "at": self.at.isoformat(),
            "by": by,
            "operation": self.operation,
            "changes": changes,
            "text": self.text,
        }


def revision_from(kept: Mapping[str, Any]) -> Revision:
    """The revision that `as_kept` gave. Raises `ValueError`, `KeyError` or `TypeError` where it is none."""
    changes = (Change(str(path), str(old), str(new), Applies(word)) for path, old, new, word in kept["changes"])
    at, by = datetime.fromisoformat(kept["at"]), By(*(str(one) for one in kept["by"]))
    return Revision(int(kept["revision"]), at, by, str(kept["operation"]), tuple(changes), str(kept["text"]))


def change_rows(changes: Iterable[Change]) -> list[dict[str, object]]:
    """Changes as people read them."""
    return [{"path": one.path, "old": one.old, "new": one.new, "counts": one.applies.value} for one in changes]


# -- newer changes


def demand_unchanged(paths: Iterable[str], newer: Sequence[Revision]) -> None:
    """See that none of the `newer` revisions changed these options. Raises `Conflict`, naming who did and when."""
    wanted = [key_parts(path) for path in paths]
    for revision in reversed(newer):
        for change in revision.changes:
            if any(_overlap(key_parts(change.path), parts) for parts in wanted):
                raise Conflict(_said(change, revision))


def _said(change: Change, revision: Revision) -> str:
    what = f"{change.old or 'nothing'} became {change.new or 'nothing'}"
    when = f"{revision.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    who = f"in revision {revision.number}, by {revision.by.name} at {when}"
    return f"{change.path}: {what} {who}; look at that, and try again"


def _overlap(one: Parts, other: Parts) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


# -- undoing


def without(text: str, undone: Revision, before: str) -> str:
    """The text with what a revision changed as it was in the text `before` it; everything else stays.

    Raises `ValueError` where the file's form does not allow it.
    """
    if text == undone.text:
        return before
    old = tomllib.loads(before)
    paths = [key_parts(change.path) for change in undone.changes]
    values = [(parts, _written(old, parts)) for parts in paths]
    return _without_empty(placed(text, values, f"revision {undone.number}"), old, paths)


def _written(table: Mapping[str, Any], parts: Parts) -> Any:
    """What stands there in the file, None where nothing does."""
    node: Any = table
    for part in spelling_of(table, parts):
        if not isinstance(node, Mapping) or part not in node:
            return None
        node = node[part]
    return node


def _without_empty(text: str, old: Mapping[str, Any], paths: Sequence[Parts]) -> str:
    """The text without tables that the undone change had made, and which are empty now."""
    now = tomllib.loads(text)
    empty = [*dict.fromkeys(parts for path in paths for parts in _emptied(now, old, path))]
    if not empty:
        return text

    def edit(table: Any, _new: NewTable) -> None:
        for parts in empty:
            remove(table, spelling_of(table, parts))

    return edited(text, edit, "empty tables")


def _emptied(now: Mapping[str, Any], old: Mapping[str, Any], path: Parts) -> Iterator[Parts]:
    for depth in range(len(path) - 1, 0, -1):
        parts = path[:depth]
        if _written(old, parts) is not None or _leaves(_written(now, parts)):
            return
        if _written(now, parts) is not None:
            yield parts


def _leaves(node: Any) -> bool:
    """Whether a value stands somewhere in this table."""
    if not isinstance(node, Mapping):
        return node is not None
    return any(_leaves(inner) for inner in node.values())
