"""Header blocks: where they end, what is in them, what Mailroot adds."""

from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailroot.mail.header import (
    MESSAGE_ID_SHOWN,
    Made,
    Stamped,
    Trace,
    examine,
    header_end,
    new_message_id,
    stamp,
    with_return_path,
)

FILLER = "ABCDEFGHIJKLMNOPQRS"
TRACE = Trace("mail.example.com", "1.2.3", "client.example", "192.0.2.9")
MADE = Made(
    datetime(2017, 2, 3, 1, 30, 51, 242_000, tzinfo=timezone(timedelta(hours=-5))), "alice@example.org", FILLER, 0x1E05
)
HEAD = (
    b"Date: Fri, 3 Feb 2017 01:30:00 -0500\r\nFrom: Alice <alice@example.org>\r\n"
    b"Message-ID: <1@example.org>\r\nSubject: a\r\n folded one\r\n"
)


def stamped(data: bytes, trace: Trace = TRACE, made: Made = MADE) -> bytes:
    result = stamp(data, trace, made)
    assert result.problem == ""
    return result.head + data[result.body_at :]


# --- where the header block ends ---


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"", 0),
        (b"\r\nbody\r\n", 0),
        (b"Subject: a\r\n\r\nbody", 12),
        (b"Subject: a\r\n b\r\n\tc\r\n\r\nbody", 20),
        (b"Subject: a\r\n", 12),
        (b"Subject: a", 10),
        (b"Subject: a\r\nno field\r\n\r\n", 12),
        (b"no field\r\nSubject: a\r\n\r\n", 0),
        (b" Subject: a\r\n\r\n", 0),
        (b": a\r\n\r\n", 0),
        (b"Subject: a\r\nFrom alice\r\n\r\n", 12),
        (b"X-Empty:\r\n\r\n", 10),
        (b"\x80: a\r\n\r\n", 0),
    ],
)
def test_the_header_block_ends_after_its_last_field(data: bytes, end: int) -> None:
    assert header_end(data) == end


@pytest.mark.parametrize(
    "data", [HEAD + b"\r\nbody\r\n", HEAD + b"body line\r\nmore\r\n", b"body line\r\n\r\nmore\r\n"]
)
def test_a_beginning_never_says_another_end_than_the_whole(data: bytes) -> None:
    whole = header_end(data)
    assert {header_end(data[:cut], whole=False) for cut in range(len(data) + 1)} == {-1, whole}


# --- H08: one rule ---


def test_H08_a_body_without_header_gets_an_empty_line_before_it() -> None:
    result = stamped(b"Dear Bob,\r\nnothing more.\r\n")
    header, _, body = result.partition(b"\r\n\r\n")
    assert body == b"Dear Bob,\r\nnothing more.\r\n"
    assert header.startswith(b"Received: from client.example")


def test_H08_a_body_that_follows_the_fields_at_once_gets_an_empty_line_before_it() -> None:
    result = stamped(HEAD + b"Dear Bob,\r\n\r\nRegards: Alice\r\n")
    assert result.partition(b"\r\n\r\n")[2] == b"Dear Bob,\r\n\r\nRegards: Alice\r\n"


@pytest.mark.parametrize("data", [b"", b"Subject: a", b"Subject: a\r\n", b"\r\n", b"Subject: a\r\n\r\n"])
def test_H08_every_message_has_one_empty_line_after_its_header(data: bytes) -> None:
    result = stamped(data)
    assert result.endswith(b"]\r\n\r\n")
    assert result.count(b"\r\n\r\n") == 1


# --- what is added ---


def test_received_stands_first_and_the_arrival_last() -> None:
    assert stamped(HEAD + b"\r\nbody\r\n") == (
        b"Received: from client.example ([192.0.2.9]) by mail.example.com with Mailroot SMTPSVC(1.2.3);\r\n"
        b"\t Fri, 3 Feb 2017 01:30:51 -0500\r\n"
        + HEAD
        + b"X-OriginalArrivalTime: 03 Feb 2017 06:30:51.0242 (UTC) FILETIME=[105A0CA0:01D27DE7]\r\n\r\nbody\r\n"
    )


@pytest.mark.parametrize(
    ("trace", "line"),
    [
        (Trace("h.example", "1"), b"from mail pickup service by h.example with Mailroot SMTPSVC;"),
        (
            Trace("h.example", "1", "", "192.0.2.1"),
            b"from unknown ([192.0.2.1]) by h.example with Mailroot SMTPSVC(1);",
        ),
        (
            Trace("h.example", "1", "[192.0.2.1]", "2001:db8::1", secured=True),
            b"from [192.0.2.1] ([IPv6:2001:db8::1]) by h.example over TLS secured channel with Mailroot SMTPSVC(1);",
        ),
        (
            Trace("h.example", "1", "c", "192.0.2.1", remark="unverified"),
            b"from c ([192.0.2.1] unverified) by h.example with Mailroot SMTPSVC(1);",
        ),
        (
            Trace("h.example", "1", "c", "192.0.2.1", user="OURS\\a (b)\r\nX: y\u00e9"),
            rb"from c ([192.0.2.1]) (signed in as OURS\\a??b???X:?y?) by h.example with Mailroot SMTPSVC(1);",
        ),
    ],
)
def test_received_follows_the_predecessor(trace: Trace, line: bytes) -> None:
    assert stamped(b"\r\n", trace).startswith(b"Received: " + line + b"\r\n\t Fri, 3 Feb 2017 01:30:51 -0500\r\n")


def test_H13_a_failed_reverse_look_up_is_a_remark_of_fixed_words() -> None:
    trace = Trace("h.example", "1", "c", "192.0.2.1", remark="RDNS failed")
    assert b"([192.0.2.1] RDNS failed) by" in stamped(b"\r\n", trace)


def test_what_is_missing_is_added_after_the_fields_that_are_there() -> None:
    message = message_from_bytes(stamped(b"Subject: a\r\n\r\nbody\r\n"))
    assert message.keys() == ["Received", "Subject", "Message-ID", "Date", "From", "X-OriginalArrivalTime"]
    assert message["Message-ID"] == "<mailABCDEFGHIJKLMNO00001e05@mail.example.com>"
    assert message["Date"] == "Fri, 3 Feb 2017 01:30:51 -0500"
    assert message["From"] == "alice@example.org"


def test_the_author_of_a_message_with_the_null_sender_is_the_postmaster() -> None:
    message = message_from_bytes(stamped(b"Subject: a\r\n\r\n", made=MADE._replace(sender="")))
    assert message["From"] == "postmaster@mail.example.com"


def test_fields_count_in_any_case() -> None:
    result = stamped(b"dAtE: 1\r\nfROM: 2\r\nmessage-id:<3@x>\r\n\r\n")
    assert message_from_bytes(result).keys() == ["Received", "dAtE", "fROM", "message-id", "X-OriginalArrivalTime"]


def test_a_field_is_not_found_in_a_continuation_a_longer_name_or_the_body() -> None:
    facts = examine(b"Subject: a\r\n Date: 1\r\nX-From: 2\r\nFromage: 3\r\nUpdate: 4\r\n")
    assert (facts.has_date, facts.has_from) == (False, False)
    assert b"\r\nDate: Fri" in stamped(b"Subject: a\r\n\r\nDate: 1\r\n")


def test_bcc_is_left_to_the_client() -> None:
    assert b"\r\nBcc: x@example.org\r\n" in stamped(b"Bcc: x@example.org\r\n\r\n")


def test_the_stamped_head_depends_on_the_header_block_only() -> None:
    whole = HEAD + b"\r\n" + b"x" * 5000
    assert stamp(whole, TRACE, MADE) == stamp(whole[: len(HEAD) + 2], TRACE, MADE)


# --- facts ---


@pytest.mark.parametrize(
    ("field", "message_id"),
    [
        (b"Message-ID: <a@b>\r\n", "<a@b>"),
        (b"Message-ID:<a@b>  \r\n", "<a@b>"),
        (b"Message-ID:\r\n <a@b>\r\n", "<a@b>"),
        (b"Message-ID: <a\r\n\t@b>\r\n", "<a\t@b>".replace("\t", "?")),
        (b"Message-ID:\r\n", None),
        (b"Message-ID: \xff\r\n", "\N{REPLACEMENT CHARACTER}"),
        (b"Message-ID: " + b"a" * 1000 + b"\r\n", "a" * MESSAGE_ID_SHOWN),
        (b"X-Message-ID: <a@b>\r\n", None),
    ],
)
def test_the_message_id_is_shown_unfolded_and_bounded(field: bytes, message_id: str | None) -> None:
    assert examine(field).message_id == message_id


def test_an_empty_message_id_is_replaced_by_a_new_one() -> None:
    result = stamp(b"Message-ID: \r\n\r\n", TRACE, MADE)
    assert result.message_id == "<mailABCDEFGHIJKLMNO00001e05@mail.example.com>"
    assert message_from_bytes(result.head).get_all("Message-ID") == [result.message_id]


def test_eight_bit_headers_are_noticed() -> None:
    assert examine("Subject: é\r\n".encode()).eight_bit
    assert not examine(b"Subject: e\r\n").eight_bit


@pytest.mark.parametrize("hops", [0, 16, 51, 10_000])
def test_H09_every_received_field_is_a_hop(hops: int) -> None:
    result = stamp(b"Received: from a by b;\r\n\t1 Jan 2026 00:00:00 +0000\r\n" * hops + HEAD + b"\r\n", TRACE, MADE)
    assert result.hops == hops


# --- hostile headers ---


def test_H01_two_authors_are_kept_and_none_is_added() -> None:
    result = stamped(b"From: a@example.org\r\nFrom: b@example.org\r\n\r\n")
    assert message_from_bytes(result).get_all("From") == ["a@example.org", "b@example.org"]


@pytest.mark.parametrize(
    "head",
    [
        b" From: a@example.org\r\n",
        b"\tFrom: a@example.org\r\n",
        b"From : a@example.org\r\n",
        b"Subject: a\r\nFrom : a@example.org\r\n",
        b"Subject: a\r\nFrom\t: a@example.org\r\n",
        b"Subject: a\r\nFrom\r\n : a@example.org\r\n",
    ],
)
def test_H02_a_field_with_space_before_its_name_or_colon_is_refused(head: bytes) -> None:
    result = stamp(head + b"\r\nbody\r\n", TRACE, MADE)
    assert result.problem == "Space before the name or the colon of a header field"
    assert result.head == b""


def test_H03_nul_in_the_header_is_refused() -> None:
    assert stamp(b"From: a\0b\r\n\r\n", TRACE, MADE).problem == "NUL is not allowed in the header"


def test_nul_in_the_body_is_the_bodys_affair() -> None:
    assert stamp(b"From: a\r\n\r\n\0", TRACE, MADE).problem == ""


@pytest.mark.parametrize(
    "data", [b"A: b\nC: d\r\n\r\n", b"A: b\rC: d\r\n\r\n", b"A: b\rC: d\nE: f\r\n\r\n", b"A: b\n\nbody\r\n\r\n"]
)
def test_a_bare_line_break_in_the_header_is_refused(data: bytes) -> None:
    assert stamp(data, TRACE, MADE).problem == "Bare CR or LF is not allowed in the header"


def test_H04_authentication_results_in_our_name_are_renamed_and_others_kept() -> None:
    head = (
        b"Authentication-Results: other.example; spf=pass\r\n"
        b"authentication-results: (c) Mail.Example.com 1;\r\n\tdkim=pass\r\n"
        b"Authentication-Results:\r\n mail.example.com; none\r\nSubject: a\r\n"
    )
    message = message_from_bytes(stamped(head + b"\r\nAuthentication-Results: mail.example.com; x\r\n"))
    assert message.get_all("Authentication-Results") == ["other.example; spf=pass"]
    assert len(message.get_all("X-Forged-Authentication-Results", [])) == 2
    assert message.get_payload() == "Authentication-Results: mail.example.com; x\r\n"


@pytest.mark.parametrize("hostile", ["a\r\nX-Evil: 1", "a\nb", "a) by evil (", "a;b", "\x1b[31m", "é\u202e", "a\0"])
def test_H11_nothing_that_a_client_calls_itself_can_add_a_field(hostile: str) -> None:
    trace = Trace("mail.example.com", "1", hostile, "192.0.2.9")
    result = stamped(HEAD + b"\r\n", trace, MADE._replace(sender=hostile))
    assert result.isascii()
    assert b"\nX-Evil" not in result
    assert result.partition(b"\r\n")[0].endswith(b" ([192.0.2.9]) by mail.example.com with Mailroot SMTPSVC(1);")


def test_H11_a_sender_cannot_add_a_field_to_a_message_without_author() -> None:
    result = stamped(b"\r\n", made=MADE._replace(sender='"a\r\nX-Evil: 1"@example.org'))
    assert message_from_bytes(result)["From"] == '"a??X-Evil: 1"@example.org'


@given(st.binary(max_size=200).map(lambda data: data.replace(b"x", b"\r\n").replace(b"y", b": ")))
def test_any_content_is_stamped_whole_or_refused(data: bytes) -> None:
    result = stamp(data, TRACE, MADE)
    assert isinstance(result, Stamped)
    if result.problem:
        return
    whole = result.head + data[result.body_at :]
    assert whole.startswith(b"Received: ")
    fields, _, body = whole.partition(b"\r\n\r\n")
    assert examine(fields + b"\r\n").received == result.hops + 1
    assert data.endswith(body)


# --- made Message-IDs, Return-Path ---


@pytest.mark.parametrize(
    ("fqdn", "local"),
    [
        ("MEE-PDC.example.org", "MEE-PDCABCDEFGHIJKL00001e05"),
        ("a.example.org", "aABCDEFGHIJKLMNOPQR00001e05"),
        ("thirteenchars.example.org", "thirteencharsABCDEF00001e05"),
        ("fourteen-chars.example.org", "ABCDEFGHI00001e05"),
        ("[192.0.2.1]", "ABCDEFGHI00001e05"),
        ("", "ABCDEFGHI00001e05"),
    ],
)
def test_a_made_message_id_has_the_predecessors_form(fqdn: str, local: str) -> None:
    assert new_message_id(fqdn, FILLER, 0x1E05) == f"<{local}@{fqdn}>"


def test_the_counter_of_a_message_id_wraps_to_eight_digits() -> None:
    assert new_message_id("a.example", FILLER, 2**32 + 1).endswith("00000001@a.example>")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", b"Return-Path: a@b\r\n"),
        (b"Subject: a\r\n", b"Subject: a\r\nReturn-Path: a@b\r\n"),
        (b"x-originalarrivaltime: 1\r\n", b"Return-Path: a@b\r\nx-originalarrivaltime: 1\r\n"),
        (
            b"X-OriginalArrivalTime: 1\r\nA: b\r\nX-OriginalArrivalTime: 2\r\nC: d\r\n",
            b"X-OriginalArrivalTime: 1\r\nA: b\r\nReturn-Path: a@b\r\nX-OriginalArrivalTime: 2\r\nC: d\r\n",
        ),
    ],
)
def test_return_path_stands_before_the_last_arrival_time(head: bytes, expected: bytes) -> None:
    assert with_return_path(head, "a@b") == expected


def test_the_null_return_path_has_brackets() -> None:
    assert with_return_path(b"", "") == b"Return-Path: <>\r\n"


def test_dates_are_utc_where_the_moment_is() -> None:
    made = MADE._replace(at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert b"\r\n\t Fri, 2 Jan 2026 03:04:05 +0000\r\n" in stamped(b"\r\n", made=made)
