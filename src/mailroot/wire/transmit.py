"""Content as it goes over the wire after DATA (RFC 5321 section 4.5.2)."""


class DotStuffing:
    """Doubles the dot that begins a line, over any cut of the content into pieces.

    The receiver undoes it, so what it keeps is what was here, octet by octet.
    """

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        # The beginning of the content is the beginning of a line.
        self._tail = b"\r\n"

    def encode(self, piece: bytes) -> bytes:
        """The next piece, stuffed. A line end that was cut by the pieces' border still counts."""
        joined = self._tail + piece
        # A dot is put in only after CRLF and a dot, so never into the two octets of the tail.
        stuffed = joined.replace(b"\r\n.", b"\r\n..")[len(self._tail) :]
        self._tail = joined[-2:]
        return stuffed

    def end(self) -> bytes:
        """What ends the content: a line with a dot, after the last line's end, which is added where it lacks."""
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"


def dotted(content: bytes) -> bytes:
    """Whole content, stuffed and ended."""
    stuffing = DotStuffing()
    return stuffing.encode(content) + stuffing.end()
