"""Options whose feature is not built yet, and the values that would promise something.

A demand that is silently ignored, above all one for security, is worse than a refusal. Whoever builds a feature deletes
its rows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mailroot.settings.declared import Parts, key_parts, key_text, pattern, values
from mailroot.settings.problem import Problem
from mailroot.settings.service import Settings
from mailroot.settings.spelling import toml_text


@dataclass(frozen=True, slots=True)
class Unbuilt:
    """A feature that is missing: the options that ask for it, by what values, and what to write instead."""

    key: str
    promises: Callable[[Any], bool]
    feature: str
    instead: str


def _is_set(value: object) -> bool:
    return bool(value)


_SERVER = "servers.x."
_OFF = "remove the line, or write false"

UNBUILT: tuple[Unbuilt, ...] = (
    Unbuilt("service.queue", lambda value: value != "embedded", "A queue on PostgreSQL", 'write "embedded"'),
)

_ROWS = {pattern(key_parts(row.key)): row for row in UNBUILT}


def unbuilt(settings: Settings) -> Iterator[Problem]:
    """A problem for every value that asks for what is not built."""
    for parts, declared, value in values(settings):
        row = _ROWS.get(pattern(parts))
        if row is not None and row.promises(value):
            yield Problem(
                key_text(parts), toml_text(declared.text(value)), f"{row.feature} is not built yet", row.instead
            )


def unbuilt_features() -> Mapping[Parts, str]:
    """What is missing, by the parts of the options' keys."""
    return {parts: row.feature for parts, row in _ROWS.items()}
