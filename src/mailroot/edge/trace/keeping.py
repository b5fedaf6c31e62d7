"""The keeper of a trace: appends what the event log has formatted anyway, and the names that are in it.

It works in the thread that writes the log. What cannot be written is counted; mail and the log never wait for it.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from mailroot.edge.trace.segments import (
    BLOCK,
    BLOCKS,
    KEY_SIZE,
    KEYS,
    LINES,
    MAGIC,
    ROW,
    SEGMENT,
    milliseconds,
    packed,
    segment_name,
    segments,
    surplus,
)
from mailroot.mail.events import EventRow
from mailroot.mail.traced import NAMING, READERS

_MODE = 0o640
# Retention is by whole segments: a process begins a new one at least so often, and looks at old ones so often.
_LONGEST = timedelta(days=1)
_SWEEP = timedelta(hours=1)
_PARTS = 16
# What comes of an event that lacks a field of its row, or has something odd in it.
_ODD = (KeyError, TypeError, AttributeError)

Event = tuple[datetime, EventRow, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a trace is kept, and how many octets all of it may have; 0: no limit."""

    keep: timedelta
    size: int

    @property
    def segment(self) -> int:
        """How large a segment may grow."""
        return min(SEGMENT, max(self.size // _PARTS, BLOCK)) if self.size else SEGMENT


class _Open:
    """The segment that is being written, with the block that is not complete yet."""

    def __init__(self, folder: Path, name: str, now: datetime) -> None:
        self.begun = now
        self.offset = 0
        self.names: set[str] = set()
        self.first: datetime | None = None
        self.last = now
        self._block_at = 0
        self._keys = 0
        self._files: dict[str, int] = {}
        try:
            for ending in (LINES, KEYS, BLOCKS):
                self._files[ending] = _created(folder / f"{name}{ending}")
            os.write(self._files[BLOCKS], MAGIC)
        except OSError:
            self.close()
            raise

    @property
    def vanished(self) -> bool:
        """Whether somebody has removed the file: what is written would be lost."""
        return os.fstat(self._files[LINES]).st_nlink == 0

    def append(self, octets: bytes) -> None:
        """Append whole lines. Raises `OSError`."""
        if os.write(self._files[LINES], octets) != len(octets):
            raise OSError("the disk is full")

    def seal(self, end: int) -> tuple[bytes, bytes]:
        """The block from the last one to `end` is complete: its keys and its row, to be written after its lines."""
        keys = packed(self.names)
        self._keys += len(keys) // KEY_SIZE
        times = milliseconds(self.first or self.last), milliseconds(self.last)
        row = ROW.pack(self._block_at, *times, end - self._block_at, self._keys)
        self._block_at, self.first = end, None
        self.names = set()
        return keys, row

    def index(self, sealed: Sequence[tuple[bytes, bytes]]) -> None:
        """Write the keys and the rows of blocks whose lines are there. Raises `OSError`."""
        keys, rows = b"".join(one[0] for one in sealed), b"".join(one[1] for one in sealed)
        for ending, octets in ((KEYS, keys), (BLOCKS, rows)):
            if os.write(self._files[ending], octets) != len(octets):
                raise OSError("the disk is full")

    @property
    def block_at(self) -> int:
        """Where the block begins that is not complete."""
        return self._block_at

    def close(self) -> None:
        """Close the files."""
        for descriptor in self._files.values():
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._files.clear()


class TraceKeeper:
    """Keeps the trace of one process in a folder. All calls come from one thread. `now` gives aware UTC moments."""

    def __init__(self, folder: Path, process: str, retention: Retention, now: Callable[[], datetime]) -> None:
        self._folder = folder
        self._process = process
        self._retention = retention
        self._now = now
        self._open: _Open | None = None
        self._number = 0
        self._swept: datetime | None = None
        self.lost = 0
        """Events that could not be kept, and have not been told of."""

    def keep(self, events: Sequence[Event], lines: Sequence[bytes]) -> None:
        """Keep those of the events that belong to a message or a session; `lines` are the same, formatted."""
        if not any(event[1].name in READERS for event in events):
            return
        kept: list[bytes] = []
        try:
            segment = self._current()
            sealed = list(_gather(segment, events, lines, kept))
            if kept:
                segment.append(b"".join(kept))
            if sealed:
                segment.index(sealed)
        except OSError:
            self.lost += len(kept) or len(events)
            self._drop()

    def idle(self) -> None:
        """Called now and then: removes what has become too old or too much."""
        now = self._now()
        if self._swept is None or now - self._swept >= _SWEEP:
            self._sweep(now)

    def close(self) -> None:
        """Complete the index, and end."""
        segment = self._open
        if segment is not None:
            with contextlib.suppress(OSError):
                self._finish(segment)
        self._drop()

    def _current(self) -> _Open:
        """The segment to write into; a new one where the old one is full, or gone."""
        segment, now = self._open, self._now()
        if segment is not None:
            full = segment.offset >= self._retention.segment or now - segment.begun >= _LONGEST
            if not full and not segment.vanished:
                return segment
            self.close()
        self._number += 1
        self._folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._open = _Open(self._folder, segment_name(now, self._process, self._number), now)
        self._sweep(now)
        return self._open

    def _finish(self, segment: _Open) -> None:
        if segment.offset > segment.block_at:
            segment.index([segment.seal(segment.offset)])

    def _drop(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _sweep(self, now: datetime) -> None:
        self._swept = now
        oldest = (now - self._retention.keep).timestamp()
        for one in surplus(segments(self._folder), oldest, self._retention.size):
            one.remove()


def _gather(
    segment: _Open, events: Sequence[Event], lines: Sequence[bytes], kept: list[bytes]
) -> Iterator[tuple[bytes, bytes]]:
    """Put the lines that are to be kept into `kept`, and note their names; yields each block that becomes complete."""
    offset, full, names = segment.offset, segment.block_at + BLOCK, segment.names
    for (at, row, fields), line in zip(events, lines, strict=True):
        read = READERS.get(row.name)
        if read is None:
            continue
        kept.append(line)
        try:
            names.update(read(fields))
        except _ODD:
            names.update(_odd_names(fields))
        offset += len(line)
        segment.last = at
        if segment.first is None:
            segment.first = at
        if offset >= full:
            yield segment.seal(offset)
            full, names = offset + BLOCK, segment.names
    segment.offset = offset


def _odd_names(fields: Mapping[str, object]) -> list[str]:
    values = [fields.get(name) for name in NAMING]
    return [str(one) for value in values for one in (value if isinstance(value, list | tuple) else [value]) if one]


def _created(path: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, _MODE)
