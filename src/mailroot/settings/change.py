"""From text to settings, and from one settings value to the next."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mailroot.mail.address import domain_key
from mailroot.settings.checks import checks
from mailroot.settings.declared import Parts, declared, key_text, nearest, pattern, sections, values
from mailroot.settings.lines import line_of, places
from mailroot.settings.option import Applies
from mailroot.settings.problem import Problem, Problems
from mailroot.settings.resolve import Facts, resolve, secrets_in, with_secrets
from mailroot.settings.service import Settings
from mailroot.settings.spelling import toml_text
from mailroot.settings.unbuilt import unbuilt

__all__ = ["Change", "Facts", "Problem", "Problems", "difference", "parse"]

_ADAPTER = TypeAdapter(Settings)


@dataclass(frozen=True, slots=True)
class Change:
    """One option that differs. `old` and `new` are as TOML writes them, "" where there was none; secrets are hidden."""

    path: str
    old: str
    new: str
    applies: Applies

    @property
    def needs_restart(self) -> bool:
        """Whether a reload cannot bring it into force."""
        return self.applies is Applies.SERVICE


def parse(text: str, facts: Facts, *, private: bool = True, file: str = "") -> Settings | Problems:
    """The settings that a file's text stands for, resolved, or everything that is wrong with it.

    `private` tells whether only its owner may read the file, which a password in it demands. `file` names it to people.
    """
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        at = re.search(r"at line (\d+)", str(fault))
        mend = "text stands in quotes, a table's name in [brackets]"
        problem = Problem("", "", f"not TOML: {fault}", mend, int(at[1]) if at else 0)
        return Problems((problem,), file)
    problems = list(_unknown(table, ()))
    raw, faults = _validated(table)
    problems += faults
    written = resolve(raw, facts)
    settings, secret_faults = with_secrets(written, facts)
    faulty = {problem.path for problem in problems}
    found = [*unbuilt(settings), *secret_faults, *checks(settings, facts), *_duplicates(raw)]
    found += [] if private else [_exposed(key, file) for key in secrets_in(written)]
    # A check that rests on a faulty value would complain of the default that stands in for it.
    problems += [problem for problem in found if faulty.isdisjoint((problem.path, *problem.related))]
    if not problems:
        return settings
    found_lines = places(text)
    placed = [replace(problem, line=line_of(found_lines, problem.path)) for problem in problems]
    return Problems(tuple(sorted(placed, key=lambda problem: problem.line)), file)


def _unknown(table: Mapping[str, Any], above: Parts) -> Iterator[Problem]:
    """A problem for each key that no declaration knows."""
    for name, value in table.items():
        parts = (*above, name)
        at = pattern(parts)
        if at in declared():
            continue
        if at not in sections():
            yield Problem(key_text(parts), "", "unknown key", nearest(parts))
        elif isinstance(value, dict):
            yield from _unknown(value, parts)


def _validated(table: dict[str, Any]) -> tuple[Settings, list[Problem]]:
    """The values, with defaults in place of those that are faulty, and what is wrong with these."""
    known = _pruned(table, ())
    try:
        return _ADAPTER.validate_python(known), []
    except ValidationError as fault:
        problems = [_problem(error) for error in fault.errors(include_url=False)]
        for error in fault.errors(include_url=False):
            _remove(known, error["loc"])
    return _ADAPTER.validate_python(known), problems


def _pruned(table: dict[str, Any], above: Parts) -> dict[str, Any]:
    """A copy with the known keys only."""
    kept = {}
    for name, value in table.items():
        at = pattern((*above, name))
        if at in declared():
            kept[name] = value
        elif at in sections():
            kept[name] = _pruned(value, (*above, name)) if isinstance(value, dict) else value
    return kept


def _remove(table: dict[str, Any], place: Sequence[int | str]) -> None:
    for name in place[:-1]:
        table = table[str(name)]
    table.pop(str(place[-1]), None)


def _problem(error: Any) -> Problem:
    parts = tuple(str(part) for part in error["loc"])
    cause = error.get("ctx", {}).get("error")
    wrong = str(cause) if cause else "a table of further keys is wanted"
    found = declared().get(pattern(parts))
    secret = found is not None and found.option.secret
    example = f"for example {found.spelling.example}" if found is not None and "such as" not in wrong else ""
    return Problem(key_text(parts), "" if secret else toml_text(error["input"])[:200], wrong, example)


def _duplicates(raw: Settings) -> Iterator[Problem]:
    """Names of domains and destinations that are one when they are compared."""
    for key, server in raw.servers.items():
        yield from _twice(("servers", key, "domains"), server.domains)
        yield from _twice(("servers", key, "pace"), server.pace)


def _twice(table: Parts, names: Iterable[str]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name in names:
        compared = domain_key(name)
        if compared in seen:
            yield Problem(
                key_text((*table, name)), "", f"it is the same domain as {seen[compared]}", "remove one of them"
            )
        seen[compared] = name


def _exposed(key: str, file: str) -> Problem:
    mend = f"run: chmod 600 {file or 'the settings file'}"
    return Problem(key, "", "others can read the file, and a secret stands in it", mend)


def difference(old: Settings, new: Settings) -> Sequence[Change]:
    """Every option that differs, and what its change needs. A server that is new or gone needs a restart."""
    before = {parts: (found, value) for parts, found, value in values(old)}
    after = {parts: (found, value) for parts, found, value in values(new)}
    changes = [_whole(("servers", key), key in new.servers) for key in sorted(old.servers.keys() ^ new.servers.keys())]
    both = old.servers.keys() & new.servers.keys()
    for parts in [*before, *(parts for parts in after if parts not in before)]:
        if parts[0] == "servers" and parts[1] not in both:
            continue
        found = (before.get(parts) or after[parts])[0]
        was, now = (side[parts][1] if parts in side else None for side in (before, after))
        if was != now:
            old_text, new_text = (
                toml_text(found.text(side[parts][1])) if parts in side else "" for side in (before, after)
            )
            changes.append(Change(key_text(parts), old_text, new_text, found.option.applies))
    return tuple(changes)


def _whole(parts: Parts, added: bool) -> Change:
    return Change(key_text(parts), "" if added else "{}", "{}" if added else "", Applies.SERVICE)
