"""Reports: multipart/report messages that programs parse and people understand."""

import quopri
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from email.message import Message

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailroot.mail import report, statuswords
from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Body, Recipient, Return
from mailroot.mail.report import QUOTED_LIMIT, Kind, Making, Original, Outcome, Report, compose
from mailroot.mail.reportlines import decode_xtext, original_recipient
from mailroot.mail.sevenbit import seven_bit
from mailroot.mail.status import Disposition, Status
from mailroot.mail.statuswords import words_for

NOW = datetime(2015, 1, 28, 21, 28, 58, tzinfo=timezone(timedelta(hours=-8)))
MAKING = Making("mail-1.example.com", "example.com", NOW, "<m1@mail-1.example.com>", "01D005D8FEF70220", 0x1E05)
TEXT = b"From: alice@example.org\r\nSubject: lunch\r\n\r\nAt noon?\r\n"
ORIGINAL = Original(
    Mailbox("alice", "example.org"),
    "client.example",
    datetime(2015, 1, 27, tzinfo=UTC),
    TEXT,
    message_id="<o1@client.example>",
)
BOB = Recipient(Mailbox("bob", "example.net"))
UNKNOWN = Status(
    Disposition.FAILED, "5.1.1", "The address is not known there.", "550 5.1.1 No such user", "mx.example.net"
)


def original(**changed: object) -> Original:
    values = {name: getattr(ORIGINAL, name) for name in Original.__slots__}
    return Original(**(values | changed))


def failure(status: Status = UNKNOWN, about: Original = ORIGINAL, recipient: Recipient = BOB) -> Report:
    return compose(Kind.FAILURE, about, [Outcome(recipient, status)], MAKING)


def parts(made: Report) -> tuple[Message, Message, Message]:
    message = message_from_bytes(made.content)
    assert message.get_content_type() == "multipart/report"
    assert not message.defects
    text, status, quoted = message.get_payload()
    return text, status, quoted


def groups(made: Report) -> list[Message]:
    payload = parts(made)[1].get_payload()
    if isinstance(payload, list):
        return payload
    return [message_from_bytes(group.encode()) for group in payload.strip().split("\r\n\r\n")]


def words(made: Report) -> str:
    return parts(made)[0].get_payload(decode=True).decode()


def test_the_header_has_the_predecessors_order() -> None:
    message = message_from_bytes(failure().content)
    assert message.items() == [
        ("From", "postmaster@example.com"),
        ("To", "alice@example.org"),
        ("Date", "Wed, 28 Jan 2015 21:28:58 -0800"),
        ("MIME-Version", "1.0"),
        (
            "Content-Type",
            "multipart/report; report-type=delivery-status;\r\n"
            '\tboundary="4D61696CDSN=_01D005D8FEF7022000001e05mail?1.example.c"',
        ),
        ("X-DSNContext", "4d61696c - 7685 - 00000002 - 00050101"),
        ("Message-ID", "<m1@mail-1.example.com>"),
        ("Subject", "Delivery Status Notification (Failure)"),
        ("Auto-Submitted", "auto-replied"),
        ("In-Reply-To", "<o1@client.example>"),
        ("References", "<o1@client.example>"),
    ]
    assert message.preamble == (
        "This is a MIME-formatted message.  \r\n"
        "Portions of this message may be unreadable without a MIME-capable mail program.\r\n"
    )


def test_the_boundary_is_as_long_as_the_predecessors() -> None:
    assert len(message_from_bytes(failure().content).get_boundary() or "") == 53


def test_a_person_reads_what_happened_where_and_what_to_do() -> None:
    text = words(failure())
    assert text.startswith(
        "This is an automatically generated Delivery Status Notification.\r\n\r\n"
        "Delivery to the following recipients failed.\r\n\r\n       bob@example.net\r\n"
    )
    for sentence in (
        "Where: the mail server mx.example.net",
        "What happened: The address is not known there.",
        "What that server said: 550 5.1.1 No such user",
        "What to do: Check how the address is written",
    ):
        assert sentence in text
    assert text.endswith("\r\n\r\n\r\n\r\n")


@pytest.mark.parametrize(
    ("code", "begin"),
    [("4.4.7", "Unable to deliver message to the following"), ("5.4.6", "Unable to deliver message to the following")],
)
def test_expiry_and_loops_have_the_predecessors_sentences(code: str, begin: str) -> None:
    assert begin in words(failure(Status(Disposition.FAILED, code)))


def test_every_status_code_has_advice() -> None:
    for code in ("5.0.0", "5.1.2", "5.2.2", "5.3.4", "4.4.1", "5.5.0", "5.6.1", "5.7.1", "5.8.9", "", "x", "5.7.999"):
        assert "What to do:" in words(failure(Status(Disposition.FAILED, code)))


def test_a_code_that_the_server_gave_is_explained() -> None:
    text = " ".join(words(failure()).split())
    assert "What that means: There is no mailbox by that name." in text
    full = Status(Disposition.FAILED, "5.2.2", "It refused.", "552 5.2.2 over quota", "mx.example.net")
    text = " ".join(words(failure(full)).split())
    assert "What that means: The mailbox is full. What to do: Try again later" in text


def test_a_code_that_was_guessed_claims_nothing() -> None:
    vague = Status(Disposition.FAILED, "5.1.1", "It refused.", "550 blocked, see our site", "mx.example.net")
    assert "What that means" not in words(failure(vague))
    assert "What to do: Check how the address is written" in words(failure(vague))


def test_a_code_is_explained_by_its_detail_or_else_by_its_subject() -> None:
    assert words_for("5.1.10").meaning == words_for("4.1.10").meaning != words_for("5.1.1").meaning
    assert words_for("5.7.777") == words_for("5.7.0") == words_for("5.7")
    for code in statuswords._TABLE:
        row = words_for(f"5.{code}")
        assert row.meaning.endswith(".") and row.advice.endswith(".")


def test_a_failure_of_our_own_names_us() -> None:
    assert "Where: this mail server, mail-1.example.com" in words(failure(Status(Disposition.FAILED, "5.4.4")))


def test_programs_read_the_status() -> None:
    message, recipient = groups(failure())
    assert message.items() == [
        ("Reporting-MTA", "dns;mail-1.example.com"),
        ("Received-From-MTA", "dns;client.example"),
        ("Arrival-Date", "Mon, 26 Jan 2015 16:00:00 -0800"),
    ]
    assert recipient.items() == [
        ("Final-Recipient", "rfc822;bob@example.net"),
        ("Action", "failed"),
        ("Status", "5.1.1"),
        ("Remote-MTA", "dns;mx.example.net"),
        ("Diagnostic-Code", "smtp;550 5.1.1 No such user"),
        ("Last-Attempt-Date", "Wed, 28 Jan 2015 21:28:58 -0800"),
    ]


def test_no_diagnostic_code_without_a_remote_reply() -> None:
    recipient = groups(failure(Status(Disposition.FAILED, "4.4.7")))[1]
    assert recipient.keys() == ["Final-Recipient", "Action", "Status", "Last-Attempt-Date"]


def test_envelope_id_and_original_recipient_come_back_decoded() -> None:
    recipient = Recipient(Mailbox("bob", "example.net"), orcpt="rfc822;b+2Bob@example.net")
    message, group = groups(failure(about=original(envid="QQ314159+3D1"), recipient=recipient))
    assert message["Original-Envelope-Id"] == "QQ314159=1"
    assert group["Original-Recipient"] == "rfc822;b+ob@example.net"


@pytest.mark.parametrize(
    ("kind", "subject", "action"),
    [
        (Kind.FAILURE, "(Failure)", "failed"),
        (Kind.DELAY, "(Delay)", "delayed"),
        (Kind.SUCCESS, "(Success)", "delivered"),
        (Kind.RELAY, "(Relay)", "relayed"),
        (Kind.EXPANSION, "(Expansion)", "expanded"),
    ],
)
def test_each_kind_has_its_subject_and_action(kind: Kind, subject: str, action: str) -> None:
    made = compose(kind, ORIGINAL, [Outcome(BOB, Status(Disposition.DELIVERED, "2.0.0"))], MAKING)
    assert message_from_bytes(made.content)["Subject"] == f"Delivery Status Notification {subject}"
    assert groups(made)[1]["Action"] == action


def test_a_delay_says_until_when_and_that_nothing_needs_doing() -> None:
    outcome = Outcome(BOB, Status(Disposition.DELAYED, "4.4.7"), until=datetime(2015, 1, 31, 5, 28, 58, tzinfo=UTC))
    made = compose(Kind.DELAY, ORIGINAL, [outcome], MAKING)
    assert groups(made)[1]["Will-Retry-Until"] == "Fri, 30 Jan 2015 21:28:58 -0800"
    assert "YOU DO NOT NEED TO RESEND YOUR MESSAGE." in words(made)


def test_recipients_that_failed_together_share_one_report() -> None:
    others = [Outcome(Recipient(Mailbox(name, "example.net")), UNKNOWN) for name in "abc"]
    made = compose(Kind.FAILURE, ORIGINAL, others, MAKING)
    assert [group["Final-Recipient"] for group in groups(made)[1:]] == [f"rfc822;{name}@example.net" for name in "abc"]


def test_a_failure_brings_the_message_back() -> None:
    quoted = parts(failure())[2]
    assert quoted.get_content_type() == "message/rfc822"
    assert TEXT in failure().content


def header_only(made: Report) -> bool:
    quoted = parts(made)[2]
    assert b"At noon" not in made.content
    return quoted.get_content_type() == "text/rfc822-headers" and "Subject: lunch" in quoted.get_payload()


@pytest.mark.parametrize(
    "about",
    [
        original(ret=Return.HEADERS),
        original(body=Body.BINARY),
        original(whole=False),
        original(quoted=TEXT + b"\0"),
        original(quoted=TEXT + b"bare\nLF"),
        original(quoted=TEXT + b"bare\rCR"),
        original(quoted=TEXT + b"x" * QUOTED_LIMIT),
    ],
)
def test_J05_the_header_only_where_asked_or_where_the_whole_is_no_text(about: Original) -> None:
    assert header_only(failure(about=about))


@pytest.mark.parametrize("kind", [Kind.DELAY, Kind.SUCCESS, Kind.RELAY, Kind.EXPANSION])
def test_reports_without_a_failure_have_the_header_only(kind: Kind) -> None:
    assert header_only(compose(kind, original(ret=Return.FULL), [Outcome(BOB, UNKNOWN)], MAKING))


def test_what_could_not_become_7_bit_is_left_out_of_a_report_that_may_have_to() -> None:
    signed = (
        b'Subject: lunch\r\nContent-Type: multipart/signed; boundary="b"\r\n\r\n--b\r\n\r\nAt noon: %b\r\n--b--\r\n'
    )
    about = original(quoted=signed % "Grüße".encode(), body=Body.EIGHT_BIT)
    assert header_only(failure(about=about))
    assert b"At noon" in failure(about=original(quoted=signed % b"Gruss")).content


def test_J02_a_report_answers_automatically_and_says_so() -> None:
    about = original(quoted=b"Auto-Submitted: auto-generated\r\n" + TEXT)
    assert message_from_bytes(failure(about=about).content)["Auto-Submitted"] == "auto-replied"


def test_an_eight_bit_message_makes_an_eight_bit_report() -> None:
    made = failure(about=original(quoted=TEXT + "Grüße\r\n".encode(), body=Body.EIGHT_BIT))
    assert made.body is Body.EIGHT_BIT
    assert parts(made)[2]["Content-Transfer-Encoding"] == "8bit"
    assert not made.smtputf8


def test_a_seven_bit_message_makes_a_seven_bit_report() -> None:
    assert failure().body is Body.SEVEN_BIT
    assert failure().content.isascii()


def test_a_message_with_an_international_header_comes_back_as_global() -> None:
    quoted = "Subject: Grüße\r\n\r\nAt noon?\r\n".encode()
    assert b"Content-Type: message/global\r\n" in failure(about=original(quoted=quoted)).content
    headers = failure(about=original(quoted=quoted, ret=Return.HEADERS)).content
    assert b"Content-Type: message/global-headers\r\n" in headers


def test_an_international_recipient_is_reported_by_rfc_6533() -> None:
    made = failure(recipient=Recipient(Mailbox("jürgen", "example.net")))
    assert b"Content-Type: message/global-delivery-status\r\n" in made.content
    assert "Final-Recipient: utf-8;jürgen@example.net\r\n".encode() in made.content
    assert "jürgen@example.net" in words(made)
    assert (made.body, made.smtputf8) == (Body.EIGHT_BIT, False)


def test_only_an_international_sender_needs_smtputf8() -> None:
    assert failure(about=original(sender=Mailbox("jürgen", "example.org"))).smtputf8


BOUNDARY = "4D61696CDSN=_01D005D8FEF7022000001e05mail?1.example.c"


@pytest.mark.parametrize(
    "said",
    [
        "550 caf\xe9 \xff",
        "550 \x1b[31mred\x07 \u202eturned",
        "550 <html><script>alert(1)</script>",
        f"550 --{BOUNDARY}",
        f"550 a\r\n--{BOUNDARY}--\r\n\r\nContent-Type: text/html",
        "550 a\r\nStatus: 2.0.0\r\n\r\nFinal-Recipient: rfc822;x",
        "550 " + "word " * 1000,
        "550 " + "x" * 5000,
    ],
)
def test_J17_what_a_remote_server_says_stays_inside_its_field(said: str) -> None:
    made = failure(Status(Disposition.FAILED, "5.0.0", said, said, said[:100]))
    assert len(groups(made)) == 2
    assert groups(made)[1]["Status"] == "5.0.0"
    assert groups(made)[1].get_all("Final-Recipient") == ["rfc822;bob@example.net"]
    assert made.content.isascii()
    assert b"\x1b" not in made.content
    assert max(map(len, made.content.split(b"\r\n"))) <= 998
    assert "\u202e" not in words(made)


def test_J17_a_quoted_message_cannot_contain_the_boundary() -> None:
    quoted = TEXT + f"--{BOUNDARY}--\r\n".encode()
    made = failure(about=original(quoted=quoted))
    assert message_from_bytes(made.content).get_boundary() != BOUNDARY
    assert parts(made)[2].get_payload()[0].get_payload().endswith(f"--{BOUNDARY}--\r\n")


@given(st.text(max_size=300), st.binary(max_size=300))
@example(said="", quoted=b"Subject: cut\r")
def test_J17_any_words_and_any_message_make_a_sound_report(said: str, quoted: bytes) -> None:
    said = said.encode("utf-8", "replace").decode()
    made = failure(Status(Disposition.FAILED, "5.0.0", said, said), original(quoted=quoted, hello=said))
    assert len(parts(made)) == 3
    assert b"\0" not in made.content
    assert made.content.count(b"\n") == made.content.count(b"\r\n") == made.content.count(b"\r")


@pytest.mark.parametrize(
    ("xtext", "text"), [("a+2Bb", "a+b"), ("a+2bb", "a+2bb"), ("+", "+"), ("+0D+0AX", "\r\nX"), ("", "")]
)
def test_xtext_is_decoded(xtext: str, text: str) -> None:
    assert decode_xtext(xtext) == text


def test_an_envelope_id_cannot_add_a_field() -> None:
    message = groups(failure(about=original(envid="a+0D+0AAction:+20delivered")))[0]
    assert message["Original-Envelope-Id"] == "a??Action: delivered"


def test_a_long_address_is_never_broken() -> None:
    address = Mailbox("a" * 64, ".".join(["d" * 60] * 4))
    assert f"Final-Recipient: rfc822;{address}\r\n".encode() in failure(recipient=Recipient(address)).content


def test_every_kind_has_a_face() -> None:
    assert set(report._FACES) == set(Kind)


@pytest.mark.parametrize(
    "odd", ["", "no brackets", "<a@b>\r\nBcc: x", "<a@\u00e4>", "<>", "<" + "x" * 300 + ">", "<a><b>"]
)
def test_an_odd_message_id_connects_nothing(odd: str) -> None:
    message = message_from_bytes(failure(about=original(message_id=odd)).content)
    assert message.keys()[-1] == "Auto-Submitted"


def test_an_international_domain_alone_has_its_a_labels() -> None:
    """Every program can read that; the text for people has the letters."""
    making = Making("bücher.example", "bücher.example", NOW, "<m1@x>", "0" * 16, 1)
    recipient = Recipient(Mailbox("bob", "bücher.example"))
    made = compose(Kind.FAILURE, ORIGINAL, [Outcome(recipient, UNKNOWN)], making)
    message, group = groups(made)
    assert group["Final-Recipient"] == "rfc822;bob@xn--bcher-kva.example"
    assert message["Reporting-MTA"] == "dns;xn--bcher-kva.example"
    assert message_from_bytes(made.content)["From"] == "postmaster@xn--bcher-kva.example"
    assert made.content.isascii()
    assert "bob@bücher.example" in words(made)


@pytest.mark.parametrize(
    ("orcpt", "plain", "beyond"),
    [
        ("rfc822;b+2Bc@x", "rfc822;b+c@x", "rfc822;b+c@x"),
        (r"utf-8;j\x{FC}rgen@x", r"utf-8;j\x{FC}rgen@x", "utf-8;jürgen@x"),
        ("UTF-8;jürgen@x", r"utf-8;j\x{FC}rgen@x", "utf-8;jürgen@x"),
        (r"utf-8;a\x{2B}b\x{5C}c@x", r"utf-8;a\x{2B}b\x{5C}c@x", "utf-8;a+b\\c@x"),
        (r"utf-8;\x{D800}\x{110000}\x{}", r"utf-8;??\x{5C}x{}", r"utf-8;??\x{}"),
    ],
)
def test_an_original_recipient_has_the_form_of_its_type(orcpt: str, plain: str, beyond: str) -> None:
    assert original_recipient(orcpt, beyond_ascii=False) == plain
    assert original_recipient(orcpt, beyond_ascii=True) == beyond


def test_a_global_report_can_be_made_7_bit_for_a_server_that_needs_it() -> None:
    quoted = "Subject: Grüße\r\n\r\nAt noon?\r\n".encode()
    made = failure(about=original(quoted=quoted), recipient=Recipient(Mailbox("jürgen", "example.net")))
    content = seven_bit(made.content)
    assert content.isascii()
    boundary = (message_from_bytes(content).get_boundary() or "").encode()
    _, _, status, message, _ = content.split(b"--" + boundary)
    header, _, body = status.partition(b"\r\n\r\n")
    assert b"message/global-delivery-status" in header and b"quoted-printable" in header
    assert "Final-Recipient: utf-8;jürgen@example.net\r\n".encode() in quopri.decodestring(body)
    assert quoted in quopri.decodestring(message.partition(b"\r\n\r\n")[2])
