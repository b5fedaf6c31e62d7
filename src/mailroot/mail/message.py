"""Content: a message's header and body as they will be sent on; bytes, never text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


class Content(Protocol):
    """A handle on the bytes of a message: header block, empty line, body; lines end in CRLF unless it is binary.

    The bytes are as they stand after dot-unstuffing, with the header fields that Mailroot added.
    """

    @property
    def size(self) -> int:
        """Length in octets."""

    @property
    def in_memory(self) -> bool:
        """Whether `pieces` costs no file access; otherwise it blocks and belongs in a thread."""

    def pieces(self) -> Iterator[bytes]:
        """The content from its beginning, in large pieces. Raises `Unavailable` where it cannot be read."""


@dataclass(frozen=True, slots=True)
class BytesContent:
    """Content that is held in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Length in octets."""
        return len(self.data)

    @property
    def in_memory(self) -> bool:
        """Always true."""
        return True

    def pieces(self) -> Iterator[bytes]:
        """The content as one piece."""
        yield self.data


@dataclass(frozen=True, slots=True)
class Preceded:
    """Content with header fields put in front of it, which are whole lines."""

    fields: bytes
    content: Content

    @property
    def size(self) -> int:
        """Length in octets."""
        return len(self.fields) + self.content.size

    @property
    def in_memory(self) -> bool:
        """Whether the content is."""
        return self.content.in_memory

    def pieces(self) -> Iterator[bytes]:
        """The fields, then the content. Raises `Unavailable` where that cannot be read."""
        yield self.fields
        yield from self.content.pieces()
