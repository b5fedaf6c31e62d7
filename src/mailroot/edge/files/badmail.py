"""The Badmail folder: trios of files with one stem, and which of them are too old or too many.

`.BDR` says why in words, `.BDP` holds the properties as JSON, `.BAD` is the message. The message appears last: where a
`.BAD` is, its reason is too, and a trio that a crash left incomplete is completed by its repetition.
"""

import contextlib
import heapq
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailroot.edge.files.whole import NewFile

# The last one marks a message that is being put back (`edge.files.resubmit`).
ENDINGS = (".BAD", ".BDR", ".BDP", ".BDS")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a message is in Badmail: a sentence, the predecessor's error code, sender and recipients as text."""

    text: str
    code: int
    sender: str = ""
    recipients: tuple[str, ...] = ()

    def report(self) -> str:
        """The readable reason, as it stands in the `.BDR` file."""
        lines = [
            "This message could not be delivered, nor could its sender be told.",
            "",
            f"Reason:     {self.text}",
            f"Error code: 0x{self.code:08X}",
            f"Sender:     {self.sender or '<>'}",
            *(f"Recipient:  {recipient}" for recipient in self.recipients),
        ]
        return "".join(f"{line}\r\n" for line in lines)


def trio(
    folder: str,
    stem: str,
    message: Callable[[], Iterable[Sequence[bytes | memoryview]]],
    reason: Reason,
    properties: Mapping[str, object],
) -> list[NewFile]:
    """The three files, in the order in which they are to appear."""
    text = json.dumps(dict(properties), indent=2, ensure_ascii=False, default=str) + "\n"
    return [
        NewFile(folder, f"{stem}.BDP", lambda: ((text.encode("utf-8", "surrogateescape"),),)),
        NewFile(folder, f"{stem}.BDR", lambda: ((reason.report().encode("utf-8", "surrogateescape"),),)),
        NewFile(folder, f"{stem}.BAD", message),
    ]


@dataclass(frozen=True, slots=True, order=True)
class Kept:
    """A file in Badmail: when it came, in seconds since the epoch, and its size in octets."""

    at: float
    name: str
    size: int


def excess(folder: str, before: float, limit: int, most: int) -> list[Kept]:
    """Up to `most` files that have to go, the oldest first; every part of a message counts and goes alike.

    Those that came before `before` (seconds since the epoch), and the oldest of the rest while they hold more than
    `limit` octets (0: no limit). Raises `OSError`.
    """
    total = sum(kept.size for kept in _kept(folder))
    gone: list[Kept] = []
    for kept in heapq.nsmallest(most, _kept(folder)):
        if kept.at >= before and not 0 < limit < total:
            break
        gone.append(kept)
        total -= kept.size
    return gone


def remove(folder: str, files: Iterable[Kept]) -> None:
    """Remove files; one that is gone already does not matter. Raises `OSError`."""
    for kept in files:
        with contextlib.suppress(FileNotFoundError):
            Path(folder, kept.name).unlink()


def _kept(folder: str) -> Iterator[Kept]:
    with os.scandir(folder) as entries:
        for entry in entries:
            kept = _looked_at(entry) if entry.name.upper().endswith(ENDINGS) else None
            if kept is not None:
                yield kept


def _looked_at(entry: "os.DirEntry[str]") -> Kept | None:
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return Kept(found.st_mtime, entry.name, found.st_size)
