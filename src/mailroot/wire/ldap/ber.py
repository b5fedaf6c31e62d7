"""BER as LDAP uses it (RFC 4511 section 5.1): definite lengths, tags of one octet. Written for hostile peers.

Reading never goes beyond what is there; whatever breaks the rules is `BadBer`, and nothing else is raised.
"""

BOOLEAN, INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET = 0x01, 0x02, 0x04, 0x0A, 0x30, 0x31

# A length of four octets is 4 GB: no message has more.
_LENGTH_OCTETS = 4


class BadBer(ValueError):
    """The octets break the rules."""


def tlv(tag: int, *parts: bytes) -> bytes:
    """One value with its tag and length; `parts` are its contents, one behind the other."""
    content = parts[0] if len(parts) == 1 else b"".join(parts)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def integer(number: int, tag: int = INTEGER) -> bytes:
    """A number that is not negative."""
    return tlv(tag, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def boolean(value: bool, tag: int = BOOLEAN) -> bytes:
    """True or false (RFC 4511 section 5.1: true is all ones)."""
    return tlv(tag, b"\xff" if value else b"\x00")


class Reader:
    """The values that stand one behind the other between two places of an octet string."""

    __slots__ = ("_data", "_end", "_place")

    def __init__(self, data: bytes, place: int = 0, end: int | None = None) -> None:
        self._data = data
        self._place = place
        self._end = len(data) if end is None else end

    @property
    def more(self) -> bool:
        """Whether another value follows."""
        return self._place < self._end

    @property
    def tag(self) -> int:
        """The tag of the next value; -1 where there is none."""
        return self._data[self._place] if self._place < self._end else -1

    def octets(self, tag: int = OCTETS) -> bytes:
        """The contents of the next value, which must have this tag."""
        start, end = self._enter(tag)
        return self._data[start:end]

    def inner(self, tag: int = SEQUENCE) -> "Reader":
        """What reads the contents of the next value, which must have this tag."""
        start, end = self._enter(tag)
        return Reader(self._data, start, end)

    def integer(self, tag: int = INTEGER) -> int:
        """The next value as a number."""
        start, end = self._enter(tag)
        if not 1 <= end - start <= 8:
            raise BadBer("a number of no octets, or of too many")
        return int.from_bytes(self._data[start:end], "big", signed=True)

    def skip(self) -> None:
        """Leave the next value out."""
        self._enter(self.tag)

    def _enter(self, tag: int) -> tuple[int, int]:
        """Where the contents of the next value begin and end; the reader stands behind it then."""
        data, place = self._data, self._place
        if place + 2 > self._end:
            raise BadBer("the value ends too soon")
        if data[place] != tag:
            raise BadBer(f"tag 0x{data[place]:02x} where 0x{tag:02x} must stand")
        start, length = place + 2, data[place + 1]
        if length >= 0x80:
            start, length = _long_length(data, place + 2, length & 0x7F)
        end = start + length
        if end > self._end:
            raise BadBer("a value is longer than what it stands in")
        self._place = end
        return start, end


def _long_length(data: bytes, place: int, octets: int) -> tuple[int, int]:
    if not 1 <= octets <= _LENGTH_OCTETS:
        raise BadBer("a length that is indefinite, or of too many octets")
    return place + octets, int.from_bytes(data[place : place + octets], "big")


class Splitter:
    """Cuts what a connection brings into whole messages; none may be longer than `longest` octets."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._kept = bytearray()

    @property
    def at_rest(self) -> bool:
        """Whether no message has begun to come in."""
        return not self._kept

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now. Raises `BadBer` where no message can follow."""
        kept = self._kept
        kept += data
        found: list[bytes] = []
        place = 0
        while (end := self._end(kept, place)) and end <= len(kept):
            found.append(bytes(kept[place:end]))
            place = end
        if place:
            del kept[:place]
        return found

    def _end(self, kept: bytearray, place: int) -> int:
        """Where the message at `place` ends; 0 while that is not known."""
        if place + 2 > len(kept):
            return 0
        if kept[place] != SEQUENCE:
            raise BadBer("no LDAP message")
        length, octets = kept[place + 1], 0
        if length >= 0x80:
            octets = length & 0x7F
            if not 1 <= octets <= _LENGTH_OCTETS:
                raise BadBer("a message's length is indefinite, or of too many octets")
            if place + 2 + octets > len(kept):
                return 0
            length = int.from_bytes(kept[place + 2 : place + 2 + octets], "big")
        if length > self._longest:
            raise BadBer(f"a message of {length} octets; no more than {self._longest} are taken")
        return place + 2 + octets + length
