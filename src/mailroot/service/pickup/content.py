"""From a claimed Pickup file to the content of a message: small ones in memory, large ones from file to file."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from mailroot.edge.files.durable import translated
from mailroot.edge.files.pickup import Claimed, PickupFolder
from mailroot.mail.message import BytesContent, Content
from mailroot.mail.pickup import HEADER_LIMIT, Malformed, PickupHead, read_head
from mailroot.mail.pickuplines import DotEvidence, Dots, LineEnds, Unstuff, normalised, unstuffed


class NewContent(Protocol):
    """A content file in the making (`edge.files.contents`). Its methods block."""

    def write(self, data: bytes) -> None:
        """Append."""

    def seal(self) -> Content:
        """Make it durable."""

    def discard(self) -> None:
        """Remove it."""


@dataclass(frozen=True, slots=True)
class ClaimedFile:
    """A claimed file as it is, as a content (for Badmail)."""

    folder: PickupFolder
    claim: str
    size: int

    @property
    def in_memory(self) -> bool:
        """Always false."""
        return False

    def pieces(self) -> Iterator[bytes]:
        """The file from its beginning. Raises `Unavailable` or `Misconfigured`."""
        with translated("reading a Pickup file"):
            yield from self.folder.pieces(self.claim)


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A readable Pickup file. `body` is None where it is large: then `streamed` reads it again."""

    folder: PickupFolder
    claim: str
    head: PickupHead
    eight_bit: bool
    body: bytes | None
    stuffed: bool = False

    def whole(self, header: bytes) -> Content:
        """The content with this header, in memory."""
        return BytesContent(b"".join((header, b"\r\n", self.body or b"")))

    def streamed(self, header: bytes, new_content: Callable[[], NewContent]) -> Content:
        """The content with this header, in a file. Blocks. Raises `OSError` or `Unavailable`; then no file is left."""
        content = new_content()
        try:
            content.write(header + b"\r\n")
            dots = Unstuff()
            for piece in _body(self.folder, self.claim, self.head.length):
                content.write(dots.feed(piece) if self.stuffed else piece)
            content.write(dots.close() if self.stuffed else b"")
        except BaseException:
            content.discard()
            raise
        return content.seal()


def read_message(folder: PickupFolder, claimed: Claimed, dots: Dots) -> ReadMessage | Malformed:
    """Read a claimed file; of a large one only the header, and what the rest says of dots. Raises `OSError`."""
    if claimed.large:
        return _read_large(folder, claimed, dots)
    text = normalised(folder.read(claimed.claim))
    head = read_head(text)
    if isinstance(head, Malformed):
        return head
    body = unstuffed(text[head.length :], dots)
    return ReadMessage(folder, claimed.claim, head, not (head.header.isascii() and body.isascii()), body)


def _read_large(folder: PickupFolder, claimed: Claimed, dots: Dots) -> ReadMessage | Malformed:
    text = b""
    for piece in _lines(folder, claimed.claim):
        text += piece
        if b"\r\n\r\n" in text or len(text) > HEADER_LIMIT:
            break
    head = read_head(text)
    if isinstance(head, Malformed):
        return head
    evidence, eight_bit = DotEvidence(), not head.header.isascii()
    for piece in _body(folder, claimed.claim, head.length):
        eight_bit = eight_bit or not piece.isascii()
        evidence.feed(piece)
    stuffed = dots is Dots.STUFFED or (dots is Dots.AUTO and evidence.stuffed)
    return ReadMessage(folder, claimed.claim, head, eight_bit, None, stuffed)


def _lines(folder: PickupFolder, claim: str) -> Iterator[bytes]:
    ends = LineEnds()
    for piece in folder.pieces(claim):
        yield ends.feed(piece)
    yield ends.close()


def _body(folder: PickupFolder, claim: str, skip: int) -> Iterator[bytes]:
    for piece in _lines(folder, claim):
        if skip >= len(piece):
            skip -= len(piece)
            continue
        yield piece[skip:]
        skip = 0
