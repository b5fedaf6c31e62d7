"""Commands that ask the running service: one for every row of the table of operations."""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mailroot.admin.operations import BY_NAME, Kind, Operation
from mailroot.cli import screen
from mailroot.edge.control import ask
from mailroot.mail.faults import Unavailable

_PAGE = 500
_BETWEEN = 1.0  # seconds between two showings


def run(arguments: argparse.Namespace, file: Path) -> int:
    """Carry an operation's command out; 1 where there was nothing to act on. Raises `Fault`."""
    operation = BY_NAME[arguments.operation]
    given = {
        argument.name: value
        for argument in operation.arguments
        if (value := getattr(arguments, argument.name)) not in (None, False)
    }
    if not given and any(argument.kind is Kind.FLAG for argument in operation.arguments):
        names = " or ".join("--all" if row.kind is Kind.FLAG else row.name.upper() for row in operation.arguments)
        screen.complain(f"mailroot {' '.join(operation.words)}: give {names}")
        return 2
    while getattr(arguments, "watch", False):
        screen.clear()
        screen.show_rows(operation.columns, _rows(operation, given, file), json_wanted=arguments.json)
        time.sleep(_BETWEEN)
    if operation.columns:
        screen.show_rows(operation.columns, _rows(operation, given, file), json_wanted=arguments.json)
        return 0
    result = ask(file, operation.name, given)
    screen.show_facts(result, json_wanted=arguments.json)
    if operation.counted and not result.get(operation.counted) and not given.get("all"):
        screen.complain(f"mailroot {' '.join(operation.words)}: nothing by that name is there")
        return 1
    return 0


def _rows(operation: Operation, given: dict[str, Any], file: Path) -> Iterator[dict[str, Any]]:
    """The rows of the result, page after page."""
    if not operation.paged:
        result = ask(file, operation.name, given)
        yield from result["rows"] if isinstance(result, dict) else result
        return
    after = ""
    while True:
        page = ask(file, operation.name, {**given, "after": after, "limit": _PAGE})
        yield from page["rows"]
        if not page["next"]:
            return
        if page["next"] == after:
            raise Unavailable(f"{operation.name}: the service gives the same page again and again")
        after = page["next"]
