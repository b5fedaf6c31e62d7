"""A message of Badmail is put back into Pickup: once, whatever happens meanwhile.

The Pickup file is written under SortTemp, which is on Pickup's file system; it is whole and durable when a marker
appears beside the message in Badmail. One rename then hands it over. So a run that was cut off goes on: with the marker
and the file it hands over; with the marker alone that was done, and only Badmail is left to be cleared. The message
leaves Badmail last, so that it is never nowhere.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mailroot.edge.files import browsing
from mailroot.edge.files.durable import sync_folder, translated
from mailroot.mail.faults import Misconfigured

SUBMITTING = ".BDS"
_HEADER_LIMIT = 1 << 20
_PIECE = 1 << 18


class Named(NamedTuple):
    """An address, "" for the null path, and the parameters that MAIL or RCPT had for it, as they are written."""

    address: str
    parameters: str = ""

    def __str__(self) -> str:
        """As a line of Pickup has it; without the parameters where brackets in the address would hide them."""
        if not self.parameters or set("<>") & set(self.address):
            return self.address or "<>"
        return f"<{self.address}> {self.parameters}"


def resubmit(
    folder: str, home: str, stem: str, envelope: tuple[Named, Sequence[Named]] | None, *, stuffed: bool
) -> None:
    """Put the message `stem` back. Blocks; one at a time for a folder.

    `envelope` is its sender and its recipients, or None for a file of Pickup, which goes back as it was. `stuffed`:
    Pickup takes a leading dot of each line away. Raises `Misconfigured` or `Unavailable`; then it is in Badmail still.
    """
    browsing.checked(stem)
    prepared = Path(home, "SortTemp", "resubmit", f"{stem}.eml")
    marker = Path(folder, stem + SUBMITTING)
    with translated("resubmitting"):
        if not marker.exists():
            prepared.parent.mkdir(parents=True, exist_ok=True)
            sync_folder(prepared.parent.parent)  # a marker without this folder would say that all is done
            with browsing.opened(folder, f"{stem}.BAD") as (descriptor, _):
                _write(prepared, _lines(descriptor, envelope, stuffed=stuffed))
            _write(marker, ())
        if prepared.exists():
            prepared.rename(Path(home, "Pickup", f"resubmitted-{stem}.eml"))
            sync_folder(Path(home, "Pickup"))
            sync_folder(prepared.parent)
    browsing.remove(folder, [f"{stem}.BAD", f"{stem}.BDR", f"{stem}.BDP"])
    browsing.remove(folder, [marker.name])


def forget(folder: str, home: str, stem: str) -> int:
    """Remove a message from Badmail for good; whether there was one (0 or 1). Blocks."""
    browsing.checked(stem)
    with translated("removing"):
        Path(home, "SortTemp", "resubmit", f"{stem}.eml").unlink(missing_ok=True)
    gone = browsing.remove(folder, [f"{stem}.BAD"])
    browsing.remove(folder, [f"{stem}{ending}" for ending in (".BDR", ".BDP", SUBMITTING)])
    return gone


def _write(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file, durably; nobody sees half of one."""
    hidden = path.with_name(f".{path.name}.part")
    with contextlib.suppress(FileNotFoundError):
        hidden.unlink()  # of a run that was cut off
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    hidden.rename(path)
    sync_folder(path.parent)


def _lines(descriptor: int, envelope: tuple[Named, Sequence[Named]] | None, *, stuffed: bool) -> Iterator[bytes]:
    source = _pieces(descriptor)
    if envelope is None:
        yield from source
        return
    sender, recipients = envelope
    for named in (sender, *recipients):
        if not str(named).isprintable():
            raise Misconfigured("the envelope in its .BDP file cannot be used; put the message into Pickup by hand")
    yield f"x-sender: {sender}\r\n".encode()
    yield from (f"x-receiver: {recipient}\r\n".encode() for recipient in recipients)
    head = next(source, b"")
    while b"\r\n\r\n" not in head and len(head) < _HEADER_LIMIT and (more := next(source, b"")):
        head += more
    header, line, body = head.partition(b"\r\n\r\n")
    yield _without_return_path(header + line, sender.address)
    yield from _dotted((body, *source)) if stuffed else (body, *source)


def _without_return_path(header: bytes, sender: str) -> bytes:
    """The header without the line that Badmail has put in; it is made anew with the next delivery."""
    line = f"Return-Path: {sender or '<>'}\r\n".encode()
    first, found, rest = header.rpartition(line)
    return first + rest if found and (not first or first.endswith(b"\n")) else header


def _dotted(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Another dot before each that begins a line."""
    last = b"\n"
    for piece in pieces:
        if not piece:
            continue
        begun = b"." if last == b"\n" and piece.startswith(b".") else b""
        yield begun + piece.replace(b"\n.", b"\n..")
        last = piece[-1:]


def _pieces(descriptor: int) -> Iterator[bytes]:
    offset = 0
    while piece := browsing.piece(descriptor, offset, _PIECE):
        offset += len(piece)
        yield piece
