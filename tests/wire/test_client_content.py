"""Content on its way out: stuffed and ended, the same over any cut."""

from hypothesis import given
from hypothesis import strategies as st

from mailroot.wire.transmit import DotStuffing, dotted


def unstuff(octets):
    """What a strict receiver keeps: lines end in CRLF alone, the first line with only a dot ends it."""
    kept = []
    lines = octets.split(b"\r\n")
    for number, line in enumerate(lines):
        if line == b".":
            assert lines[number + 1 :] == [b""], "octets after the end"
            return b"".join(kept)
        kept.append((line[1:] if line.startswith(b".") else line) + b"\r\n")
    raise AssertionError("the content has no end")


def test_A16_leading_dots_survive_the_way_byte_by_byte():
    content = b".\r\n..\r\n.x\r\n\r\n.\r\n\r\n...\r\nend.\r\n"
    assert dotted(content) == b"..\r\n...\r\n..x\r\n\r\n..\r\n\r\n....\r\nend.\r\n.\r\n"
    assert unstuff(dotted(content)) == content


def test_a_missing_last_line_end_is_added():
    assert dotted(b"x") == b"x\r\n.\r\n"
    assert dotted(b"") == b".\r\n"


@given(st.lists(st.sampled_from([b".", b"\r\n", b"\r", b"\n", b"a"])).map(b"".join), st.data())
def test_A16_any_cut_gives_the_same_octets(content, data):
    stuffing, sent, rest = DotStuffing(), b"", content
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        sent += stuffing.encode(rest[:cut])
        rest = rest[cut:]
    assert sent + stuffing.end() == dotted(content)


@given(st.lists(st.sampled_from([b".", b"a", b"..", b""])).map(lambda lines: b"".join(x + b"\r\n" for x in lines)))
def test_A16_a_strict_receiver_has_what_was_here(content):
    assert unstuff(dotted(content)) == content
