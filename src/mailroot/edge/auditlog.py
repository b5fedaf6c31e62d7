"""The record of changes: JSON lines in a file for each month that is only ever appended to.

Each line has the digest of the one before it in its file, so that one that is altered or taken out shows. On return of
`append` the record is on disk.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mailroot.edge.files.durable import translated

_BLOCK = 64 * 1024
_MODE = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_FIRST = ""


class AuditLog:
    """The files in a folder, which is made where it is missing. Used from any thread, and by several processes."""

    def __init__(self, folder: str, now: Callable[[], datetime]) -> None:
        self._folder = Path(folder)
        self._now = now

    def append(self, record: Mapping[str, object]) -> None:
        """Keep a record. Raises `Fault`."""
        now = self._now()
        with translated("the audit record cannot be kept"):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._folder / f"audit-{now:%Y%m}.jsonl", _MODE, 0o600)
            with os.fdopen(descriptor, "r+b", buffering=0) as file:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                end = file.seek(0, os.SEEK_END)
                last = next(_lines_back(file, end), (0, b""))[1]
                whole = {"time": now.isoformat(timespec="milliseconds"), **record, "after": _digest(last)}
                # What a full disk has cut is closed, and does not count as a record.
                mend = b"" if not end or os.pread(descriptor, 1, end - 1) == b"\n" else b"\n"
                file.write(mend + json.dumps(whole).encode("ascii") + b"\n")
                os.fsync(descriptor)

    def page(self, after: str, limit: int, wanted: Callable[[Mapping[str, Any]], bool]) -> tuple[list[Any], str]:
        """Records, the newest first, from the cursor `after` on; and the cursor to go on from, "" at the end.

        Raises `Fault`, and `ValueError` where that is no cursor.
        """
        rows: list[Any] = []
        month, _, place = after.partition(":")
        with translated("the audit record cannot be read"):
            for named, start, row in self._back(month, int(place) if place else 0):
                if wanted(row):
                    rows.append(row)
                if len(rows) >= limit:
                    return rows, f"{named}:{start}"
        return rows, ""

    def _back(self, month: str, place: int) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """All records, the newest first, each with its file's month and its place there; "" is the newest."""
        for path in sorted(self._folder.glob("audit-*.jsonl"), reverse=True):
            named = path.name.removeprefix("audit-").removesuffix(".jsonl")
            if not month or named <= month:
                size = path.stat().st_size
                end = min(place, size) if named == month else size
                yield from ((named, start, row) for start, row in _rows_back(path, end))

    def broken(self) -> Iterator[str]:
        """Where the files are not as they were written: "file: line"."""
        with translated("the audit record cannot be read"):
            for path in sorted(self._folder.glob("audit-*.jsonl")):
                yield from (f"{path.name}: line {number}" for number in _broken(path.read_bytes().splitlines()))


def _broken(lines: Sequence[bytes]) -> Iterator[int]:
    before = b""
    for number, line in enumerate(lines, 1):
        row = _row(line)
        if row is None or row.get("after") != _digest(before):
            yield number
        before = line


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()[:32] if line else _FIRST


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _rows_back(path: Path, end: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The records before octet `end`, the last first, each with where it begins; what is none is left out."""
    with path.open("rb") as file:
        for start, line in _lines_back(file, end):
            row = _row(line)
            if row is not None:
                yield start, row


def _lines_back(file: Any, end: int) -> Iterator[tuple[int, bytes]]:
    """The lines before octet `end`, without their ends, the last first, each with where it begins."""
    held, start = b"", end
    while start > 0:
        step = min(_BLOCK, start)
        start -= step
        file.seek(start)
        held = file.read(step) + held
        lines = held.split(b"\n")
        place = start + len(held)
        for line in reversed(lines[1:]):
            place -= len(line)
            if line:
                yield place, line
            place -= 1
        held = lines[0]
    if held:
        yield 0, held
