"""Conversion of content that comes in pieces and is never held: the same octets as of the whole, in bounded memory."""

import itertools
import os
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.mail import sevenbit
from mailroot.mail.mime import is_binary, is_binary_text
from mailroot.mail.mimewalk import Begin, End, Mark, Text, walk
from mailroot.mail.sevenbit import Unconvertible, converted, seven_bit

MEGABYTE = 1 << 20
LINE = "Grüße aus Köln, und noch mehr Text in dieser Zeile = ja \r\n".encode()
HEAD = b"MIME-Version: 1.0\r\nContent-Type: %b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
MIXED = HEAD % b"multipart/mixed; boundary=b"


@dataclass
class Pieces:
    """Content that comes in pieces, anew each time it is read."""

    made: Callable[[], Iterator[bytes]]
    in_memory: bool = False

    @property
    def size(self) -> int:
        return sum(map(len, self.made()))

    def pieces(self) -> Iterator[bytes]:
        return self.made()


def cut(content: bytes, places: list[int]) -> Pieces:
    edges = [0, *sorted(min(place, len(content)) for place in places), len(content)]
    return Pieces(lambda: (content[a:b] for a, b in itertools.pairwise(edges) if a < b))


# What a message may consist of where its structure is hardest to follow.
_BITS = [
    *(b"--b\r\n", b"--b--\r\n", b"--c\r\n", b"--c--\r\n", b"--c", b"--b \t\r\n", b"--", b"\r\n--b", b"\r\n--c--"),
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"\r",
        b"\n",
        b"\0",
        b"\xe4\xf6",
        b"x" * 999,
        b"hello \t\r\n",
        b".\r\n",
        b"Subject: x\r\n\r\n",
    ),
    *(b"Content-Type: multipart/mixed; boundary=" + rest for rest in (b"b\r\n\r\n", b"c\r\n", b"c\r\n\r\n")),
    *(b"Content-Type: message/rfc822\r\n\r\n", b"Content-Type: text/plain\r\n", b"Content-Type: image/png\r\n\r\n"),
    *(
        b"Content-Type: multipart/signed; boundary=b\r\n\r\n",
        b"Content-Transfer-Encoding: 8bit\r\n",
        b"Subject: x\r\n\r\n",
    ),
]
CONTENTS = st.tuples(st.sampled_from([b"", MIXED + b"--b\r\n"]), st.lists(st.sampled_from(_BITS), max_size=14)).map(
    lambda both: both[0] + b"".join(both[1])
)
PLACES = st.lists(st.integers(0, 3000), max_size=8)


@given(CONTENTS, PLACES)
def test_content_in_pieces_is_converted_as_the_whole_is(content: bytes, places: list[int]) -> None:
    pieces = cut(content, places)
    try:
        whole = seven_bit(content)
    except Unconvertible as why:
        with pytest.raises(Unconvertible) as found:
            converted(pieces)
        assert str(found.value) == str(why)
        return
    result = converted(pieces)
    for _ in range(2):
        read = list(result.pieces())
        assert b"".join(read) == whole and all(read)
    assert result.size == len(whole)
    # A line in a header that is too long has a multipart made anew, which may come out as it was.
    assert result is not pieces or whole == content


@given(CONTENTS, PLACES)
def test_a_walk_tells_of_every_octet_and_ends_what_it_begins(content: bytes, places: list[int]) -> None:
    told, depth = b"", 0
    for event in walk(cut(content, places).pieces()):
        match event:
            case Begin(entity):
                told += entity.header
                depth += 1
            case End():
                depth -= 1
            case Text(octets) | Mark(octets):
                assert octets and depth > 0
                told += octets
    assert told == content and depth == 0


@given(CONTENTS)
def test_nothing_is_left_that_lines_of_seven_bits_cannot_keep(content: bytes) -> None:
    try:
        made = seven_bit(content)
    except Unconvertible:
        return
    assert made.isascii() and not is_binary_text(made)


@pytest.mark.parametrize("octets", [b"\n.\r\nMAIL FROM:<>", b"\r", b"\0"])
def test_a_header_that_lines_cannot_keep_is_not_sent_as_lines(octets: bytes) -> None:
    with pytest.raises(Unconvertible, match="its header has NUL, or CR or LF alone"):
        seven_bit(b"Subject: x" + octets + b"\r\n\r\nbody\r\n")


def _leaves(content: bytes) -> list[Message]:
    parsed = message_from_bytes(content, policy=policy.default)
    return [part for part in parsed.walk() if not part.is_multipart()]


def test_large_parts_that_are_read_back_are_what_they_were() -> None:
    octets = os.urandom(MEGABYTE)
    text = LINE * 5000 + b"x" * 200_000 + "ß".encode() * 100_000 + b" \r\n"
    content = MIXED + b"--b\r\n" + HEAD % b"image/png" + octets + b"\r\n--b\r\n" + HEAD % b"text/html" + text
    result = converted(cut(content + b"\r\n--b--\r\n", list(range(0, 3 * MEGABYTE, 70_001))))
    made = b"".join(result.pieces())
    assert made.isascii() and not is_binary(made) and len(made) == result.size
    assert [leaf.get_payload(decode=True) for leaf in _leaves(made)] == [octets, text]
    assert all(len(line) <= 78 for line in made.split(b"\r\n"))


def _repeated(head: bytes, block: bytes, tail: bytes, size: int) -> Pieces:
    def made() -> Iterator[bytes]:
        yield head
        for _ in range(size // len(block)):
            yield block
        yield tail

    return Pieces(made)


_TEXT = LINE * (MEGABYTE // 4 // len(LINE))
_PART = b"--b\r\n" + HEAD % b"text/plain" + _TEXT


@pytest.mark.parametrize(
    ("head", "block", "tail"),
    [
        (HEAD % b"text/plain; charset=utf-8", _TEXT, b""),
        (HEAD % b"application/octet-stream", bytes(range(256)) * 1024, b""),
        (HEAD % b"text/plain", b"\xe4" * (MEGABYTE // 4), b"\r\n"),
        (MIXED, _PART, b"--b--\r\n"),
    ],
    ids=["text", "binary", "one line", "parts"],
)
def test_conversion_needs_less_than_eight_megabytes_of_memory(head: bytes, block: bytes, tail: bytes) -> None:
    content = _repeated(head, block, tail, 24 * MEGABYTE)
    tracemalloc.start()
    try:
        result = converted(content)
        largest = max(map(len, result.pieces()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert result.size > content.size
    assert largest < 2 * MEGABYTE and peak < 8 * MEGABYTE


def test_more_parts_than_anybody_makes_are_not_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sevenbit, "_MOST_ENTITIES", 100)
    few = MIXED + b"--b\r\n\r\n\xe4\r\n" * 99 + b"--b--\r\n"
    assert seven_bit(few).isascii()
    with pytest.raises(Unconvertible, match="more than 100 parts"):
        seven_bit(few.replace(b"--b--", b"--b\r\n\r\nx\r\n--b--"))


def test_a_header_without_end_is_not_searched_for_ever() -> None:
    content = _repeated(b"Subject: \xe4\r\n", b"X: " + b"y" * 70_000 + b"\r\n", b"\r\nbody\r\n", 3 * MEGABYTE)
    with pytest.raises(Unconvertible, match="header has more than"):
        converted(content)
