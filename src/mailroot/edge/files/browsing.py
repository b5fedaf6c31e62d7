"""Folders of messages as operators look at them: page after page, and piece after piece of one file.

However many files there are, a page holds no more of them in memory than it shows. A name leads to a regular file of
the folder and to nothing else: not to another folder, not through a link.
"""

import heapq
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mailroot.edge.files.durable import translated
from mailroot.mail.faults import Misconfigured

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SECONDS = 4.0  # that one look may take: some million names, or some hundred thousand files with their times
_PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Wanted:
    """A page: up to `limit` files behind the cursor `after`, by name, or by their time of change, the last one first.

    `ending` is that of the names, in any case; `text` stands somewhere in the name.
    """

    limit: int
    after: str = ""
    newest: bool = False
    ending: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A file: its name, when it was changed (seconds since 1970), and its size."""

    name: str
    at: float
    size: int


@dataclass(frozen=True, slots=True)
class Page:
    """Files, the cursor of the page to come ("" for none), how many there are, and whether all were looked at."""

    files: tuple[Found, ...]
    next: str
    total: int
    whole: bool


class _Look:
    """One look through a folder."""

    def __init__(self, folder: int, wanted: Wanted) -> None:
        self._folder = folder
        self._wanted = wanted
        self._until = time.monotonic() + _SECONDS
        self.total = 0
        self.whole = True

    def keys(self) -> Iterator[tuple[int, str]]:
        """What the files are sorted by; only those behind the cursor."""
        wanted = self._wanted
        after = _cursor(wanted)
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if not self._meant(entry):
                    continue
                self.total += 1
                if self.total % 512 == 0 and time.monotonic() > self._until:
                    self.whole = False
                    return
                key = _key(entry, newest=wanted.newest)
                if key is not None and (after is None or key > after):
                    yield key

    def _meant(self, entry: "os.DirEntry[str]") -> bool:
        name, wanted = entry.name, self._wanted
        return (
            not name.startswith(".")
            and name.lower().endswith(wanted.ending.lower())
            and (not wanted.text or wanted.text.lower() in name.lower())
            and entry.is_file(follow_symlinks=False)
        )


def _key(entry: "os.DirEntry[str]", *, newest: bool) -> tuple[int, str] | None:
    """What a file is sorted by; None for one that has gone meanwhile."""
    try:
        return -entry.stat(follow_symlinks=False).st_mtime_ns if newest else 0, entry.name
    except FileNotFoundError:
        return None


def _cursor(wanted: Wanted) -> tuple[int, str] | None:
    if not wanted.after:
        return None
    moment, _, name = wanted.after.partition(" ")
    try:
        return int(moment), name
    except ValueError as fault:
        raise Misconfigured(f"{wanted.after[:80]!r} is no cursor of this folder; begin again") from fault


def page(folder: str, wanted: Wanted) -> Page:
    """A page of a folder; an empty one where there is no such folder. Blocks. Raises `Unavailable`."""
    with translated("looking into the folder"):
        try:
            descriptor = _opened(folder)
        except FileNotFoundError:
            return Page((), "", 0, whole=True)
        try:
            look = _Look(descriptor, wanted)
            keys = heapq.nsmallest(wanted.limit + 1, look.keys())
            files = tuple(found for key in keys[: wanted.limit] if (found := _found(descriptor, key[1])) is not None)
        finally:
            os.close(descriptor)
    more = len(keys) > wanted.limit
    following = f"{keys[wanted.limit - 1][0]} {keys[wanted.limit - 1][1]}" if more else ""
    return Page(files, following, look.total, look.whole)


def _found(folder: int, name: str) -> Found | None:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None  # it has gone meanwhile
    return Found(name, status.st_mtime, status.st_size)


def _opened(folder: str) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def checked(name: str) -> str:
    """A name that can only be that of a file in its folder, and no hidden one. Raises `Misconfigured`."""
    if not name or name.startswith(".") or "/" in name or "\0" in name or len(os.fsencode(name)) > 255:
        raise Misconfigured(f"{name[:80]!r} is no name of a message")
    return name


@contextmanager
def opened(folder: str, name: str) -> Iterator[tuple[int, os.stat_result]]:
    """A file of the folder, opened for reading, with its status. Raises `Misconfigured` where there is none."""
    checked(name)
    with translated(f"reading {name}"):
        try:
            where = _opened(folder)
        except FileNotFoundError as fault:
            raise Misconfigured(f"there is no message {name!r} (it may have been taken)") from fault
        try:
            descriptor = os.open(name, _FLAGS, dir_fd=where)
        except OSError as fault:
            raise Misconfigured(f"there is no message {name!r} (it may have been taken)") from fault
        finally:
            os.close(where)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise Misconfigured(f"{name!r} is no message, but a folder, a link or a device")
            yield descriptor, found
        finally:
            os.close(descriptor)


def piece(descriptor: int, offset: int, most: int) -> bytes:
    """Up to so many octets of a file from a place on."""
    found = bytearray()
    while len(found) < most and (more := os.pread(descriptor, min(_PIECE, most - len(found)), offset + len(found))):
        found += more
    return bytes(found)


def remove(folder: str, names: list[str]) -> int:
    """Remove files of a folder, durably; how many of them there were. Blocks."""
    with translated("removing"):
        where = _opened(folder)
        try:
            gone = sum(_removed(where, checked(name)) for name in names)
            os.fsync(where)
        finally:
            os.close(where)
    return gone


def _removed(folder: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True
