"""Where the entities of a message begin and end (RFC 2046 section 5.1.1), found in one pass and with bounded memory.

The octets of all events, in their order, are the octets of the message. Delimiters of outer entities go before those of
inner ones, so a part never reaches beyond what is around it. What is signed or not understood is not looked into.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass

from mailroot.mail.mime import BOUNDARY_LIMIT, Entity, Form, entity

# Octets of one header block; those of messages have a lower limit on their way in.
_HEADER_LIMIT = 1024 * 1024
# A delimiter line: hyphens, the boundary, hyphens, and as much white space again.
_LINE_LIMIT = 2 * BOUNDARY_LIMIT
_CRLF = b"\r\n"
_START = b"\r\n--"
_ENDLESS = Entity(b"", fault="a part has no end of its header")


@dataclass(frozen=True, slots=True)
class Begin:
    """An entity begins; its header is what comes next. Where it has a `fault`, the header may be in its text."""

    entity: Entity


@dataclass(frozen=True, slots=True)
class Text:
    """Octets of the innermost open entity's body; never cut between CR and LF."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """Octets that stand between entities: delimiters, line ends around them, the empty line after a header."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The innermost open entity ends."""


Event = Begin | Text | Mark | End


def walk(pieces: Iterator[bytes]) -> Iterator[Event]:
    """The events of a message that comes in pieces, each entity with its end."""
    return _Walk(pieces).events()


@dataclass(frozen=True, slots=True)
class _Delimiter:
    """A delimiter: how far ahead it begins, its length with the line end before it, its entity, and if it ends that."""

    ahead: int
    length: int
    level: int
    last: bool


class _Walk:
    """One pass. What was read and not told yet is `_held` from `_at` on; `_levels` has the boundary of each entity."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""
        self._at = 0
        self._ended = False
        self._levels: list[bytes] = []
        self._lines: dict[bytes, tuple[int, bool]] = {}

    def events(self) -> Iterator[Event]:
        yield from self._entities()
        while (found := (yield from self._text())) is not None:
            while len(self._levels) > found.level:
                yield self._close()
            yield Mark(self._taken(found.length))
            if found.last:
                self._forget(found.level)
            elif (yield from self._gap()):
                yield from self._entities()
        while self._levels:
            yield self._close()

    # -- entities

    def _entities(self) -> Iterator[Event]:
        """The entity that begins here; where it is a message, the one in it too, and so on."""
        form = Form.MESSAGE
        while form is Form.MESSAGE:
            begun = self._header()
            form = begun.form
            self._levels.append(begun.boundary)
            if form is Form.PARTS:
                line = b"--" + begun.boundary
                # Lines of outer entities are not forgotten for inner ones.
                self._lines.setdefault(line, (len(self._levels), False))
                self._lines.setdefault(line + b"--", (len(self._levels), True))
            yield Begin(begun)
            if begun.fault or not (yield from self._gap()):
                return

    def _header(self) -> Entity:
        """The entity by its header, which ends where an empty line follows."""
        while True:
            end = self._header_end()
            if end >= 0:
                self._look_ahead(end + len(_START))
                # Where the empty line is the line end of a delimiter, it is none.
                endless = self._delimiter(end + 1) is not None
                return _ENDLESS if endless else entity(self._taken(end), len(self._levels))
            ended = self._ended
            found = self._delimiter()
            if self._header_end() < 0:  # to see a delimiter whole, more may have been read
                if found is not None or ended:
                    return _ENDLESS
                if len(self._held) - self._at > _HEADER_LIMIT:
                    return Entity(b"", fault=f"a header has more than {_HEADER_LIMIT} octets")
                self._more()

    def _header_end(self) -> int:
        """How long the header that begins here is; negative where its end is not in sight."""
        if self._held.startswith(_CRLF, self._at):
            return 0
        end = self._held.find(_CRLF + _CRLF, self._at)
        return end if end < 0 else end - self._at + len(_CRLF)

    def _close(self) -> End:
        self._forget(len(self._levels))
        self._levels.pop()
        return End()

    def _forget(self, level: int) -> None:
        """No delimiter of this level comes any more."""
        line = b"--" + self._levels[level - 1]
        for each in (line, line + b"--"):
            if self._lines.get(each, (0, False))[0] == level:
                del self._lines[each]

    # -- octets

    def _gap(self) -> Generator[Event, None, bool]:
        """The line end that what follows begins with; False where it is a delimiter's, or the message has none."""
        self._look_ahead(len(_START))
        if not self._held.startswith(_CRLF, self._at) or self._delimiter(1) is not None:
            return False
        yield Mark(self._taken(len(_CRLF)))
        return True

    def _look_ahead(self, count: int) -> None:
        while len(self._held) - self._at < count and not self._ended:
            self._more()

    def _text(self) -> Generator[Event, None, _Delimiter | None]:
        """What is before the next delimiter, which is returned; None at the end of the message."""
        while True:
            found = self._delimiter()
            held = len(self._held) - self._at
            if found is not None or self._ended:
                ready = held if found is None else found.ahead
            else:
                ready = max(held - len(_START) + 1, 0)  # a delimiter may begin in the rest
                ready -= self._held.startswith(b"\n", self._at + ready) and ready > 0
            if ready:
                yield Text(self._taken(ready))
            if found is not None or self._ended:
                return found
            self._more()

    def _delimiter(self, limit: int | None = None) -> _Delimiter | None:
        """The first delimiter in sight, or of those that begin less than `limit` octets ahead."""
        ahead = 0
        while self._lines:
            ahead = self._held.find(_START, self._at + ahead) - self._at
            if ahead < 0 or (limit is not None and ahead >= limit):
                break
            line = self._line(ahead + len(_CRLF))
            level, last = self._lines.get(line.rstrip(b" \t"), (0, False))
            if level:
                return _Delimiter(ahead, len(_CRLF) + len(line), level, last)
            ahead += len(_CRLF)
        return None

    def _line(self, ahead: int) -> bytes:
        """The line that begins so far ahead; of one that is longer than any delimiter, its beginning."""
        while True:
            begin = self._at + ahead
            end = self._held.find(_CRLF, begin, begin + _LINE_LIMIT)
            if end >= 0:
                return self._held[begin:end]
            if self._ended or len(self._held) - begin >= _LINE_LIMIT:
                return self._held[begin : begin + _LINE_LIMIT]
            self._more()

    def _taken(self, count: int) -> bytes:
        self._at += count
        return self._held[self._at - count : self._at]

    def _more(self) -> None:
        piece = next(self._pieces, None)
        self._ended = piece is None
        self._held = self._held[self._at :] + (piece or b"")
        self._at = 0
