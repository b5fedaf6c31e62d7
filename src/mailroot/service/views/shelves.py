"""Looks into Badmail and Drop folders, as they are done aside: rows, messages and pieces, in values JSON can hold."""

import base64
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from mailroot.edge.files import browsing
from mailroot.edge.files.browsing import Found, Wanted
from mailroot.edge.files.resubmit import SUBMITTING, Named
from mailroot.mail.dropped import envelope_lines
from mailroot.mail.faults import Misconfigured
from mailroot.mail.opened import MOST_READ, opened
from mailroot.mail.reply import Reply
from mailroot.wire.extensions import MAIL_PARAMETERS, RCPT_PARAMETERS, Parameter, parse_parameters

Facts = dict[str, Any]

_HEAD = 16 * 1024  # octets of a Drop file that a row is made of
_PROPERTIES = 256 * 1024  # octets of a .BDP file that are read for a row
ALL_PROPERTIES = 64 * 1024 * 1024  # for all that it says
_OF_REPORTS = {name: MAIL_PARAMETERS[name] for name in ("RET", "ENVID")}
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


def properties(folder: str, stem: str, most: int = _PROPERTIES) -> Facts:
    """What the .BDP file of a message says; nothing where it is none of ours, or longer than that."""
    try:
        told = json.loads(_beginning(folder, stem + PROPERTIES, most))
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def waiting(told: Facts) -> list[str]:
    """The recipients for whom a message is in Badmail."""
    return [str(row.get("address") or "") for row in _waiting(told)]


def _waiting(told: Facts) -> list[Facts]:
    rows = told.get("recipients")
    known = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return [row for row in known if row.get("waiting")]


def envelope(told: Facts) -> tuple[Named, list[Named]]:
    """Sender and recipients for whom a message is in Badmail, each with its parameters, as far as they are known."""
    return _named(told, "sender", _OF_REPORTS), [_named(row, "address", RCPT_PARAMETERS) for row in _waiting(told)]


def _named(row: Facts, address: str, known: Mapping[str, Parameter]) -> Named:
    """Files of older versions have no parameters; those that cannot be are left out."""
    words = (f"{name}={value}" for name in known if (value := row.get(name.lower())) and isinstance(value, str))
    sound = (word for word in words if not isinstance(parse_parameters(word, known), Reply))
    return Named(str(row.get(address) or ""), " ".join(sound))


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
