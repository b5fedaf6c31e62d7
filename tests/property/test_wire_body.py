"""The readers of content against a model that looks at one octet at a time."""

from hypothesis import given
from hypothesis import strategies as st

from mailroot.wire.body import ChunkReader, DotReader, has_bare_newline, normalized

# Few octets, so that near-ends are frequent.
RAW = st.lists(st.sampled_from([b"\r\n", b"\r\n.", b"\r", b"\n", b".", b"x", b"\0"]), max_size=40).map(b"".join)
PIECES = st.lists(RAW, max_size=6)


def _model(raw: bytes) -> tuple[bytes, bytes | None]:
    """The content before the end, dots unstuffed, and what follows; None if the end did not come."""
    content = b""
    at, line_begins = 0, True
    while at < len(raw):
        if line_begins and raw.startswith(b".\r\n", at):
            return content, raw[at + 3 :]
        if line_begins and raw.startswith(b".", at):
            at += 1
        line_begins = raw.startswith(b"\r\n", at)
        step = 2 if line_begins else 1
        content += raw[at : at + step]
        at += step
    return content, None


@given(RAW, PIECES)
def test_content_ends_where_the_model_says_however_it_is_cut(before: bytes, others: list[bytes]) -> None:
    raw = b"".join([before, *others, b"\r\n.\r\nrest"])
    reader, content, pairs = DotReader(), b"", 0
    for piece in [before, *others, b"\r\n.\r\nrest"]:
        if reader.rest is not None:
            reader.rest += piece
        else:
            got = reader.read(piece)
            pairs += got.count(b"\r\n")
            content += got
    assert (content, reader.rest) == _model(raw)
    assert pairs == content.count(b"\r\n"), "a CRLF was cut"


@given(RAW)
def test_normalized_content_has_no_bare_newline_and_stays_so(content: bytes) -> None:
    clean = normalized(content)
    assert not has_bare_newline(clean)
    assert normalized(clean) == clean
    if not has_bare_newline(content):
        assert clean == content


@given(PIECES, st.booleans())
def test_chunks_join_to_what_was_sent(pieces: list[bytes], binary: bool) -> None:
    reader = ChunkReader(binary=binary)
    got = [reader.read(piece) for piece in pieces]
    got.append(reader.read(b"", last=True))
    assert b"".join(got) == b"".join(pieces)
    if not binary:
        assert b"".join(map(normalized, got)) == normalized(b"".join(pieces))
