"""The file of operators and tokens. It is private; the supervisor alone reads it while a service runs."""

import secrets
from collections.abc import Callable
from pathlib import Path

from mailroot.edge.files.privatefile import PrivateFile, Stamp
from mailroot.mail.faults import Fault, Misconfigured
from mailroot.policy.operators import OperatorBook, book_text, read_book

_LARGEST = 4 * 1024 * 1024
_CODE_OCTETS = 15
_LARGEST_CODE = 256


class OperatorFile:
    """The operators by their file's path."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._file = PrivateFile(self.path, "the operators", _LARGEST)
        self._known: tuple[OperatorBook, Stamp | None] | None = None

    def book(self) -> OperatorBook:
        """What the file holds now; it is read again only where it has changed. Raises `Fault`."""
        if self._known is None or self._file.stamp() != self._known[1]:
            self._known = self._read()
        return self._known[0]

    def _read(self) -> tuple[OperatorBook, Stamp | None]:
        found = self._file.read()
        if found is None:
            return OperatorBook(), None
        text, stamp = found
        try:
            return read_book(text), stamp
        except ValueError as fault:
            raise Misconfigured(f"{self.path}: {fault}; put back a copy, or remove it and begin anew") from None

    def change(self, change: Callable[[OperatorBook], OperatorBook]) -> None:
        """Put what `change` makes of the operators in their place, durably. What it raises changes nothing."""
        self._file.change(lambda: book_text(change(self._read()[0])))


class SetupCode:
    """What makes the first administrator from a browser: a secret in a file that is the service's alone."""

    def __init__(self, operators: Path) -> None:
        self.path = operators.with_name(f"{operators.name}.setup")
        self._file = PrivateFile(self.path, "the set-up code", _LARGEST_CODE)

    def made(self) -> str:
        """The code; a new one where there is none. Raises `Fault`."""
        code = self.current()
        if not code:
            code = secrets.token_urlsafe(_CODE_OCTETS)
            self._file.change(lambda: code + "\n")
        return code

    def current(self) -> str:
        """The code, "" where there is none that can be used."""
        try:
            found = self._file.read()
        except Fault:
            return ""
        return found[0].strip() if found else ""

    def used_up(self) -> None:
        """Nobody can use it any more."""
        self.path.unlink(missing_ok=True)
