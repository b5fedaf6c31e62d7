"""The size budget: how long modules and functions may be, how many parameters they take, how deep they nest.

Prints each breach as FILE:LINE, the limit and the mend; ends with 1 if there is one. Docstrings do not count as
lines of a function, so that nobody saves on them.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODULE_LINES = 400
FUNCTION_LINES = 40
PARAMETERS = 6
NESTING = 3

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src", "bench", "tools")

Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)


@dataclass(frozen=True, slots=True)
class Breach:
    """One place that is beyond the budget, and what to do about it."""

    file: str
    line: int
    fault: str
    mend: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.fault}; {self.mend}"


def breaches(source: str, file: str) -> Iterator[Breach]:
    """Yield every breach in one module's source text."""
    tree = ast.parse(source, file)
    lines = len(source.splitlines())
    if lines > MODULE_LINES:
        yield Breach(file, MODULE_LINES + 1, f"the module has {lines} of {MODULE_LINES} lines", "split it by thought")
    if tree.body and ast.get_docstring(tree) is None:
        yield Breach(file, 1, "the module has no docstring", "say what it is responsible for, and what not")
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield from _function_breaches(node, file)


def _function_breaches(function: Function, file: str) -> Iterator[Breach]:
    name, line = function.name, function.lineno
    if (lines := _lines(function)) > FUNCTION_LINES:
        yield Breach(file, line, f"{name} has {lines} of {FUNCTION_LINES} lines", "split it by step")
    if (count := _parameters(function)) > PARAMETERS:
        yield Breach(file, line, f"{name} takes {count} of {PARAMETERS} parameters", "group them into a value")
    if (depth := _depth(function.body)) > NESTING:
        yield Breach(file, line, f"{name} nests {depth} of {NESTING} levels", "return early or name the inner step")


def _lines(function: Function) -> int:
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and ast.get_docstring(function, clean=False) is not None
    docstring = (first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0
    return (function.end_lineno or function.lineno) - function.lineno + 1 - docstring


def _parameters(function: Function) -> int:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args]
    own = 1 if named and named[0].arg in ("self", "cls") else 0
    starred = sum(argument is not None for argument in (arguments.vararg, arguments.kwarg))
    return len(named) - own + len(arguments.kwonlyargs) + starred


def _depth(body: list[ast.stmt]) -> int:
    """Return how many blocks stand inside each other; functions inside count for themselves."""
    return max((_statement_depth(statement) for statement in body), default=0)


def _statement_depth(statement: ast.stmt) -> int:
    if not isinstance(statement, BLOCKS):
        return 0
    if isinstance(statement, ast.Match):
        return 1 + max(_depth(case.body) for case in statement.cases)
    inside = _depth(statement.body)
    for handler in getattr(statement, "handlers", []):
        inside = max(inside, _depth(handler.body))
    inside = max(inside, _depth(getattr(statement, "finalbody", [])))
    return max(1 + inside, _otherwise_depth(statement))


def _otherwise_depth(statement: ast.stmt) -> int:
    """Return the depth of the else branch; an elif stands on the level, and in the column, of its if."""
    otherwise: list[ast.stmt] = getattr(statement, "orelse", [])
    if isinstance(statement, ast.If) and otherwise and otherwise[0].col_offset == statement.col_offset:
        return _depth(otherwise)
    return 1 + _depth(otherwise) if otherwise else 0


def repository_breaches() -> Iterator[Breach]:
    """Yield every breach in the repository's program text (tests may repeat themselves)."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield from breaches(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))


def main() -> int:
    """Print all breaches; return the exit code."""
    found = list(repository_breaches())
    for breach in found:
        print(breach)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
