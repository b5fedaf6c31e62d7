"""What is wrong with a settings file: where, why, and the mend."""

from collections.abc import Iterator
from dataclasses import dataclass

from mailroot.mail.faults import Misconfigured


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault.

    `path` is the dotted key, "" where the file as a whole is meant. `value` is what stands there as TOML writes it, ""
    where that says nothing or is a secret. `line` is that of the file, 0 where it is not known. `related` are other
    keys that the fault rests on.
    """

    path: str
    value: str
    wrong: str
    mend: str = ""
    line: int = 0
    related: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f"line {self.line}: " if self.line else ""
        key = f"{self.path} = {self.value}: " if self.path and self.value else f"{self.path}: " if self.path else ""
        return f"{place}{key}{self.wrong}" + (f"; {self.mend}" if self.mend else "")


@dataclass(frozen=True, slots=True)
class Problems:
    """Every fault of a settings file, in the order of its lines; never empty. `file` is its name, "" where unknown."""

    problems: tuple[Problem, ...]
    file: str = ""

    def __str__(self) -> str:
        """One fault a line, each with the file's name."""
        name = f"{self.file}: " if self.file else ""
        return "\n".join(f"{name}{problem}" for problem in self.problems)

    def rows(self) -> Iterator[dict[str, object]]:
        """Each fault as programs read it."""
        for one in self.problems:
            yield {"path": one.path, "value": one.value, "wrong": one.wrong, "mend": one.mend, "line": one.line}


class Unsound(Misconfigured):
    """Settings that cannot be: what is wrong with each, for faces that put it beside the field."""

    def __init__(self, problems: Problems) -> None:
        super().__init__(str(problems))
        self.problems = problems
