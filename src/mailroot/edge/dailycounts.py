"""How many messages went to destinations on a day, kept on disk: one small file in a home, replaced as a whole.

It holds places and counts of `edge.sharedturns` and the salt that gives names their places, but no names.
"""

import os
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mailroot.edge.files.durable import translated
from mailroot.edge.files.folderlock import alone
from mailroot.mail.faults import Unavailable

_MAGIC = b"mailroot counts1"
_HEAD = struct.Struct("<16sQQII")  # magic, nanoseconds since 1970, salt, day, how many places
_PLACE = struct.Struct("<HI")
_CHECKSUM = struct.Struct("<I")
_MOST = _HEAD.size + (1 << 16) * _PLACE.size + _CHECKSUM.size
_WHAT = "the daily counts"
_LOCK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class DailyCounts:
    """What was counted on a day (since 1970) by place. `written` is in nanoseconds since 1970."""

    written: int
    salt: int
    day: int
    counts: Mapping[int, int]


def counts_path(home: Path) -> Path:
    """Where they are kept."""
    return home / ".daily-counts"


def read_counts(home: Path) -> DailyCounts | None:
    """What was kept; None where nothing was. Raises `Fault`, also where the file is damaged."""
    path = counts_path(home)
    with translated(f"{_WHAT} cannot be read"):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            octets = file.read(_MOST + 1)
    found = _parsed(octets)
    if found is None:
        raise Unavailable(f"{_WHAT} cannot be read: {path} is damaged")
    return found


def keep_counts(home: Path, current: Callable[[], DailyCounts]) -> None:
    """Keep what is `current` once nobody else writes, so the last to write has the latest. Raises `Fault`."""
    path = counts_path(home)
    draft = path.with_name(f"{path.name}.new")
    with alone(path, _WHAT, _LOCK_SECONDS), translated(f"{_WHAT} cannot be kept"):
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_octets(current()))
            file.flush()
            os.fsync(descriptor)  # or a power cut would leave an empty file in the place of a good one
        draft.replace(path)


def _octets(counts: DailyCounts) -> bytes:
    head = _HEAD.pack(_MAGIC, counts.written, counts.salt, counts.day, len(counts.counts))
    whole = head + b"".join(_PLACE.pack(*one) for one in counts.counts.items())
    return whole + _CHECKSUM.pack(zlib.crc32(whole))


def _parsed(octets: bytes) -> DailyCounts | None:
    """What octets say; None where they are none of ours."""
    whole, checksum = octets[: -_CHECKSUM.size], octets[-_CHECKSUM.size :]
    if len(whole) < _HEAD.size or checksum != _CHECKSUM.pack(zlib.crc32(whole)):
        return None
    magic, written, salt, day, places = _HEAD.unpack_from(whole)
    if magic != _MAGIC or len(whole) != _HEAD.size + places * _PLACE.size:
        return None
    return DailyCounts(written, salt, day, dict(_PLACE.iter_unpack(whole[_HEAD.size :])))
