"""What a folder stands on: its mount, its device, its room, and how long a sync takes."""

import contextlib
import os
import re
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from mailroot.edge.files.durable import translated

_ESCAPE = re.compile(r"\\([0-7]{3})")  # proc_pid_mountinfo(5): blanks and the like are octal
_BLOCK = b"x" * 4096


@dataclass(frozen=True, slots=True)
class Mount:
    """The mount that a path lies on. `options` are those of the mount and of the file system."""

    point: str
    kind: str
    source: str
    options: frozenset[str]
    device: str


@dataclass(frozen=True, slots=True)
class Room:
    """Octets and files that a file system can still take from this account, and the share of all of them."""

    octets: int
    octets_share: float
    files: int
    files_share: float


def mount_of(path: str, table: str | None = None) -> Mount | None:
    """The mount of a path; None where the system does not tell. `table` is the text of mountinfo."""
    if table is None:
        try:
            table = Path("/proc/self/mountinfo").read_text(errors="surrogateescape")
        except OSError:
            return None
    real, best = os.path.realpath(path), None
    for line in table.splitlines():
        mount = _mount(line)
        inside = mount is not None and (real == mount.point or real.startswith(mount.point.rstrip("/") + "/"))
        # Of two mounts at one point the later one is seen.
        if mount is not None and inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _mount(line: str) -> Mount | None:
    before, separator, after = line.partition(" - ")
    fields, rest = before.split(" "), after.split(" ")
    if not separator or len(fields) < 6 or len(rest) < 3:
        return None
    options = frozenset([*fields[5].split(","), *rest[2].split(",")])
    return Mount(_unescaped(fields[4]), rest[0], _unescaped(rest[1]), options, fields[2])


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)


def write_cache(device: str, system: str = "/sys/dev/block") -> str:
    """How the disk of a block device ("major:minor") caches: "write back", "write through", or "" : not known."""
    folder = os.path.realpath(f"{system}/{device}")
    for place in (folder, os.path.dirname(folder)):  # noqa: PTH120 - a partition has none; its disk has
        with contextlib.suppress(OSError):
            return Path(place, "queue", "write_cache").read_text().strip()
    return ""


def room(path: str) -> Room:
    """What the file system of a path can still take. Raises `Fault`."""
    with translated(f"looking at the room of {path}"):
        found = os.statvfs(path)
    return Room(
        octets=found.f_bavail * found.f_frsize,
        octets_share=found.f_bavail / found.f_blocks if found.f_blocks else 1.0,
        files=found.f_favail,
        files_share=found.f_favail / found.f_files if found.f_files else 1.0,  # btrfs has no number of files
    )


def sync_time(folder: str, times: int = 20) -> float:
    """How long a sync of 4 KB takes in a folder: the median of some, in seconds. Raises `Fault`; leaves nothing."""
    path = Path(folder, f".doctor-{os.getpid()}")
    taken = []
    with translated(f"writing a test file in {folder}"):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            for place in range(times):
                os.pwrite(descriptor, _BLOCK, place * len(_BLOCK))
                begun = time.perf_counter()
                os.fdatasync(descriptor)
                taken.append(time.perf_counter() - begun)
        finally:
            os.close(descriptor)
            path.unlink()
    return statistics.median(taken)
