"""Drop files: what stands in them, and what they are called. How they become durable is `edge.files.whole`."""

import functools
import hashlib
from collections.abc import Iterable, Iterator, Sequence

from mailroot.edge.files.whole import NewFile
from mailroot.mail.envelope import Recipient
from mailroot.mail.message import Content
from mailroot.queue.entry import Pending, QueueEntry

_HEADER_LIMIT = 1 << 20  # a header block longer than this is taken as it is, with Return-Path first
_ARRIVAL = b"x-originalarrivaltime:"


def drop_file(entry: QueueEntry, pending: Sequence[Pending], domain: str, folder: str) -> NewFile:
    """The file that delivers the entry to some recipients of a domain.

    Its name follows from entry, domain and recipients and from nothing else, so that a repetition finds it; a domain
    is never part of a path.
    """
    digest = _digest(domain, tuple([one.number for one in pending]))
    envelope = entry.envelope
    sender = envelope.sender_text or "<>"
    head = _receiver_lines(sender, [one.recipient for one in pending])
    return NewFile(folder, f"{entry.key}-{digest}.eml", lambda: with_return_path(entry.content, sender, head))


@functools.lru_cache(maxsize=256)
def _digest(domain: str, numbers: tuple[int, ...]) -> str:
    text = f"{domain}\n{','.join(map(str, numbers))}"
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def _receiver_lines(sender: str, recipients: Iterable[Recipient]) -> bytes:
    lines = [f"x-sender: {sender}\r\n", *(f"x-receiver: {recipient.address}\r\n" for recipient in recipients)]
    return "".join(lines).encode()


def with_return_path(content: Content, sender: str, head: bytes = b"") -> Iterator[Sequence[bytes | memoryview]]:
    """The content with its Return-Path (no brackets but for the null sender, "<>"), and `head` in front of it."""
    return_path = f"Return-Path: {sender}\r\n".encode()
    source = iter(content.pieces())
    first = next(source, b"")
    while _end_of_header(first) == -1 and len(first) < _HEADER_LIMIT:
        more = next(source, b"")
        if not more:
            break
        first += more
    cut = _place_of_return_path(first)
    view = memoryview(first)
    yield (head, view[:cut], return_path, view[cut:])
    for piece in source:
        yield (piece,)


def _end_of_header(data: bytes) -> int:
    """Where the last header line ends, behind its CRLF; -1 where the empty line is not in sight."""
    found = data.find(b"\r\n\r\n")
    return -1 if found == -1 else found + 2


def _place_of_return_path(data: bytes) -> int:
    """Before X-OriginalArrivalTime where that is the last header line, else at the end of the header (facts 3)."""
    end = _end_of_header(data)
    if end == -1:
        return 0
    line = data.rfind(b"\n", 0, end - 2) + 1
    return line if data[line : line + len(_ARRIVAL)].lower() == _ARRIVAL else end
