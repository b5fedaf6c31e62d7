"""The files of a trace. Each process appends to a segment of its own, which is three files with one name:

- `.jsonl`: the events, lines as in the event log;
- `.blocks`: a row for each block of some 64 KB of those lines: where it is, its times, and where its keys end;
- `.keys`: for each block the hashes of the names in it, each once.

A block's row is written after its lines and its keys, so that whatever a crash leaves, what has a row is whole; lines
behind the last row are read through by whoever searches. Nothing is ever changed, and no file is needed by a writer.
"""

import contextlib
import os
import struct
import sys
import zlib
from array import array
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from mailroot.mail.traced import normal

BLOCK = 64 * 1024
SEGMENT = 64 * 1024 * 1024
LINES, BLOCKS, KEYS = ".jsonl", ".blocks", ".keys"
MAGIC = b"Mailroot trace, form 1".ljust(32, b"\n")
ROW = struct.Struct("<QQQII")
KEY_SIZE = 4
# A name with this sign in it is not found; none has.
_BETWEEN = "\0"


class Block(NamedTuple):
    """A row of `.blocks`: place and size of the lines, first and last moment in milliseconds, where the keys end."""

    offset: int
    first: int
    last: int
    size: int
    keys_end: int


def key(name: str) -> int:
    """The hash of a name. Two names may have the same: it only says where to look."""
    return zlib.crc32(normal(name).encode("utf-8", "surrogatepass"))


def packed(names: Collection[str]) -> bytes:
    """The keys of a block: those of `key` for each name. All at once, as this is done for every message."""
    try:
        text = f"{_BETWEEN}{_BETWEEN.join(names)}{_BETWEEN}".lower()
    except TypeError:  # not all of them are texts
        return packed([str(name) for name in names])
    text = text.replace(f"{_BETWEEN}<", _BETWEEN).replace(f">{_BETWEEN}", _BETWEEN)
    keys = array("I", map(zlib.crc32, text.encode("utf-8", "surrogatepass").split(_BETWEEN.encode())[1:-1]))
    if sys.byteorder == "big":
        keys.byteswap()
    return keys.tobytes()


def milliseconds(moment: datetime) -> int:
    """A moment as rows have it."""
    return int(moment.timestamp() * 1000)


def segment_name(begun: datetime, process: str, number: int) -> str:
    """The name of a segment's files, without a dot; names sort by time. `number` is that of the process's segments."""
    return f"{begun.astimezone(UTC):%Y%m%dT%H%M%S%f}-{process}-{os.getpid()}-{number}"


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment by the path of its lines. `size` is that of all its files, `written` the time of the last line."""

    lines: Path
    size: int
    written: float

    def remove(self) -> None:
        """Remove the files; who removes the same at the same time does no harm."""
        for ending in (BLOCKS, KEYS, LINES):
            with contextlib.suppress(OSError):
                self.lines.with_suffix(ending).unlink()


def segments(folder: Path) -> list[Segment]:
    """The segments of a folder, the oldest first. Those that vanish meanwhile are left out."""
    found = (_segment(path) for path in sorted(folder.glob(f"*{LINES}")))
    return [one for one in found if one is not None]


def _segment(lines: Path) -> Segment | None:
    try:
        status = lines.stat()
    except OSError:
        return None
    size = status.st_size
    for ending in (BLOCKS, KEYS):
        with contextlib.suppress(OSError):
            size += lines.with_suffix(ending).stat().st_size
    return Segment(lines, size, status.st_mtime)


def surplus(found: list[Segment], oldest: float, most: int) -> Iterator[Segment]:
    """The segments that are not to be kept: last written before `oldest`, or too many octets together; 0: no limit."""
    left = sum(one.size for one in found)
    for one in found[:-1]:
        if one.written < oldest or (most and left > most):
            left -= one.size
            yield one
