"""Commands that ask the running service: one for every row of the table of operations."""

import argparse
import base64
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mailroot.admin.operations import BY_NAME, Kind, Operation
from mailroot.cli import screen
from mailroot.cli.service import Service
from mailroot.cli.typed import present_password, typed_password
from mailroot.mail.faults import Unavailable

_PAGE = 500
_BETWEEN = 1.0  # seconds between two showings


def run(arguments: argparse.Namespace, service: Service) -> int:
    """Carry an operation's command out; 1 where there was nothing to act on. Raises `Fault`."""
    operation = BY_NAME[arguments.operation]
    given = {
        argument.name: value
        for argument in operation.arguments
        if (value := getattr(arguments, argument.name, None)) not in (None, False)
    }
    for argument in operation.arguments:
        if argument.kind is Kind.TABLE and argument.name in given:
            given[argument.name] = _pairs(given[argument.name])
        if argument.value == "FOLDER" and argument.name in given:
            given[argument.name] = str(Path(given[argument.name]).absolute())  # the service has a folder of its own
    if operation.selective and not operation.selects(given):
        return _complain(operation, "give a KEY, a filter such as --sender, or --all; see --help", 2)
    for argument in operation.arguments:
        if argument.kind is Kind.SECRET and not given.get(argument.unless):
            given[argument.name] = present_password() if argument.name == "present" else typed_password()
    while getattr(arguments, "watch", False):
        screen.clear()
        screen.show_rows(operation.columns, _rows(operation, given, service), json_wanted=arguments.json)
        time.sleep(_BETWEEN)
    if operation.pieces:
        return _write_pieces(operation, given, service)
    if operation.columns:
        screen.show_rows(operation.columns, _rows(operation, given, service), json_wanted=arguments.json)
        return 0
    result = _total(operation, given, service) if operation.bulk else service.ask(operation.name, given)
    screen.show_facts(result, json_wanted=arguments.json)
    if operation.counted and not result.get(operation.counted) and not given.get("all"):
        return _complain(operation, _nothing(given, result), 1)
    return 0


def _write_pieces(operation: Operation, given: dict[str, Any], service: Service) -> int:
    """What comes in pieces goes to standard output as it is: into a file, or a program that reads mail."""
    if sys.stdout.isatty():
        return _complain(operation, "a message as it is may do things to a terminal; send it into a file: > FILE", 2)
    after = "0"
    while after:
        piece = service.ask(operation.name, {**given, "after": after})
        sys.stdout.buffer.write(base64.b64decode(piece["data"]))
        after = piece["next"]
    return 0


def _pairs(typed: list[str]) -> dict[str, str]:
    """What was typed as NAME=VALUE. Raises `ValueError` where something was not."""
    wrong = next((one for one in typed if not one.partition("=")[1]), None)
    if wrong is not None:
        raise ValueError(f"{wrong}: NAME=VALUE is wanted")
    return {name.strip(): value.strip() for name, _, value in (one.partition("=") for one in typed)}


def _nothing(given: dict[str, Any], result: dict[str, Any]) -> str:
    """Why nothing was done."""
    about = f"an entry {given['key']!r}" if "key" in given else "that selection"
    if result.get("in_delivery"):
        return f"{result['in_delivery']} recipients of {about} are in delivery at this moment, or it is done already"
    return f"nobody of {about} waits, or it is done already (it may be gone)"


def _complain(operation: Operation, text: str, code: int) -> int:
    screen.complain(f"mailroot {' '.join(operation.words)}: {text}")
    return code


def _total(operation: Operation, given: dict[str, Any], service: Service) -> dict[str, Any]:
    """The result of an operation on many, asked for part after part."""
    total: dict[str, Any] = {}
    after = ""
    with screen.progress(" ".join(operation.words), operation.counted) as tell:
        while True:
            part = service.ask(operation.name, {**given, "after": after})
            following = part.pop("next", "")
            for name, value in part.items():
                total[name] = total.get(name, 0) + value if isinstance(value, int) else value
            if not following:
                return total
            if following == after:
                raise Unavailable(f"{operation.name}: the service gives the same part again and again")
            after = following
            tell(total.get(operation.counted, 0))


def _rows(operation: Operation, given: dict[str, Any], service: Service) -> Iterator[dict[str, Any]]:
    """The rows of the result, page after page."""
    if not operation.paged:
        result = service.ask(operation.name, given)
        yield from result["rows"] if isinstance(result, dict) else result
        return
    after = ""
    while True:
        page = service.ask(operation.name, {**given, "after": after, "limit": _PAGE})
        yield from page["rows"]
        if not page["next"]:
            return
        if page["next"] == after:
            raise Unavailable(f"{operation.name}: the service gives the same page again and again")
        after = page["next"]
