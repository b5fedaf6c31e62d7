"""What is typed, or comes by standard input: secrets never stand on the command line, where everybody sees them."""

import getpass
import sys

from mailroot.mail.faults import Misconfigured
from mailroot.policy.account import password_fault

_LONGEST_LINE = 16 * 1024


def typed_password() -> str:
    """The new password: one line of standard input; at a terminal typed twice, and not shown."""
    if sys.stdin.isatty():
        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise Misconfigured("the two passwords differ; nothing was changed")
    else:
        password = _line()
    fault = password_fault(password)
    if fault:
        raise Misconfigured(f"{fault}; nothing was changed")
    return password


def typed_value(key: str, given: str) -> str:
    """The value of an option; for "-" what comes by standard input, so that a secret is in no list of processes."""
    if given != "-":
        return given
    if sys.stdin.isatty():
        return getpass.getpass(f"{key}: ")
    return sys.stdin.readline().rstrip("\r\n")


def present_password() -> str:
    """The one that counts now: one line of standard input; at a terminal not shown."""
    return getpass.getpass("Present password: ") if sys.stdin.isatty() else _line()


def _line() -> str:
    line = sys.stdin.buffer.readline(_LONGEST_LINE)
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        raise Misconfigured("the password is not UTF-8; nothing was changed") from None
