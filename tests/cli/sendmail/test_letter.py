"""The message as programs give it: line ends, the dot, recipients of the header, Bcc, From."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.cli.sendmail.letter import Account, Unaddressed, letter, text_of
from mailroot.mail.address import Mailbox

AUTHOR = Account(Mailbox("app", "here.example"), "The App, Inc.")


def made(text, *named, from_header=False):
    return letter(text, named, from_header, None, AUTHOR)


@pytest.mark.parametrize(
    ("octets", "dot_ends", "text"),
    [
        (b"a\nb\r\nc\rd", True, b"a\r\nb\r\nc\r\nd\r\n"),
        (b"a\n.\nb\n", True, b"a\r\n"),
        (b"a\n.\nb\n", False, b"a\r\n.\r\nb\r\n"),
        (b"a\n..\n.b\n", True, b"a\r\n..\r\n.b\r\n"),
        (b".\nb\n", True, b""),
        (b"From ann Mon Nov  2 10:00:00 2026\nSubject: x\n\n", True, b"Subject: x\r\n\r\n"),
        (b"", True, b""),
    ],
)
def test_lines_and_their_end(octets, dot_ends, text):
    assert text_of(octets, dot_ends) == text


@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"From "])).map(b"".join), st.booleans())
def test_any_text_has_crlf_alone(octets, dot_ends):
    text = text_of(octets, dot_ends)
    assert b"\n" not in text.replace(b"\r\n", b"") and b"\r" not in text.replace(b"\r\n", b"")
    assert not dot_ends or b"\r\n.\r\n" not in b"\r\n" + text


def test_the_header_names_the_recipients_and_bcc_goes():
    text = (
        b"To: Ann <a@x.example>,\r\n b@x.example\r\nBcc: c@x.example\r\nSubject: x\r\nCC: a@x.example\r\n\r\nBcc: z\r\n"
    )
    found = made(text, "d@x.example", from_header=True)
    assert [str(one) for one in found.recipients] == [f"{name}@x.example" for name in "dabc"]
    assert b"c@x.example" not in found.content and found.content.endswith(b"\r\n\r\nBcc: z\r\n")


def test_without_t_the_header_stays_as_it_is():
    text = b"From: a@x.example\r\nBcc: c@x.example\r\n\r\nx\r\n"
    assert made(text, "b").content == text and made(text, "b").recipients == (Mailbox("b", ""),)


def test_a_message_that_is_sent_on_goes_to_the_new_recipients():
    text = b"Resent-To: new@x.example\r\nResent-Bcc: secret@x.example\r\nTo: old@x.example\r\n\r\n"
    found = made(text, from_header=True)
    assert [one.local for one in found.recipients] == ["new", "secret"] and b"secret" not in found.content


def test_a_missing_author_is_put_in_with_his_name():
    assert (
        b'Subject: x\r\nFrom: "The App, Inc." <app@here.example>\r\n\r\nx'
        in made(b"Subject: x\r\n\r\nx\r\n", "b").content
    )


def test_a_text_without_a_header_is_all_body():
    content = made(b"Hello: world\r\n".replace(b": ", b" ") + b"again\r\n", "b").content
    assert content == b'From: "The App, Inc." <app@here.example>\r\n\r\nHello world\r\nagain\r\n'


@pytest.mark.parametrize("named", [[], ["a@b@c"], ["<a b>"]])
def test_nobody_and_nonsense_are_no_recipients(named):
    with pytest.raises(Unaddressed):
        made(b"Subject: x\r\n\r\n", *named)
