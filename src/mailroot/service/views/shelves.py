"""Looks into Badmail and Drop folders, as they are done aside: rows, messages and pieces, in values JSON can hold."""

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from mailroot.edge.files import browsing
from mailroot.edge.files.browsing import Found, Wanted
from mailroot.edge.files.resubmit import SUBMITTING
from mailroot.mail.dropped import envelope_lines
from mailroot.mail.faults import Misconfigured
from mailroot.mail.opened import MOST_READ, opened

Facts = dict[str, Any]

_HEAD = 16 * 1024  # octets of a Drop file that a row is made of
_PROPERTIES = 256 * 1024  # octets of a .BDP file that are read
BAD, PROPERTIES, REASON = ".BAD", ".BDP", ".BDR"


def badmail_page(server: str, folder: str, wanted: Wanted) -> Facts:
    """A page of what is in Badmail."""
    return _page(folder, wanted, lambda found: _badmail_row(server, folder, found))


def drop_page(server: str, folder: str, wanted: Wanted) -> Facts:
    """A page of what is in a Drop folder."""
    return _page(folder, wanted, lambda found: _drop_row(server, folder, found))


def _page(folder: str, wanted: Wanted, row: Callable[[Found], Facts]) -> Facts:
    page = browsing.page(folder, wanted)
    rows = [row(found) for found in page.files]
    return {"rows": rows, "next": page.next, "total": page.total, "total_exact": page.whole}


def _drop_row(server: str, folder: str, found: Found) -> Facts:
    sender, recipients = envelope_lines(_beginning(folder, found.name, _HEAD))
    return {**_row(server, found, found.name), "sender": sender, "recipients": recipients}


def _badmail_row(server: str, folder: str, found: Found) -> Facts:
    stem = found.name[: -len(BAD)]
    told = properties(folder, stem)
    return {
        **_row(server, found, stem),
        "sender": str(told.get("sender") or ""),
        "recipients": waiting(told),
        "reason": str(told.get("reason") or _reason(folder, stem)),
        "state": "being resubmitted" if os.path.lexists(os.path.join(folder, stem + SUBMITTING)) else "",  # noqa: PTH118
    }


def _row(server: str, found: Found, name: str) -> Facts:
    arrived = datetime.fromtimestamp(found.at, UTC).isoformat(timespec="seconds")
    return {"server": server, "name": name, "arrived": arrived, "size": found.size}


def properties(folder: str, stem: str) -> Facts:
    """What the .BDP file of a message says; nothing where it is none of ours."""
    try:
        told = json.loads(_beginning(folder, stem + PROPERTIES, _PROPERTIES))
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def waiting(told: Facts) -> list[str]:
    """The recipients for whom a message is in Badmail."""
    rows = told.get("recipients")
    known = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [str(row.get("address") or "") for row in known if row.get("waiting")]


def _reason(folder: str, stem: str) -> str:
    """The line about the reason in a .BDR file."""
    text = _beginning(folder, stem + REASON, _HEAD).decode("utf-8", "replace")
    lines = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for name, _, value in lines if name == "Reason"), "")


def _beginning(folder: str, name: str, most: int) -> bytes:
    """The beginning of a file; b"" where it is gone, or is none."""
    try:
        with browsing.opened(folder, name) as (descriptor, _):
            return browsing.piece(descriptor, 0, most)
    except Misconfigured:
        return b""


# --- one message


def badmail_message(server: str, folder: str, stem: str) -> Facts:
    """A message in Badmail: why it is there, whose it was, and what it says."""
    told, name = properties(folder, stem), stem + BAD
    with browsing.opened(folder, name) as (descriptor, status):
        octets = browsing.piece(descriptor, 0, MOST_READ)
    row = _badmail_row(server, folder, Found(name, status.st_mtime, status.st_size))
    report = _beginning(folder, stem + REASON, _HEAD).decode("utf-8", "replace").replace("\r\n", "\n")
    return {**row, "report": report, "envelope": told, "message": opened(octets, status.st_size)}


def drop_message(server: str, folder: str, name: str) -> Facts:
    """A message in a Drop folder."""
    with browsing.opened(folder, name) as (descriptor, status):
        octets = browsing.piece(descriptor, 0, MOST_READ)
    row = _drop_row(server, folder, Found(name, status.st_mtime, status.st_size))
    return {**row, "message": opened(octets, status.st_size)}


def file_piece(folder: str, name: str, offset: int, limit: int) -> Facts:
    """A piece of a file, in base64, and where the next one begins ("" behind the last)."""
    with browsing.opened(folder, name) as (descriptor, status):
        octets = browsing.piece(descriptor, offset, limit)
    return piece_facts(octets, offset, status.st_size)


def piece_facts(octets: bytes, offset: int, size: int) -> Facts:
    """A piece as it is told."""
    end = offset + len(octets)
    following = str(end) if octets and end < size else ""
    return {"size": size, "offset": offset, "data": base64.b64encode(octets).decode(), "next": following}
