"""The declaration of an option: everything that is known about it besides its type.

Options are the fields of frozen dataclasses. The field's name, default and `Annotated` spelling, and the `Option` in
its metadata, are the one source of the settings file's checks, the reference page, `mailroot get/set` and later faces.
"""

import dataclasses
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

_T = TypeVar("_T")

_KEY = "option"


class Applies(enum.Enum):
    """What a change of an option needs before it counts; from the least to the most."""

    AT_ONCE = "at once"
    NEW_SESSIONS = "new sessions"
    LISTENER = "restart of the listener"
    SERVICE = "restart of the service"


@dataclass(frozen=True, slots=True)
class Option:
    """What people read about an option. `label` and `tab` are those of the IIS dialogs, "" where it had none.

    `caption` stands beside its field where there is no label, and the words of its key would not say enough alone.
    `metabase` is the name of the property in the IIS metabase. The value of a `secret` is never shown.
    """

    sentence: str
    label: str = ""
    caption: str = ""
    tab: str = ""
    metabase: str = ""
    applies: Applies = Applies.AT_ONCE
    secret: bool = False


def option(default: _T, sentence: str, **known: Any) -> _T:
    """Declare a field as an option; `known` are the further fields of `Option`."""
    declared = Option(sentence, **known)
    field: _T = dataclasses.field(default=default, metadata={_KEY: declared}, repr=not declared.secret)
    return field


def section(kind: Callable[[], _T], sentence: str, **known: Any) -> _T:
    """Declare a field as a table of further options, which are those of `kind`; `known` as for `option`."""
    field: _T = dataclasses.field(default_factory=kind, metadata={_KEY: Option(sentence, **known)})
    return field


def declaration(field: "dataclasses.Field[Any]") -> Option | None:
    """What was declared for a field; None where it is not an option."""
    return cast("Option | None", field.metadata.get(_KEY))


def strict(kind: type[_T]) -> type[_T]:
    """Let the parser refuse names that the class does not declare."""
    kind.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]
    return kind
