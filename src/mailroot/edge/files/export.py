"""Messages of the queue as files for people: KEY.eml with the content, KEY.json with the envelope."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from mailroot.edge.files.durable import sync_folder, translated
from mailroot.mail.message import Content

_MODE = 0o600


def export(folder: Path, key: str, content: Content, envelope: Mapping[str, object]) -> None:
    """Write a message's two files, durably, in the place of those of the same names; nobody sees half of one.

    Blocks. Raises `Unavailable`, `DiskFull` or `Misconfigured`.
    """
    with translated(f"exporting {key} to"):
        text = json.dumps(envelope, indent=2, ensure_ascii=True).encode() + b"\n"
        _write(folder / f"{key}.eml", content.pieces())
        _write(folder / f"{key}.json", iter((text,)))
        sync_folder(folder)


def _write(path: Path, pieces: Iterator[bytes]) -> None:
    hidden = path.with_name(f".{path.name}.part")
    with contextlib.suppress(FileNotFoundError):
        hidden.unlink()  # of an export that was cut off
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        hidden.rename(path)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise
