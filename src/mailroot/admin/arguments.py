"""Arguments of operations as programs give them: which there are, and whether each can be."""

from collections.abc import Mapping

from mailroot.admin.operations import Argument, Kind, Operation

_LONGEST_TEXT = 1024
# A cursor has the place of every shard: of every virtual server and worker. It must fit into a request's head.
_LONGEST_CURSOR = 8 * 1024
_LONGEST_CONFIGURATION = 1024 * 1024
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no", ""})
_PAGING = (
    Argument("after", Kind.OPTION, "the cursor `next` of the page before"),
    Argument("before", Kind.OPTION, "the cursor `previous` of a page that has one, to go back"),
    Argument("limit", Kind.OPTION, "how many rows at most", most=1_000),
)
_PIECES = (
    Argument("after", Kind.OPTION, "the cursor `next` of the piece before"),
    Argument("limit", Kind.OPTION, "how many octets at most", most=512 * 1024),
)
_GOING_ON = (Argument("after", Kind.OPTION, "the cursor `next` of the answer before"),)


def all_arguments(operation: Operation) -> tuple[Argument, ...]:
    """The arguments of an operation with those that it has from what it is."""
    more = _PAGING if operation.paged else _PIECES if operation.pieces else _GOING_ON if operation.bulk else ()
    return (*operation.arguments, *more)


def understood(operation: Operation, given: Mapping[str, object]) -> tuple[dict[str, object], list[dict[str, object]]]:
    """The arguments as the service takes them, and a row for each that cannot be."""
    arguments: dict[str, object] = {}
    known = {argument.name: argument for argument in all_arguments(operation)}
    faults = [
        _fault(name[:100], f"there is no such argument; there are: {', '.join(known) or 'none'}")
        for name in given
        if name not in known
    ]
    for name, argument in known.items():
        if name not in given:
            if argument.kind in _NEEDED and not (argument.unless and _truth(given.get(argument.unless))):
                faults.append(_fault(name, "it has to be given"))
            continue
        value = given[name]
        wrong = _wrong(argument, value)
        if wrong:
            faults.append(_fault(name, wrong))
        elif argument.kind is not Kind.FLAG:
            arguments[name] = value
        elif _truth(value):
            arguments[name] = True
    return arguments, faults


_NEEDED = frozenset({Kind.NAME, Kind.DEMANDED, Kind.SECRET})


def _wrong(argument: Argument, value: object) -> str:
    if argument.kind is Kind.FLAG:
        return "" if _truth(value) is not None else "true or false"
    if argument.kind is Kind.TABLE:
        return "" if isinstance(value, dict) else "an object is wanted"
    if argument.most:
        return "" if _counts(value, argument.most) else f"a number from 1 to {argument.most}"
    if argument.number and isinstance(value, int) and not isinstance(value, bool):
        return ""
    if not isinstance(value, str):
        return "a text is wanted"
    return _wrong_text(argument, value)


def _wrong_text(argument: Argument, text: str) -> str:
    if argument.choices and text not in argument.choices:
        return f"one of {', '.join(argument.choices)}"
    if not text and argument.kind is Kind.NAME:
        return "it must not be empty"
    most = longest(argument)
    return "" if len(text) <= most else f"longer than {most} characters"


def longest(argument: Argument) -> int:
    """How many characters the text of an argument may have."""
    if argument.value == "CONFIGURATION":
        return _LONGEST_CONFIGURATION
    return _LONGEST_CURSOR if argument.name in ("after", "before") else _LONGEST_TEXT


def _counts(value: object, most: int) -> bool:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most


def _truth(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return True if value.lower() in _TRUE else False if value.lower() in _FALSE else None
    return None


def _fault(path: str, wrong: str) -> dict[str, object]:
    return {"path": path, "wrong": wrong}
