"""A property sheet as a value: which options, whose they are, and what stands in its fields. It knows no request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailroot.admin.console.forms import Control, Field, Typed
from mailroot.admin.console.forms import field as field_of
from mailroot.admin.console.layout import Group, sheets, tabs
from mailroot.settings.declared import ANY, Parts, key_parts, key_text, pattern

# IIS: the last tab lists who may administer; those stand on the page of operators.
SECURITY = "Security"


@dataclass(frozen=True, slots=True)
class Sheet:
    """One property sheet. `names` are what stands for each "*" of its keys, in their order.

    `link` is its own page, `back` the one around it. `without` are options that it does not show. `remove` is asked
    before what it is about is removed; "" where that is not done here.
    """

    kind: str
    names: tuple[str, ...]
    title: str
    link: str
    back: str
    crumbs: tuple[tuple[str, str], ...] = ()
    without: frozenset[str] = frozenset()
    security: str = ""
    remove: str = ""

    @property
    def groups(self) -> list[tuple[Group, list[Field]]]:
        """The groups with their fields."""
        made = []
        for group in sheets()[self.kind]:
            shown = [one for one in group.options if one.parts[-1] not in self.without]
            if shown:
                made.append((group, [field_of(one, filled(one.parts, self.names)) for one in shown]))
        return made

    @property
    def fields(self) -> list[Field]:
        """All fields."""
        return [one for _, fields in self.groups for one in fields]


def filled(parts: Parts, names: Sequence[str]) -> Parts:
    """A declaration's key with names in place of its "*"."""
    left = iter(names)
    return tuple(next(left) if part == ANY else part for part in parts)


@dataclass(frozen=True, slots=True)
class Filling:
    """What stands in a sheet.

    `base` is the revision that it was made of, `was` what stood there then, `typed` what stands there now. `wrong` are
    sentences by key; `problems` are rows of the service. `notes` are further words by key. What is `new` is
    not there before it is saved.
    """

    base: int
    was: Mapping[str, Any]
    typed: Mapping[str, Typed]
    wrong: Mapping[str, str] = field(default_factory=dict)
    problems: Sequence[Mapping[str, Any]] = ()
    conflict: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)
    tab: str = ""
    new: bool = False


def same_key(key: str) -> str:
    """A key in the one form in which keys are compared here; what is no key stays."""
    try:
        return key_text(key_parts(key))
    except ValueError:
        return key


def context(sheet: Sheet, filling: Filling, locked: bool) -> dict[str, Any]:
    """What the template needs of a sheet and what stands in it."""
    ids = {one.key: f"f{place}" for place, one in enumerate(sheet.fields)}
    by_field = {same_key(str(problem["path"])): problem for problem in filling.problems}
    wrong = {**{key: _sentence(problem) for key, problem in by_field.items()}, **filling.wrong}
    labels = {one.key: one.label for one in sheet.fields}

    def entry(one: Field) -> dict[str, Any]:
        return {
            "field": one,
            "id": ids[one.key],
            "typed": filling.typed.get(one.key, Typed("")),
            "wrong": wrong.get(one.key, ""),
            "note": filling.notes.get(one.key, ""),
            "short": key_text(key_parts(one.key)[_above(one) :]),
            "locked": locked or one.key not in filling.was,
        }

    groups = [(group.tab, group.heading, [entry(one) for one in fields]) for group, fields in sheet.groups]
    listed = [{"label": labels[key], "id": ids[key], "path": key, "wrong": text} for key, text in filling.wrong.items()]
    listed += [
        {**problem, "id": ids.get(key, ""), "label": labels.get(key, key)}
        for key, problem in by_field.items()
        if key not in filling.wrong
    ]
    return {"tabs": _tabs(sheet, groups), "problems": listed}


def _tabs(sheet: Sheet, groups: list[tuple[str, str, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    made = []
    for name in tabs([group for group, _ in sheet.groups]):
        inside = [{"heading": heading, "entries": entries} for tab, heading, entries in groups if tab == name]
        count = sum(bool(one["wrong"]) for tab, _, entries in groups if tab == name for one in entries)
        made.append({"name": name, "id": _id(name), "groups": inside, "wrong": count, "note": "", "link": None})
    if sheet.security:
        note = {"note": sheet.security, "link": ("Operators", "/operators")}
        made.append({"name": SECURITY, "id": _id(SECURITY), "groups": [], "wrong": 0, **note})
    return made


def _id(name: str) -> str:
    return name.lower().replace(" ", "-")


def _above(one: Field) -> int:
    """How many parts of the key are the sheet's own: the names that users gave, and what is before them."""
    parts = pattern(key_parts(one.key))
    return max((place + 1 for place, part in enumerate(parts) if part == ANY), default=0)


def _sentence(problem: Mapping[str, Any]) -> str:
    mend = problem.get("mend")
    return f"{problem['wrong']}; {mend}" if mend else str(problem["wrong"])


def typed_again(fields: Sequence[Field], form: Mapping[str, str], was: Mapping[str, Any]) -> dict[str, Typed]:
    """What was typed, to stand in the fields again; secrets are not sent back."""
    made = {}
    for one in fields:
        secret = one.control is Control.SECRET
        text = "" if secret else form.get(one.key, "")
        made[one.key] = Typed(text, form.get(f"{one.key}:unit", ""), secret and bool(was.get(one.key)))
    return made
