"""The end of data, and smuggling: only CRLF.CRLF ends a message (attack cases A and B)."""

import pytest

from mailroot.mail.reply import REPLIES
from mailroot.wire.events import BodyEnd, DataRequested, Disconnected, MailFrom, RcptTo, TransactionReset
from tests.wire.exchange import Exchange

SECOND = b"MAIL FROM:<e@x>\r\nRCPT TO:<f@local.test>\r\nDATA\r\nsmuggled\r\n.\r\n"

NEAR_ENDS = {
    "A01_lf_dot_lf": (b"x\n.\n", b"x\r\n.\r\n"),
    "A04_cr_dot_cr": (b"x\r.\r", b"x\r\n.\r\n"),
    "A05_cr_dot_lf": (b"x\r.\n", b"x\r\n.\r\n"),
    "A07_cr_dot_crlf": (b"x\r.\r\n", b"x\r\n.\r\n"),
    "A08_crlf_dot_cr": (b"x\r\n.\rmore\r\n", b"x\r\n\r\nmore\r\n"),
    "lf_dot_crlf": (b"x\n.\r\n", b"x\r\n.\r\n"),
    "crlf_dot_lf": (b"x\r\n.\nmore\r\n", b"x\r\n\r\nmore\r\n"),
    "A11_first_dot_lf": (b".\nx\r\n", b"\r\nx\r\n"),
    "A11_first_dot_cr": (b".\rx\r\n", b"\r\nx\r\n"),
    "A11_first_lf_dot_lf": (b"\n.\nx\r\n", b"\r\n.\r\nx\r\n"),
    "A11_first_cr_dot_crlf": (b"\r.\r\n", b"\r\n.\r\n"),
}


@pytest.mark.parametrize("near", NEAR_ENDS.values(), ids=NEAR_ENDS)
@pytest.mark.parametrize("by_octets", [False, True], ids=["whole", "by_octets"])
def test_near_end_is_content_by_default(near: tuple[bytes, bytes], by_octets: bool) -> None:
    raw, content = near
    client = Exchange()
    client.begin().one(b"DATA")
    raw += SECOND
    pieces = [raw[at : at + 1] for at in range(len(raw))] if by_octets else [raw]
    replies = [line for piece in pieces for line in client.say(piece)]
    assert len(replies) == 1
    assert client.policy.messages == [content + SECOND[: -len(b".\r\n")]]
    assert "bare-newline" in client.faults


@pytest.mark.parametrize("near", NEAR_ENDS.values(), ids=NEAR_ENDS)
def test_near_end_is_refused_at_the_real_end_when_strict(near: tuple[bytes, bytes]) -> None:
    client = Exchange(reject_bare_newline=True)
    assert client.send(near[0] + SECOND) == ["550 5.6.0 Bare CR or LF is not allowed"]
    assert client.policy.messages == []
    assert len(client.failures) == 1
    assert not client.closed


def test_A10_nul_after_the_dot_is_content() -> None:
    client = Exchange()
    assert len(client.send(b"x\r\n.\0\r\n" + SECOND)) == 1
    assert client.policy.messages[0].startswith(b"x\r\n\0\r\n")


def test_A13_empty_message_is_one_message() -> None:
    client = Exchange()
    client.send(b".\r\n")
    assert client.policy.messages == [b""]


@pytest.mark.parametrize(
    ("raw", "content"),
    [(b".test\r\n.\r\n", b"test\r\n"), (b"..\r\n.\r\n", b".\r\n"), (b"a\r\n...x\r\n..\r\n.\r\n", b"a\r\n..x\r\n.\r\n")],
    ids=["A14_unneeded_dot", "A15_stuffed_dot", "A16_several"],
)
def test_A14_A15_A16_leading_dots_are_unstuffed_once(raw: bytes, content: bytes) -> None:
    client = Exchange()
    client.send(raw)
    assert client.policy.messages == [content]


def test_A18_smuggled_sender_and_recipient_never_appear() -> None:
    client = Exchange()
    client.send(b"x\n.\r\n" + SECOND)
    assert client.policy.senders == ["a@b.test"]
    assert client.policy.recipients == ["c@local.test"]


def test_A20_connection_lost_before_the_end_is_no_message() -> None:
    client = Exchange()
    client.send(b"no end\r\n.\r")
    client.engine.end_of_input()
    assert client.say(b"") == []
    assert client.policy.events[-1] == Disconnected(in_transaction=True)
    assert client.policy.messages == []
    assert client.closed


def test_a_line_of_any_length_passes_unchanged() -> None:
    client = Exchange()
    long = b"x" * 3_000_000 + b"\r\n"
    client.send(long + b".\r\n")
    assert client.policy.messages == [long]


def test_commands_behind_the_final_dot_are_obeyed_in_order() -> None:
    client = Exchange()
    lines = client.send(b"x\r\n.\r\nMAIL FROM:<d@e>\r\nQUIT\r\n")
    assert [line[:3] for line in lines] == ["250", "250", "221"]
    assert TransactionReset("QUIT") in client.policy.events


def test_too_large_message_is_drained_and_refused() -> None:
    client = Exchange(size_limit=100)
    assert client.send(b"x" * 5000) == []
    assert client.say(b"y" * 5000 + b"\r\n.\r\nNOOP\r\n") == [
        "552 5.3.4 Message size exceeds fixed maximum message size",
        "250 2.0.0 OK",
    ]
    assert not any(isinstance(event, BodyEnd) for event in client.policy.events)


def test_a_message_of_exactly_the_limit_is_accepted() -> None:
    client = Exchange(size_limit=100)
    client.send(b"x" * 98 + b"\r\n.\r\n")
    assert len(client.policy.messages[0]) == 100


def test_refused_content_without_an_end_is_cut_off() -> None:
    client = Exchange(size_limit=100, drain_limit=1000)
    client.send(b"x" * 101)
    assert client.say(b"x" * 1100) == ["552 5.3.4 Message size exceeds fixed maximum message size"]
    assert client.closed


@pytest.mark.parametrize("by_octets", [False, True])
@pytest.mark.parametrize(
    ("content", "code"), [(b"a\n" + b"x" * 20, "550"), (b"x" * 20 + b"a\n", "552"), (b"x" * 10 + b"\nxx", "550")]
)
def test_the_first_failure_decides_however_the_input_is_cut(content: bytes, code: str, by_octets: bool) -> None:
    client = Exchange(size_limit=10, reject_bare_newline=True)
    raw = content + b"\r\n.\r\n"
    client.begin().one(b"DATA")
    pieces = [raw[at : at + 1] for at in range(len(raw))] if by_octets else [raw]
    assert [line[:3] for piece in pieces for line in client.say(piece)] == [code]


def test_E34_session_limit_refuses_and_closes() -> None:
    client = Exchange(session_limit=300)
    client.send(b"x" * 198 + b"\r\n.\r\n")
    assert client.send(b"x" * 198 + b"\r\n.\r\n") == ["552 4.3.1 Session size exceeds fixed maximum session size"]
    assert client.closed


def test_E34_a_declared_size_beyond_the_session_limit_closes_at_mail() -> None:
    client = Exchange(session_limit=300)
    assert client.one(b"MAIL FROM:<a@b> SIZE=301").startswith("552 4.3.1")
    assert client.closed


def test_B02_chunk_without_recipient_is_consumed() -> None:
    client = Exchange()
    client.one(b"MAIL FROM:<a@b>")
    assert client.say(b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n") == ["503 5.5.1 Need rcpt command.", "250 2.0.0 OK"]
    assert not client.closed


@pytest.mark.parametrize("size", [b"-1", b"0x10", b"+5", b"", b"5 FIRST", b"1 LAST x", b"9" * 19])
def test_B04_faulty_chunk_size_is_501(size: bytes) -> None:
    client = Exchange().begin()
    assert client.one(b"BDAT " + size) == "501 5.5.4 Invalid arguments"


def test_B05_chunks_over_the_limit_in_sum_are_refused_at_the_crossing_one() -> None:
    client = Exchange(size_limit=1000).begin()
    assert client.say(b"BDAT 600\r\n" + b"x" * 600) == ["250 2.6.0 600 octets received"]
    assert client.say(b"BDAT 600\r\n") == []
    assert client.failures
    assert client.say(b"x" * 600)[0].startswith("552 5.3.4")
    assert client.say(b"BDAT 600 LAST\r\n" + b"x" * 600)[0].startswith("552 5.3.4")
    assert client.policy.messages == []
    assert client.begin()


def test_B07_reset_between_chunks_ends_the_transaction() -> None:
    client = Exchange().begin()
    client.say(b"BDAT 3\r\nabc")
    assert client.one(b"RSET") == "250 2.0.0 Resetting"
    assert TransactionReset("RSET") in client.policy.events


def test_B08_dot_lines_inside_a_chunk_are_kept() -> None:
    client = Exchange().begin()
    client.say(b"BDAT 11 LAST\r\na\r\n.\r\n..b\r\n")
    assert client.policy.messages == [b"a\r\n.\r\n..b\r\n"]


def test_B09_bare_lf_in_a_chunk_is_normalised_or_refused() -> None:
    lenient = Exchange().begin()
    lenient.say(b"BDAT 4\r\na\nb\rBDAT 2 LAST\r\n\nc")
    assert lenient.policy.messages == [b"a\r\nb\r\nc"]
    strict = Exchange(reject_bare_newline=True).begin()
    assert strict.say(b"BDAT 3 LAST\r\na\nb") == ["550 5.6.0 Bare CR or LF is not allowed"]


def test_B10_binary_content_needs_chunks() -> None:
    client = Exchange().begin(b" BODY=BINARYMIME")
    assert client.one(b"DATA") == "503 5.5.1 BINARYMIME needs BDAT"


def test_binary_chunks_are_kept_verbatim() -> None:
    client = Exchange(reject_bare_newline=True).begin(b" BODY=BINARYMIME")
    client.say(b"BDAT 6 LAST\r\n\n\r\0a\r\r")
    assert client.policy.messages == [b"\n\r\0a\r\r"]


def test_B12_commands_inside_a_chunk_are_content() -> None:
    client = Exchange().begin()
    assert client.say(b"BDAT 15\r\nabcSTARTTLS\r\n\r\n") == ["250 2.6.0 15 octets received"]
    assert client.one(b"STARTTLS") == "503 5.5.1 Bad sequence of commands"


def test_B14_thousands_of_tiny_chunks_end_in_421() -> None:
    client = Exchange().begin()
    lines = client.say(b"BDAT 1\r\nx" * 100_000)
    assert lines[-1].startswith("421 4.7.0")
    assert len(lines) < 200
    assert client.closed


def test_a_refused_first_chunk_is_consumed_before_its_reply() -> None:
    client = Exchange().begin()
    client.engine.feed(b"BDAT 6\r\n")
    assert client.engine.next_event() == DataRequested(chunked=True)
    client.engine.reply(REPLIES.disk_full())
    assert client.say(b"QUIT") == []
    assert client.say(b"\r\n") == ["452 4.3.1 Insufficient system storage"]
    assert not client.closed


def test_a_monstrous_refused_chunk_closes() -> None:
    client = Exchange(size_limit=1000).begin()
    assert client.one(b"BDAT 999999999999").startswith("552")
    assert client.closed


def test_refused_chunks_without_an_end_are_cut_off() -> None:
    client = Exchange(size_limit=1000, drain_limit=5000).begin()
    lines = client.say((b"BDAT 2000\r\n" + b"x" * 2000) * 5)
    assert [line[:3] for line in lines] == ["552"] * 3
    assert client.closed


def test_lost_between_chunks_is_told() -> None:
    client = Exchange().begin()
    client.say(b"BDAT 3\r\nabc")
    client.engine.end_of_input()
    client.say(b"")
    assert client.policy.events[-1] == Disconnected(in_transaction=True)
    assert any(isinstance(event, MailFrom) for event in client.policy.events)
    assert any(isinstance(event, RcptTo) for event in client.policy.events)
