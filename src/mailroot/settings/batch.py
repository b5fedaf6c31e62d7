"""Several options changed in one step: all that is wrong with the values is found at once, then the text is changed.

The result is still to be checked as a whole; so a change that is sound only as a whole can be made.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any

from mailroot.mail.address import domain_key
from mailroot.settings.declared import SHOWN_SECRET, Parts, declared, key_parts, key_text, nearest, pattern, sections
from mailroot.settings.edited import NewTable, edited
from mailroot.settings.keys import fitting_value, place
from mailroot.settings.problem import Problem, Problems, Unsound
from mailroot.settings.spelling import toml_text

Table = MutableMapping[str, Any]


def batch(text: str, values: Mapping[str, object]) -> str:
    """The file's text with these values, by their dotted keys: TOML or bare text, or what JSON has for it.

    None takes an option out of the file, so that its default counts; of a table, everything in it. Raises `Unsound`
    with a problem for each value that does not fit, and `ValueError` where the file's form allows no change.
    """
    problems: list[Problem] = []
    fitting: list[tuple[Parts, Any]] = []
    for key, value in values.items():
        if value == SHOWN_SECRET and _is_secret(key):
            continue  # it was shown so, and comes back unchanged
        try:
            fitting.append(_absent(key) if value is None else _fitting(key, value))
        except ValueError as fault:
            problems.append(_problem(key, value, str(fault)))
    if problems:
        raise Unsound(Problems(tuple(problems)))
    return placed(text, fitting, ", ".join(values))


def placed(text: str, values: list[tuple[Parts, Any]], about: str) -> str:
    """The text with these values, None for those that are to be absent. Raises `ValueError` as `edited` does."""

    def edit(table: Table, new: NewTable) -> None:
        for parts, value in values:
            spelled = spelling_of(table, parts)
            if value is None:
                remove(table, spelled)
            else:
                place(table, spelled, value, new)

    return edited(text, edit, about)


def spelling_of(table: Mapping[str, Any], parts: Parts) -> Parts:
    """The key as the file spells it: names of domains are compared without regard to case and form."""
    spelled: list[str] = []
    node: Any = table
    for part in parts:
        name = part
        if isinstance(node, Mapping):
            if part not in node and spelled[-1:] in (["domains"], ["pace"], ["names"]):
                name = next((one for one in node if domain_key(str(one)) == domain_key(part)), part)
            node = node.get(name)
        spelled.append(name)
    return tuple(spelled)


def remove(table: Table, parts: Parts) -> None:
    """Take out what the key leads to, if it is there."""
    inner: Any = table
    for part in parts[:-1]:
        inner = inner.get(part) if isinstance(inner, MutableMapping) else None
    if isinstance(inner, MutableMapping):
        inner.pop(parts[-1], None)


def _absent(key: str) -> tuple[Parts, None]:
    parts = key_parts(key)
    if pattern(parts) not in declared() and pattern(parts) not in sections():
        raise ValueError(f"{key}: no such option; {nearest(parts)}")
    return parts, None


def _fitting(key: str, value: object) -> tuple[Parts, Any]:
    if isinstance(value, str):
        return fitting_value(key, value)
    parts = key_parts(key)
    found = declared().get(pattern(parts))
    if found is None:
        raise ValueError(f"{key}: no such option; {nearest(parts) or 'it is a table of further keys'}")
    try:
        found.spelling.parse(value)
    except ValueError as fault:
        raise ValueError(f"{key} = {found.text(value) if found.option.secret else value}: {fault}") from fault
    return parts, value


def _problem(key: str, value: object, said: str) -> Problem:
    """A problem whose sentence stands without the key, which has a place of its own."""
    shown = "" if value is None or _is_secret(key) else toml_text(value)[:200]
    before, sign, after = said.partition(": ")
    wrong, _, mend = (after if sign and before.startswith(key) else said).partition("; ")
    return Problem(key, shown, wrong, mend)


def _is_secret(key: str) -> bool:
    try:
        known = declared().get(pattern(key_parts(key)))
    except ValueError:
        return False
    return known is not None and known.option.secret


def table_key(server: str, key: str) -> str:
    """The whole key of what may be named below a virtual server. Raises `ValueError` where it is another one's."""
    if not server:
        return key
    above = ("servers", server)
    parts = key_parts(key)
    whole = parts if parts[:1] == ("servers",) else (*above, *parts)
    if whole[:2] != above or len(whole) < 3:
        raise ValueError(f"{key}: an option of the virtual server {server} is wanted")
    return key_text(whole)
