"""Queue values as rows of the embedded queue, and rows as values.

Not responsible for statements or transactions (`edge.sqlite.tables`).
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from mailroot.edge.files.contents import FileContent
from mailroot.mail.address import Mailbox, domain_key
from mailroot.mail.envelope import Body, Envelope, Notify, Recipient, Return
from mailroot.mail.message import BytesContent, Content
from mailroot.mail.status import Disposition, Status
from mailroot.queue.entry import AWAITED, FROZEN, UNRESOLVED, Origin, Pending, QueueEntry, SealedDraft

LEASED = 1 << 62  # the due of a leased recipient: beyond all times
SET_ASIDE = LEASED + 1  # the due of a recipient whose entry is damaged
NUMBER_BITS = 24  # of a place; the rest is the entry's number
NUMBERS = 1 << NUMBER_BITS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ID_DIGITS = 10
_TAG_DIGITS = 8
_FROZEN, _AWAITED, _UNRESOLVED = "operator", "domain ", "directory"

_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def _octets(words: Sequence[object]) -> bytes:
    """Words as they are kept."""
    try:
        return orjson.dumps(words)
    except TypeError:  # among them are octets that are no UTF-8
        return _encode(words).encode("utf-8", "surrogatepass")


class Damaged(Exception):
    """An entry does not read as it was written. The text says what differs."""


class DraftRow(NamedTuple):
    """A draft, prepared for its row. `content` is None where the content is the draft's file."""

    draft: SealedDraft
    checksum: int
    words: bytes
    content: bytes | None


def microseconds(moment: datetime) -> int:
    """A moment as it is kept: microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(kept: int) -> datetime:
    """The moment that is kept as this number of microseconds."""
    return _EPOCH + kept * _MICROSECOND


def tag_text(tag: int) -> str:
    """What the keys of a store begin with."""
    return f"{tag:0{_TAG_DIGITS}x}"


def key_of(tag: str, number: int) -> str:
    """The key of an entry: the store's tag, then the entry's number; keys of one store sort in order of commit."""
    return f"{tag}{number:010x}"


def number_of(tag: str, key: str) -> int:
    """The number of the entry with this key; 0, which no entry has, for a key of another store or of none."""
    if len(key) != _TAG_DIGITS + _ID_DIGITS or not key.startswith(tag):
        return 0
    try:
        return int(key[_TAG_DIGITS:], 16)
    except ValueError:
        return 0


def place_range(number: int) -> dict[str, int]:
    """The first and the last place that recipients of an entry can have."""
    return {"first": number << NUMBER_BITS, "end": (number << NUMBER_BITS) + NUMBERS - 1}


def draft_row(draft: SealedDraft) -> DraftRow:
    """Prepare a draft for its row."""
    content = draft.content
    held: bytes | None = None
    file_checksum: int | None = None
    if isinstance(content, FileContent):
        file_checksum = content.checksum
    else:
        held = content.data if isinstance(content, BytesContent) else b"".join(content.pieces())
    words = _octets(_words(draft, file_checksum))
    return DraftRow(draft, _checksum(words, held), words, held)


def _checksum(words: bytes, content: bytes | None) -> int:
    return zlib.crc32(content, zlib.crc32(words)) if content is not None else zlib.crc32(words)


def _words(draft: SealedDraft, file_checksum: int | None) -> list[object]:
    # Flat, because that is encoded in half the time of nested lists.
    envelope, origin, sender = draft.envelope, draft.origin, draft.envelope.sender
    words: list[object] = [
        None if sender is None else sender.local,
        "" if sender is None else sender.domain,
        envelope.body.value,
        envelope.smtputf8,
        None if envelope.ret is None else envelope.ret.value,
        envelope.envid,
        origin.source,
        origin.hello,
        origin.address,
        origin.session,
        microseconds(draft.arrived),
        draft.message_id,
        file_checksum,
    ]
    for recipient in envelope.recipients:
        address, notify = recipient.address, recipient.notify
        words += (address.local, address.domain, None if notify is None else notify.value, recipient.orcpt)
    return words


@dataclass(frozen=True, slots=True)
class Words:
    """An entry's words, decoded: everything but its content and its recipients' status."""

    envelope: Envelope
    origin: Origin
    arrived: datetime
    message_id: str
    file_checksum: int | None


def read_words(words: bytes) -> Words:
    """Decode an entry's words. Raises `Damaged`."""
    try:
        return _decoded(json.loads(words.decode("utf-8", "surrogatepass")))
    except (ValueError, TypeError, LookupError) as fault:
        raise Damaged(f"its envelope cannot be read: {fault}") from fault


def _decoded(words: list[Any]) -> Words:
    local, domain, body, smtputf8, ret, envid, *rest = words
    source, hello, address, session, arrived, message_id, file_checksum, *recipients = rest
    envelope = Envelope(
        None if local is None else Mailbox(local, domain),
        tuple(map(_recipient, *(recipients[column::4] for column in range(4)))),
        Body(body),
        smtputf8,
        None if ret is None else Return(ret),
        envid,
    )
    return Words(envelope, Origin(source, hello, address, session), moment(arrived), message_id, file_checksum)


def _recipient(local: str, domain: str, notify: int | None, orcpt: str | None) -> Recipient:
    return Recipient(Mailbox(local, domain), None if notify is None else Notify(notify), orcpt)


def status_words(status: Status | None) -> str | None:
    """The outcome of an attempt as it is kept."""
    if status is None:
        return None
    return _encode(
        (status.disposition.value, status.code, status.reason, status.reply, status.remote, status.dsn_passed_on)
    )


def read_status(words: str | None) -> Status | None:
    """The outcome that is kept in these words. Raises `Damaged`."""
    if words is None:
        return None
    try:
        disposition, *rest = json.loads(words)
        return Status(Disposition(disposition), *rest)
    except (ValueError, TypeError) as fault:
        raise Damaged(f"the outcome of its last attempt cannot be read: {fault}") from fault


def fresh_entry(key: str, draft: SealedDraft, content: Content) -> QueueEntry:
    """The entry that a draft has become, from the draft's own objects."""
    due = draft.arrived
    pending = tuple([Pending(number, recipient, due) for number, recipient in enumerate(draft.envelope.recipients)])
    return QueueEntry(key, draft.envelope, content, draft.origin, due, draft.message_id, pending)


# place, due, attempts, delay_reported, last, held, via
RecipientRow = tuple[int, int, int, int, str | None, str | None, str | None]
# id, checksum, size, words, content, failures
EntryRow = tuple[int, int, int, bytes, bytes | None, int]


def read_entry(
    key: str, row: EntryRow | None, recipients: list[RecipientRow], file: Path, added: Sequence[Recipient] = ()
) -> QueueEntry:
    """The entry of these rows, checked against its checksum; `file` is where a large content is. Raises `Damaged`.

    `added` are the recipients that joined it after its commit.
    """
    if row is None:
        raise Damaged("its message is missing")
    _, checksum, size, words, content, failures = row
    if checksum != _checksum(words, content) or (content is not None and len(content) != size):
        raise Damaged("its checksum does not fit")
    decoded = read_words(words)
    held: Content
    if content is None:
        if not file.exists() or file.stat().st_size != size:
            raise Damaged(f"its content {file} is missing or has another size")
        held = FileContent(file, size, decoded.file_checksum)
    else:
        held = BytesContent(content)
    envelope = decoded.envelope
    if added:
        envelope = replace(envelope, recipients=(*envelope.recipients, *added))
    accepted = len(decoded.envelope.recipients)
    pending = tuple(_pending(envelope, recipient, accepted) for recipient in recipients)
    return QueueEntry(key, envelope, held, decoded.origin, decoded.arrived, decoded.message_id, pending, failures)


def _pending(envelope: Envelope, row: RecipientRow, accepted: int) -> Pending:
    place, due, attempts, delay_reported, last, held, via = row
    number = place % NUMBERS
    if number >= len(envelope.recipients):
        raise Damaged(f"it has no recipient {number}")
    when = moment(due) if due < LEASED else moment(0)
    recipient, status = envelope.recipients[number], read_status(last)
    told, added = bool(delay_reported), number >= accepted
    return Pending(number, recipient, when, attempts, told, status, read_held(held), via or "", added)


# --- who is held


def held_words(held: str, domain: str) -> str | None:
    """A cause (`Pending.held`) as it is kept: with the domain that is waited for, so that its mail is one range."""
    if held == AWAITED:
        return _AWAITED + _reversed(domain)
    if held == UNRESOLVED:
        return _UNRESOLVED
    return _FROZEN if held else None


def held_range(domain: str) -> dict[str, str]:
    """The texts that `held_words` gives for a domain, or for those below "*.example.com", from `first` to `end`.

    For "" those of whom a directory is to say who gets their mail.
    """
    if not domain:
        return {"first": _UNRESOLVED, "end": _UNRESOLVED + "\0"}
    if domain.startswith("*."):
        below = _AWAITED + _reversed(domain[2:])
        return {"first": below + "\x01", "end": below[:-1] + chr(ord(".") + 1)}
    words = _AWAITED + _reversed(domain)
    return {"first": words, "end": words + "\0"}


def all_held() -> dict[str, str]:
    """The texts that `held_words` gives for any domain that is waited for, from `first` to `end`."""
    return {"first": _AWAITED, "end": _AWAITED[:-1] + chr(ord(_AWAITED[-1]) + 1)}


def awaited_domain(words: str) -> str:
    """The domain that is waited for, from what `held_words` gave for it."""
    return ".".join(reversed(words.removeprefix(_AWAITED).removesuffix(".").split(".")))


def read_held(words: str | None) -> str:
    """The cause that is kept in these words."""
    if words is None:
        return ""
    if words == _UNRESOLVED:
        return UNRESOLVED
    return AWAITED if words.startswith(_AWAITED) else FROZEN


def _reversed(domain: str) -> str:
    """A domain from the top, each label with a dot behind it: those below it begin alike."""
    return "".join(f"{label}." for label in reversed(domain_key(domain).split(".")))


# --- recipients that joined an entry


def added_words(recipient: Recipient) -> bytes:
    """A recipient as it is kept."""
    address, notify = recipient.address, recipient.notify
    words = (address.local, address.domain, None if notify is None else notify.value, recipient.orcpt)
    return _octets(words)


def read_added(checksum: int, words: bytes) -> Recipient:
    """The recipient that is kept in these words. Raises `Damaged`."""
    if zlib.crc32(words) != checksum:
        raise Damaged("the checksum of a recipient that was added does not fit")
    return _recipient(*json.loads(words.decode("utf-8", "surrogatepass")))
