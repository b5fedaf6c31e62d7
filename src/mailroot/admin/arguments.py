"""Arguments of operations as programs give them: which there are, and whether each can be."""

from collections.abc import Mapping

from mailroot.admin.operations import Argument, Kind, Operation

_LONGEST_TEXT = 64 * 1024
_LONGEST_CONFIGURATION = 1024 * 1024
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no", ""})
_PAGING = (
    Argument("after", Kind.OPTION, "the cursor `next` of the page before"),
    Argument("before", Kind.OPTION, "the cursor `previous` of a page that has one, to go back"),
    Argument("limit", Kind.OPTION, "how many rows at most"),
)
_PIECES = (
    Argument("after", Kind.OPTION, "the cursor `next` of the piece before"),
    Argument("limit", Kind.OPTION, "how many octets at most"),
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
        value = given.get(name)
        if value is None or (value == "" and argument.kind in (Kind.OPTIONAL, Kind.FLAG)):
            if argument.kind in (Kind.NAME, Kind.DEMANDED, Kind.SECRET):
                faults.append(_fault(name, "it has to be given"))
            continue
        wrong = _wrong(argument, value)
        if wrong:
            faults.append(_fault(name, wrong))
        elif argument.kind is not Kind.FLAG:
            arguments[name] = value
        elif _truth(value):
            arguments[name] = True
    return arguments, faults


def _wrong(argument: Argument, value: object) -> str:
    if argument.kind is Kind.FLAG:
        return "" if _truth(value) is not None else "true or false"
    if argument.kind is Kind.TABLE:
        return "" if isinstance(value, dict) else "an object is wanted"
    if argument.number and isinstance(value, int) and not isinstance(value, bool):
        return ""
    if not isinstance(value, str):
        return "a text is wanted"
    longest = _LONGEST_CONFIGURATION if argument.value == "CONFIGURATION" else _LONGEST_TEXT
    return "" if len(value) <= longest else f"longer than {longest} characters"


def _truth(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return True if value.lower() in _TRUE else False if value.lower() in _FALSE else None
    return None


def _fault(path: str, wrong: str) -> dict[str, object]:
    return {"path": path, "wrong": wrong}
