"""Pickup files: envelope, header and lines."""

import pytest

from mailroot.mail.address import Mailbox
from mailroot.mail.addresslist import listed, mailbox, single
from mailroot.mail.pickup import Malformed, PickupHead, read_head
from mailroot.mail.pickuplines import DotEvidence, Dots, LineEnds, Unstuff, normalised, unstuffed


def head(text: str) -> PickupHead:
    found = read_head(normalised(text.encode()))
    assert isinstance(found, PickupHead), found
    return found


def cause(text: bytes) -> str:
    found = read_head(normalised(text))
    assert isinstance(found, Malformed), found
    return found.cause


def test_I07_x_receivers_are_the_whole_envelope():
    found = head(
        "x-sender: a@b.c\n" + "".join(f"x-receiver: r{n}@d.e\n" for n in range(5)) + "From: f@g\nTo: t@u\nCc: c@c\n"
        "Bcc: secret@x\nSubject: s\n\nbody"
    )
    assert str(found.sender) == "a@b.c"
    assert [str(one) for one in found.recipients] == [f"r{n}@d.e" for n in range(5)]
    assert found.header == b"From: f@g\r\nTo: t@u\r\nCc: c@c\r\nSubject: s\r\n"


def test_I08_without_x_lines_sender_wins_over_from_and_all_recipients_count():
    found = head("From: f@x.y\nSender: s@x.y\nTo: a@d, B <b@d>\nCc: c@d\nBcc: e@d\n\nbody")
    assert str(found.sender) == "s@x.y"
    assert [str(one) for one in found.recipients] == ["a@d", "b@d", "c@d", "e@d"]


@pytest.mark.parametrize("name", ["Bcc", "bcc", "BCC ", "Resent-Bcc"])
def test_H05_bcc_never_leaves(name):
    found = head(f"From: f@x\nTo: a@d\n{name}: e@d,\n\tg@d\nSubject: s\n\nbody")
    assert b"bcc" not in found.header.lower()
    assert b"g@d" not in found.header


@pytest.mark.parametrize(
    "line",
    [
        "X-Receiver: r@d.e",
        'x-receiver: "X, Y" <r@d.e>',
        'X-RECEIVER: "Al, "The" Sender" <r@d.e>',
        "x-receiver:<r@d.e>",
        "x-receiver: =?utf-8?B?w6Q=?= <r@d.e>",
        "x-receiver: =?utf-8?B?w6Q=?=\r\n <r@d.e>",
        "x-receiver: r@d.e (a comment)",
    ],
)
def test_display_names_are_allowed_in_x_lines(line):
    found = head(f"X-Sender: <a@b>\n{line}\n\nbody")
    assert found.recipients == (Mailbox("r", "d.e"),)


def test_an_x_sender_below_the_x_receivers_counts():
    found = head("X-Receiver: r@d\nX-Receiver: s@d\nMIME-Version: 1.0\nX-Sender: own@b\nFrom: f@g\n\nbody")
    assert str(found.sender) == "own@b"
    assert found.header == b"MIME-Version: 1.0\r\nFrom: f@g\r\n"


def test_x_sender_that_is_not_in_front_is_an_ordinary_field():
    found = head("From: f@g\nTo: r@d\nX-Sender: mailer@x\n\nbody")
    assert str(found.sender) == "f@g"
    assert b"X-Sender: mailer@x" in found.header


def test_the_null_sender_is_said_with_brackets():
    assert head("x-sender: <>\nx-receiver: r@d\n\nbody").sender is None


@pytest.mark.parametrize(
    ("line", "address", "said"),
    [
        ("<r@d.e> NOTIFY=NEVER", "r@d.e", "NOTIFY=NEVER"),
        ("Name <r@d.e>  notify=DELAY,FAILURE  ORCPT=rfc822;a>b@c", "r@d.e", "notify=DELAY,FAILURE  ORCPT=rfc822;a>b@c"),
        ("<r@d.e>\n ORCPT=rfc822;x@y", "r@d.e", "ORCPT=rfc822;x@y"),
        ("<r@d.e> NOTIFY=NEVER and more", "r@d.e", ""),
        ("<r@d.e> SIZE=3", "r@d.e", ""),
        ("<r@d.e>NOTIFY=NEVER", "r@d.e", ""),
        ("<r@d.e> NOTIFY=NEVER " + "ENVID=" + "x" * 3000, "r@d.e", ""),
    ],
)
def test_what_RCPT_says_of_reports_may_stand_behind_an_address_in_brackets(line, address, said):
    found = head(f"x-sender: a@b\nx-receiver: {line}\nx-receiver: o@d.e\n\nbody")
    assert [str(one) for one in found.recipients] == [address, "o@d.e"]
    assert list(found.said.values()) == [said, ""]


def test_what_MAIL_says_of_reports_may_stand_behind_the_sender():
    found = head("x-sender: <> RET=HDRS ENVID=q\nx-receiver: r@d\n\nbody")
    assert (found.sender, found.sender_said) == (None, "RET=HDRS ENVID=q")
    found = head("x-sender: <a@b> RET=FULL\nx-receiver: r@d\n\nbody")
    assert (str(found.sender), found.sender_said) == ("a@b", "RET=FULL")


def test_fields_that_people_read_have_no_parameters():
    found = head("x-sender: a@b\nTo: <r@d> NOTIFY=NEVER\n\nbody")
    assert list(found.said.items()) == [(Mailbox("r", "d"), "")]


def test_resent_fields_win_over_those_of_the_first_sending():
    found = head("Resent-From: me@x\nResent-To: you@y\nFrom: f@g\nTo: r@d\n\nbody")
    assert (str(found.sender), [str(one) for one in found.recipients]) == ("me@x", ["you@y"])


def test_the_same_address_twice_receives_once():
    assert len(head("From: f@g\nTo: r@d, r@D\nCc: R <r@d>\n\nb").recipients) == 1


def test_a_missing_empty_line_is_made_up_for():
    text = normalised(b"From: f@g\nTo: r@d\nThis is no field\nmore")
    found = read_head(text)
    assert isinstance(found, PickupHead)
    assert text[found.length :] == b"This is no field\r\nmore\r\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "header"),
        (b"\nFrom: a@b\n", "header"),
        (b"just words\n", "header"),
        (b"Subject: x\nTo: r@d\n\nb", "no sender"),
        (b"From: a@b\n\nb", "no recipients"),
        (b"From: a@b\nTo: \n\nb", "no recipients"),
        (b"From: a@b\nTo: undisclosed-recipients:;\n\nb", "no recipients"),
        (b"From: a@b\nTo: two words\n\nb", "recipient is malformed"),
        (b"From: two words\nTo: r@d\n\nb", "sender is malformed"),
        (b"x-sender: a@b\nx-receiver: \xff@d\n\nb", "recipient is malformed"),
        (b"From: a@b\nTo: r@d\nX: " + b"x" * (1 << 20) + b"\n\nb", "longer"),
    ],
)
def test_what_cannot_be_sent_has_a_cause(text, said):
    assert said in cause(text)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_I06_utf_16_is_refused_with_its_cause(encoding):
    assert "UTF-16" in cause("From: a@b\r\nTo: r@d\r\n\r\nb".encode(encoding))


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_I06_line_ends_and_byte_order_mark_are_normalised(end, bom):
    lines = [b"From: a@b", b"To: r@d", b"", b"one", b"", b"two"]
    assert normalised(bom + end.join(lines)) == b"\r\n".join(lines) + b"\r\n"


def test_I06_mixed_line_ends_are_each_one_line_end():
    assert normalised(b"a\nb\rc\r\nd\n\re") == b"a\r\nb\r\nc\r\nd\r\n\r\ne\r\n"


def test_lines_do_not_depend_on_the_cuts():
    text = b"\xef\xbb\xbfa\r\n..b\n.c\r.\r\n\r\r\n...\n" * 3
    whole = normalised(text)
    for step in range(3, len(text)):
        ends = LineEnds()
        parts = [ends.feed(text[n : n + step]) for n in range(0, len(text), step)]
        assert b"".join(parts) + ends.close() == whole
    for step in range(1, len(whole)):
        lines, evidence = Unstuff(), DotEvidence()
        pieces = [whole[n : n + step] for n in range(0, len(whole), step)]
        assert b"".join(map(lines.feed, pieces)) + lines.close() == unstuffed(whole, Dots.STUFFED)
        for piece in pieces:
            evidence.feed(piece)
        assert not evidence.stuffed


def test_I03_doubled_dots_are_taken_as_stuffed():
    assert unstuffed(b"..x\r\ny\r\n...\r\n", Dots.AUTO) == b".x\r\ny\r\n..\r\n"


def test_I03_one_single_dot_proves_a_plain_file():
    body = b"..x\r\n.y\r\n"
    assert unstuffed(body, Dots.AUTO) == body
    assert unstuffed(body, Dots.PLAIN) == body
    assert unstuffed(body, Dots.STUFFED) == b".x\r\ny\r\n"


@pytest.mark.parametrize("dots", list(Dots))
def test_I05_a_lone_dot_is_a_line_of_the_body(dots):
    body = b"one\r\n.\r\ntwo\r\n"
    assert unstuffed(body, dots) == body


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@b, c@d", ["a@b", "c@d"]),
        ("Group: a@b, C <c@d>; e@f", ["a@b", "c@d", "e@f"]),
        ('"Smith, J." <j@x> (work (old)), k@x', ["j@x", "k@x"]),
        ("<@r1,@r2:u@h>", ["u@h"]),
        ("a . b @ c . d", ["a.b@c.d"]),
        ("u@[192.0.2.1], v@[IPv6:::1]", ["u@[192.0.2.1]", "v@[IPv6:::1]"]),
        ('"odd,local"@x', ['"odd,local"@x']),
        ('"a>b"@x, N <"a>b"@x>', ['"a>b"@x', '"a>b"@x']),
        ("a@b; c@d;", ["a@b", "c@d"]),
        (",,a@b,", ["a@b"]),
        ("bücher@bücher.example", ["bücher@bücher.example"]),
    ],
)
def test_address_lists(text, expected):
    assert [str(one) for one in listed(text) or ()] == expected


@pytest.mark.parametrize("text", ["a@b c@d", "a@", "@b", "a b@c", "<>", "a@b..c", "a@-b", "x" * 65 + "@d", 'a"b@c'])
def test_malformed_addresses_are_found(text):
    assert listed(text) is None


def test_hostile_lists_end_in_time():
    for text in (
        "(" * 100_000,
        '"' * 100_000,
        "<" * 100_000,
        ":" * 100_000,
        "," * 100_000,
        "[" * 100_000,
        '"\\' * 50_000,
    ):
        listed(text)
        single(text)


def test_a_local_name_needs_no_domain():
    assert mailbox("postmaster") == Mailbox("postmaster", "")
