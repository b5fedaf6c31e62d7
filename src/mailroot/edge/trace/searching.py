"""Searching a trace: which blocks may name something, and which of their lines do. Nothing is locked or changed.

A search reads the keys of each segment, and of the lines only those blocks whose keys fit. What stands behind the last
complete block of a segment, 64 KB or what a crash left, is read through. `octets` counts what was read.
"""

import contextlib
import json
import mmap
import os
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailroot.edge.trace.segments import BLOCKS, KEY_SIZE, KEYS, MAGIC, ROW, Block, key, segments
from mailroot.mail.traced import as_recorded, named, normal

# Lines behind the last block are read in pieces of this size.
_PIECE = 1024 * 1024
_KEY = struct.Struct("<I")

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Window:
    """A time: from `since` until `until`, both in milliseconds of the epoch and included."""

    since: int = 0
    until: int = 1 << 62

    def meets(self, block: Block) -> bool:
        """Whether a block may have events of this time."""
        return block.first <= self.until and block.last >= self.since


ALWAYS = Window()


class TraceSearch:
    """Searches the trace in a folder, as it is when this is made. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.octets = 0
        self._segments = [_Mapped(one.lines, self) for one in segments(folder)]

    def __enter__(self) -> "TraceSearch":
        return self

    def __exit__(self, *_: object) -> None:
        for segment in self._segments:
            segment.close()

    def naming(self, name: str, window: Window = ALWAYS) -> Iterator[Event]:
        """The events that have this name in one of their fields (`mail.traced`), the newest block's first."""
        name = as_recorded(name)
        wanted = normal(name)
        if not wanted:
            return
        needle = _as_written(wanted)
        pattern = _KEY.pack(key(name))
        asked = [segment for segment in self._segments if segment.meets(window)]
        places = [(segment, number) for segment in asked for number in segment.holding(pattern)]
        self.octets += sum(len(segment.keys) for segment in asked)
        for text in self._texts(places, window):
            yield from _events(text, wanted, needle)

    def during(self, window: Window) -> Iterator[Event]:
        """All events of a time, the newest block's first."""
        places = [(segment, number) for segment in self._segments for number in range(len(segment.blocks))]
        for text in self._texts(places, window):
            yield from _events(text, "", b"")

    def _texts(self, places: "list[tuple[_Mapped, int]]", window: Window) -> Iterator[bytes]:
        """The lines behind the last blocks, then those of the blocks, back in time."""
        for segment in self._segments:
            yield from segment.tail()
        met = [(segment.blocks[number].last, segment, number) for segment, number in places]
        for _, segment, number in sorted(met, key=lambda one: one[0], reverse=True):
            if window.meets(segment.blocks[number]):
                yield segment.text(number)


class _Mapped:
    """The three files of a segment: `blocks` are the rows that can be believed, `keys` the keys that they speak of."""

    def __init__(self, lines: Path, search: TraceSearch) -> None:
        self._search = search
        try:
            self._file = os.open(lines, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:  # retention has been quicker
            self._file = -1
        size = os.fstat(self._file).st_size if self._file >= 0 else 0
        rows = _content(lines.with_suffix(BLOCKS))
        self.keys = _content(lines.with_suffix(KEYS))
        search.octets += len(rows)
        self.blocks = _believable(rows, size, len(self.keys) // KEY_SIZE)
        self._ends = [block.keys_end for block in self.blocks]
        self._covered = self.blocks[-1].offset + self.blocks[-1].size if self.blocks else 0
        self._size = size

    def meets(self, window: Window) -> bool:
        """Whether any block may have events of this time."""
        blocks = self.blocks
        return bool(blocks) and blocks[0].first <= window.until and blocks[-1].last >= window.since

    def holding(self, pattern: bytes) -> Iterator[int]:
        """The numbers of the blocks with this key."""
        keys = self.keys
        end = self._ends[-1] * KEY_SIZE if self._ends else 0
        place = keys.find(pattern, 0, end)
        while place >= 0:
            beyond = place + 1
            if place % KEY_SIZE == 0:
                number = bisect_right(self._ends, place // KEY_SIZE)
                yield number
                beyond = self._ends[number] * KEY_SIZE
            place = keys.find(pattern, beyond, end)

    def text(self, number: int) -> bytes:
        """The lines of a block."""
        block = self.blocks[number]
        return self._read(block.offset, block.size)

    def tail(self) -> Iterator[bytes]:
        """The lines that no block has, in pieces that end with a line."""
        place, rest = self._covered, b""
        while place < self._size:
            piece = rest + self._read(place, min(_PIECE, self._size - place))
            place += _PIECE
            end = piece.rfind(b"\n") + 1
            rest = piece[end:] if end or len(piece) < _PIECE else b""
            yield piece[:end]

    def _read(self, offset: int, size: int) -> bytes:
        octets = os.pread(self._file, size, offset)
        self._search.octets += len(octets)
        return octets

    def close(self) -> None:
        if isinstance(self.keys, mmap.mmap):
            self.keys.close()
        if self._file >= 0:
            os.close(self._file)


def _content(path: Path) -> "mmap.mmap | bytes":
    """A file's octets, mapped; none where it is not there or empty."""
    with contextlib.suppress(OSError, ValueError), path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return b""


def _believable(rows: "mmap.mmap | bytes", size: int, keys: int) -> Sequence[Block]:
    """The rows from the first on, up to one that a crash has left in pieces, or whose lines or keys are not there."""
    found: list[Block] = []
    if rows[: len(MAGIC)] != MAGIC:
        return found
    whole = len(rows) - len(rows) % ROW.size
    end = last_key = 0
    for values in ROW.iter_unpack(rows[len(MAGIC) : whole]):
        block = Block(*values)
        if block.offset != end or not block.size or block.offset + block.size > size:
            break
        if not last_key <= block.keys_end <= keys:
            break
        found.append(block)
        end, last_key = block.offset + block.size, block.keys_end
    return found


def _events(text: bytes, wanted: str, needle: bytes) -> Iterator[Event]:
    """The events among these lines that have the name, "" : all, the last one first. Damaged lines are left out."""
    for line in reversed(list(_lines_with(text, needle))):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and (not wanted or wanted in named(event)):
            yield event


def _as_written(name: str) -> bytes:
    """A name as lines have it, in lower case; b"" where the cases of its letters would not come out the same."""
    if not name.isascii():
        return b""
    return json.dumps(name)[1:-1].replace("\x7f", "\\u007f").encode()


def _lines_with(text: bytes, needle: bytes) -> Iterator[bytes]:
    """The lines with these octets in them, whatever the case of letters."""
    if not needle:
        yield from text.splitlines()
        return
    lowered = text.lower()
    place = lowered.find(needle)
    while place >= 0:
        begin = text.rfind(b"\n", 0, place) + 1
        end = text.find(b"\n", place)
        end = len(text) if end < 0 else end
        yield text[begin:end]
        place = lowered.find(needle, end)
