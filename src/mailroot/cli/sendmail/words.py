"""What programs type behind `sendmail`: its old grammar, in which an option's value may stick to its letter.

Not responsible for what is then done. Options that make no difference here are taken and forgotten: programs type them.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

from mailroot.mail.envelope import Notify, Return

# Letters with a value, which sticks to them or follows; and letters that stand alone. What `_take` does not name makes
# no difference: -A, -G, -h, -m, -n, -oem, -U, -v and the like.
_WITH_VALUE = "ABCdFfhLNOopqRrVX"
_STICKING = "dqop"
_ALONE = "GimntUvx"


class Deed(enum.Enum):
    """What is to be done."""

    SEND = "-bm"
    TALK = "-bs"
    LIST = "-bp"
    NOTHING = "-bi, -q"


@dataclass(slots=True)
class Order:
    """What was typed. `sender` is None where it was not named, "" for the null path. `ret` and so on are for DSN."""

    deed: Deed = Deed.SEND
    sender: str | None = None
    name: str = ""
    from_header: bool = False
    dot_ends: bool = True
    config: str = ""
    server: str = ""
    recipients: list[str] = field(default_factory=list)
    notify: Notify | None = None
    ret: Return | None = None
    envid: str | None = None


class Misused(ValueError):
    """What was typed makes no sense; the text says why (EX_USAGE)."""


def read(words: Sequence[str], called: str = "sendmail") -> Order:
    """The order that these words give; `called` is the name of the program. Raises `Misused`."""
    order = Order()
    if called in _CALLED:
        order.deed = _CALLED[called]
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            order.recipients += rest
            break
        if not word.startswith("-") or word == "-":
            order.recipients.append(word)
        elif word in ("--config", "--server"):
            setattr(order, word[2:], _value(word, rest))
        else:
            _option(order, word, rest)
    return order


_CALLED = {"mailq": Deed.LIST, "newaliases": Deed.NOTHING}


def _option(order: Order, word: str, rest: list[str]) -> None:
    """One word of options: letters that stand alone may share it."""
    place = 1
    while place < len(word):
        letter = word[place]
        place += 1
        if letter == "b":
            order.deed = _deed(word[place:])
            return
        if letter in _WITH_VALUE:
            sticking = word[place:]
            _take(order, letter, sticking if sticking or letter in _STICKING else _value(word, rest))
            return
        if letter not in _ALONE:
            raise Misused(f"{word}: no such option")
        _take(order, letter, "")


def _value(word: str, rest: list[str]) -> str:
    if not rest:
        raise Misused(f"{word}: its value is missing")
    return rest.pop(0)


def _deed(letter: str) -> Deed:
    known = {"m": Deed.SEND, "s": Deed.TALK, "p": Deed.LIST, "i": Deed.NOTHING}
    if letter not in known:
        raise Misused(f"-b{letter}: not here; the service is started by `mailroot serve`")
    return known[letter]


def _take(order: Order, letter: str, value: str) -> None:
    match letter:
        case "f" | "r":
            order.sender = value.strip().removeprefix("<").removesuffix(">")
        case "F":
            order.name = value
        case "t":
            order.from_header = True
        case "i":
            order.dot_ends = False
        case "o" if value == "i":
            order.dot_ends = False
        case "O" if value.lower().startswith("ignoredots"):
            order.dot_ends = False
        case "q":
            order.deed = Deed.NOTHING
        case "C":
            order.config = value
        case "N":
            order.notify = _notify(value)
        case "R":
            order.ret = _ret(value)
        case "V":
            order.envid = _xtext(value)


def _notify(value: str) -> Notify:
    wanted = Notify.NEVER
    for word in value.upper().split(","):
        if word == "NEVER" and value.upper() == "NEVER":
            return Notify.NEVER
        if word not in {"SUCCESS", "FAILURE", "DELAY"}:
            raise Misused(f"-N {value}: never, or success, failure and delay, are wanted")
        wanted |= Notify[word]
    return wanted


def _ret(value: str) -> Return:
    try:
        return Return(value.upper())
    except ValueError:
        raise Misused(f"-R {value}: full or hdrs is wanted") from None


def _xtext(value: str) -> str:
    """RFC 3461 section 4: printable ASCII, with what would be misread in hexadecimal digits."""
    return "".join(sign if "!" <= sign <= "~" and sign not in "+=" else _hexadecimal(sign) for sign in value)


def _hexadecimal(sign: str) -> str:
    return "".join(f"+{octet:02X}" for octet in sign.encode("utf-8", "surrogateescape"))
