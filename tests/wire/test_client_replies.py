"""Replies from octets, at every cut and beyond every limit."""

import pytest

from mailroot.mail.reply import Reply
from mailroot.wire.replies import BrokenProtocol, ReplyReader

STREAM = b"220 hi\r\n250-mx.example\r\n250-SIZE 10\r\n250 DSN\r\n550 5.1.1 no such user\n354\r\n"
READ = [
    Reply(220, "", ("hi",)),
    Reply(250, "", ("mx.example", "SIZE 10", "DSN")),
    Reply(550, "5.1.1", ("no such user",)),
    Reply(354, "", ("",)),
]


def feed(*pieces):
    reader = ReplyReader()
    return [reply for piece in pieces for reply in reader.feed(piece)]


def test_replies_are_read_whole_and_at_every_cut():
    assert feed(STREAM) == READ
    assert feed(*(STREAM[place : place + 1] for place in range(len(STREAM)))) == READ
    for cut in range(len(STREAM)):
        assert feed(STREAM[:cut], STREAM[cut:]) == READ


def test_an_incomplete_reply_is_no_reply():
    assert feed(b"250-one\r\n250 tw") == []


def test_the_enhanced_code_is_cut_from_every_line():
    assert feed(b"550-5.7.1 first\r\n550 5.7.1 second\r\n") == [Reply(550, "5.7.1", ("first", "second"))]


def test_an_enhanced_code_of_another_class_is_text():
    assert feed(b"250 5.1.1 odd\r\n")[0].enhanced == ""


def test_L01_an_endless_reply_is_cut_off():
    reader = ReplyReader()
    with pytest.raises(BrokenProtocol, match="endless reply"):
        for _ in range(100_000):
            reader.feed(b"250-x\r\n")


@pytest.mark.parametrize("octets", [b"2" * 10_000_000, b"250 " + b"x" * 3000 + b"\r\n"])
def test_L02_an_endless_line_is_cut_off(octets):
    with pytest.raises(BrokenProtocol, match="endless reply line"):
        ReplyReader().feed(octets)


def test_L02_a_challenge_may_be_longer_than_other_replies_but_not_endless():
    assert feed(b"334 " + b"A" * 12_288 + b"\r\n")[0].code == 334
    with pytest.raises(BrokenProtocol, match="endless reply line"):
        feed(b"334 " + b"A" * 13_000 + b"\r\n")


def test_L02_an_endless_line_in_small_pieces_is_cut_off():
    reader = ReplyReader()
    with pytest.raises(BrokenProtocol, match="endless reply line"):
        for _ in range(100):
            reader.feed(b"x" * 100)


def test_L02_nul_and_8_bit_become_question_marks():
    assert feed(b"550 a\0b\xffc\x1b[1m\r\n")[0].text == "550 a?b?c?[1m"


@pytest.mark.parametrize("line", [b"hello\r\n", b"999 x\r\n", b"25 x\r\n", b"\r\n", b"250x\r\n", b"250-a\r\n550 b\r\n"])
def test_what_is_no_reply_breaks_the_protocol(line):
    with pytest.raises(BrokenProtocol):
        ReplyReader().feed(line)
