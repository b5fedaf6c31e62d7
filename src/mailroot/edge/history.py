"""Past figures of a virtual server in a file of fixed size: three rings, each coarser and longer than the one before.

Where a record stands follows from its time alone, so there is no head that could be wrong. Each has a checksum: what a
crash tears is missing, and nothing else is. The file is sparse; a place that was never written takes none on the disk.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mailroot.edge.files.durable import translated

SLOT = 2048  # octets of a record
_HEAD = struct.Struct("=IIQ")  # checksum of the rest, length, number of the step
MOST = SLOT - _HEAD.size
_REST = struct.Struct("=IQ")
_READ_AT_ONCE = 256  # records


@dataclass(frozen=True, slots=True)
class Ring:
    """A ring of `length` records, one for every `step` seconds."""

    step: int
    length: int

    @property
    def span(self) -> int:
        """How many seconds it goes back."""
        return self.step * self.length


# 10 s for 6 hours, 5 minutes for a week, an hour for a year: 26 MB.
RINGS = (Ring(10, 2160), Ring(300, 2016), Ring(3600, 8784))


class HistoryFile:
    """The file of one virtual server. It blocks; one process writes, any may read."""

    def __init__(self, folder: str, server: str) -> None:
        self._path = Path(folder, f"{server}.history")

    def read(self, ring: Ring, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """The records of the steps from `first` to `last` that are there. Raises `Unavailable`."""
        first = max(first, last - ring.length + 1, 0)
        with translated("reading past figures"):
            try:
                descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            except FileNotFoundError:
                return
            try:
                for step in range(first, last + 1, _READ_AT_ONCE):
                    yield from _some(descriptor, ring, step, min(step + _READ_AT_ONCE, last + 1))
            finally:
                os.close(descriptor)

    def write(self, records: list[tuple[Ring, int, bytes]]) -> None:
        """Write records of steps in the place of those that stood there. Raises `Unavailable` or `Misconfigured`."""
        with translated("writing past figures"):
            descriptor = self._writable()
            try:
                for ring, step, octets in records:
                    rest = _REST.pack(len(octets), step) + octets
                    os.pwrite(descriptor, struct.pack("=I", zlib.crc32(rest)) + rest, _place(ring, step))
            finally:
                os.close(descriptor)

    def _writable(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(self._path, flags, 0o600)
        except FileNotFoundError:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self._path, flags, 0o600)


def _some(descriptor: int, ring: Ring, first: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Some records; where the ring closes, the rest stands at its beginning."""
    begun = first
    while begun < end:
        count = min(end - begun, ring.length - begun % ring.length)
        octets = os.pread(descriptor, count * SLOT, _place(ring, begun))
        for number in range(count):
            record = _record(octets[number * SLOT : (number + 1) * SLOT], begun + number)
            if record is not None:
                yield begun + number, record
        begun += count


def _record(slot: bytes, step: int) -> bytes | None:
    """What stands in a place, where it is of this step and whole."""
    if len(slot) < _HEAD.size:
        return None
    checksum, length, number = _HEAD.unpack_from(slot)
    rest = slot[4 : _HEAD.size + length]
    if number != step or length > MOST or zlib.crc32(rest) != checksum:
        return None
    return slot[_HEAD.size : _HEAD.size + length]


def _place(ring: Ring, step: int) -> int:
    before = sum(one.length for one in RINGS[: RINGS.index(ring)])
    return (before + step % ring.length) * SLOT
