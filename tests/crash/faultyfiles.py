"""A SQLite VFS whose durable operations fail when they are told to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw


class Faults:
    """Counts durable operations, and raises at those that are to fail."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.failing: Callable[[str, int], Exception | None] = lambda operation, number: None

    def step(self, operation: str) -> None:
        number = len(self.done)
        self.done.append(operation)
        fault = self.failing(operation, number)
        if fault is not None:
            raise fault


def sync_error() -> Exception:
    fault = apsw.IOError("disk I/O error")
    fault.extendedresult = apsw.SQLITE_IOERR_FSYNC  # type: ignore[attr-defined]
    return fault


def full() -> Exception:
    return apsw.FullError("database or disk is full")


class _File(apsw.VFSFile):
    def __init__(self, faults: Faults, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._faults = faults
        super().__init__("", name, flags)

    def xSync(self, flags: int) -> None:
        self._faults.step("sync")
        super().xSync(flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._faults.step("write")
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self._faults.step("truncate")
        super().xTruncate(size)


class _Files(apsw.VFS):
    def __init__(self, name: str, faults: Faults) -> None:
        self._faults = faults
        super().__init__(name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _File:
        return _File(self._faults, name, flags)


@contextmanager
def faulty_files(name: str) -> Iterator[Faults]:
    """Register a VFS under a name; what it yields says which operations fail."""
    faults = Faults()
    files = _Files(name, faults)
    yield faults
    files.unregister()
