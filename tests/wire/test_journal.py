"""What the engine notes for the protocol log: every command once, in its order, and no secret."""

from dataclasses import replace

import pytest

from mailroot.wire.journal import LONGEST, Said
from mailroot.wire.profile import ServerProfile
from mailroot.wire.server import ServerEngine
from tests.dialogue import GREETING, Policy, pump

PROFILE = ServerProfile(
    "mail.example.test", "127.0.0.1", default_domain="local.test", mechanisms=("LOGIN", "PLAIN"), error_limit=0
)
ENVELOPE = [b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\nRCPT TO:<c@local.test>\r\n"]


def noted(*turns: bytes, profile: ServerProfile = PROFILE) -> list[Said]:
    """What was noted when the client said this, turn by turn."""
    journal: list[Said] = []
    engine, policy = ServerEngine(profile, journal), Policy("local")
    engine.greet(GREETING)
    pump(engine, policy)
    for turn in turns:
        engine.feed(turn)
        pump(engine, policy)
    return journal


def test_each_command_is_noted_as_it_came() -> None:
    said = [b"ehlo x", b"MAIL FROM:  <a@b>", b"RCPT TO:<c@local.test> ", b"RSET", b"xxxx rr.com", b"QUIT"]
    assert noted(*(line + b"\r\n" for line in said)) == said


def test_commands_of_a_group_are_noted_each() -> None:
    assert noted(b"EHLO x\r\n", b"MAIL FROM:<a@b>\r\nRCPT TO:<c@local.test>\r\nRCPT TO:<d@local.test>\r\n") == [
        b"EHLO x",
        b"MAIL FROM:<a@b>",
        b"RCPT TO:<c@local.test>",
        b"RCPT TO:<d@local.test>",
    ]


def test_content_is_noted_by_its_size_alone() -> None:
    assert noted(*ENVELOPE, b"DATA\r\n", b"..12\r\n", b"3\r\n.\r\n")[3:] == [b"DATA", 8]


def test_chunks_are_noted_by_their_commands() -> None:
    assert noted(*ENVELOPE, b"BDAT 3\r\nabc", b"BDAT 3 LAST\r\nabc")[3:] == [b"BDAT 3", b"BDAT 3 LAST"]


def test_without_a_journal_nothing_is_noted_and_all_is_the_same() -> None:
    engine, policy = ServerEngine(PROFILE), Policy("local")
    engine.greet(GREETING)
    engine.feed(b"EHLO x\r\n")
    assert b"250" in pump(engine, policy)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (b"AUTH PLAIN AHVzZXIAd3Jvbmc=", b"AUTH PLAIN"),
        (b"auth plain AHVzZXIAd3Jvbmc=", b"auth plain"),
        (b"AUTH  PLAIN  AHVzZXIAd3Jvbmc=", b"AUTH PLAIN"),
        (b"AUTH AHVzZXIAd3Jvbmc=", b"AUTH"),
        (b"AUTH PLAIN AHVzZXIAd3Jvbmc= AHVzZXIAd3Jvbmc=", b"AUTH PLAIN"),
        (b"AUTH=PLAIN AHVzZXIAd3Jvbmc=", b"AUTH"),
        (b" AUTH PLAIN AHVzZXIAd3Jvbmc=", b"AUTH"),
        (b"\tauth PLAIN AHVzZXIAd3Jvbmc=", b"AUTH"),
        (b"AUTH PLAIN " + b"A" * 12_400, b"AUTH PLAIN"),
        (b"AUTH\tPLAIN\tAHVzZXIAd3Jvbmc=", b"AUTH"),
        (b"A\0UTH PLAIN AHVzZXIAd3Jvbmc=", b"AUTH"),
        (b"A UTH PLAIN AHVzZXIAd3Jvbmc=", b"AUTH"),
        (b"EHLO AUTH PLAIN AHVzZXIAd3Jvbmc=", b"EHLO"),
        (b"STARTTLS AUTH PLAIN AHVzZXIAd3Jvbmc=", b"STARTTLS"),
        (b"quit auth login AHVzZXIAd3Jvbmc=", b"QUIT"),
        (b"AUHT PLAIN AHVzZXIAd3Jvbmc=", b"AUTH"),
        (b"PLAIN AHVzZXIAd3Jvbmc=", b"AUTH"),
    ],
)
def test_O06_of_auth_the_mechanism_alone_is_noted(line: bytes, shown: bytes) -> None:
    journal = noted(b"EHLO x\r\n", line + b"\r\n")
    assert journal[1:] == [shown] if len(line) < 12_000 else journal[1] in {b"AUTH", b"AUTH PLAIN"}


def test_O06_of_a_response_only_that_it_came_is_noted() -> None:
    turns = (b"EHLO x\r\n", b"AUTH LOGIN\r\n", b"dXNlcg==\r\n", b"d3Jvbmc=\r\n", b"NOOP\r\n")
    assert noted(*turns)[1:] == [b"AUTH LOGIN", None, None, b"NOOP"]


def test_O06_what_follows_a_refused_auth_may_be_the_password() -> None:
    bare = ServerProfile("mail.example.test", "127.0.0.1", error_limit=0)
    turns = (b"EHLO x\r\n", b"AUTH LOGIN\r\n", b"dXNlcg==\r\n", b"cGFzc3dvcmQ=\r\n", b"RSET\r\n")
    assert noted(*turns, profile=bare)[1:] == [b"AUTH LOGIN", b"", b"", b"RSET"]


@pytest.mark.parametrize("line", [b"auth\tlogin", b"AU TH LOGIN", b"XAUTH=LOGIN", b"AUHT LOGIN"])
def test_O06_what_follows_a_misspelt_auth_may_be_the_password(line: bytes) -> None:
    turns = (line + b"\r\n", b"dXNlcg==\r\n", b"cGFzc3dvcmQ=\r\n", b"NOOP cGFzc3dvcmQ=\r\n", b"RSET\r\n")
    assert noted(b"EHLO x\r\n", *turns)[1:] == [b"AUTH", b"", b"", b"NOOP", b"RSET"]


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"MAIL FROM:<a@b>\r\n",
        b"MAIL FROM:<a@b>\r\nRCPT TO:<c@far.test>\r\n",
        b"MAIL FROM:<a@b> BODY=BINARYMIME\r\n",
    ],
)
def test_O06_what_follows_a_refused_data_may_be_the_content(envelope: bytes) -> None:
    body = (b"Subject: secret\r\n", b"Mail me the figures\r\n", b"help the others\r\n", b"data of 2026\r\n", b".\r\n")
    journal = noted(b"EHLO x\r\n", *filter(None, [envelope]), b"DATA\r\n", *body, b"RSET\r\n")
    said = journal[journal.index(b"DATA") + 1 :]
    assert said == [b"", b"MAIL", b"HELP", b"DATA", b"", b"RSET"]


def test_O06_what_may_be_content_is_not_noted_whatever_is_wrong_with_it() -> None:
    long = b"Mail me: the secret " + b"x" * 1_600 + b"\r\n"
    dear = b"Helo dear, secret\r\nmore\r\n"  # what stands behind it is forbidden: the connection ends
    assert noted(b"EHLO x\r\n", b"DATA\r\n", long, b"Mail me, secret\n", dear)[2:] == [b"MAIL", b"MAIL", b"HELO"]
    assert noted(b"EHLO x\r\n", b"BDAT 0x20 LAST\r\n", b"Subject: secret\r\n")[2:] == [b""]


@pytest.mark.parametrize("lead", [b"AUTH LOGIN\n", b"DATA\n", b"BDAT 9\n"])
def test_O06_lines_in_bare_lf_that_are_refused_are_hidden_too(lead: bytes) -> None:
    strict = replace(PROFILE, reject_bare_newline=True)
    assert noted(b"EHLO x\r\n", lead, b"dXNlcg==\n", b"Mail me, secret\n", profile=strict)[2:] == [b"", b"MAIL"]


def test_O06_where_tls_comes_first_content_is_hidden_too() -> None:
    secured = replace(PROFILE, starttls=True, tls_required=True)
    turns = (b"MAIL FROM:<a@b>\r\n", b"DATA\r\n", b"Mail me the secret\r\n")
    assert noted(b"EHLO x\r\n", *turns, profile=secured)[1:] == [b"MAIL FROM:<a@b>", b"DATA", b"MAIL"]


def test_O06_what_is_understood_is_noted_after_a_refusal_too() -> None:
    turns = (b"RCPT TO:<c@local.test>\r\n", b"MAIL FROM:<e@f> SECRET\r\n", b"MAIL FROM:<a@b>\r\n")
    said = noted(b"EHLO x\r\n", b"DATA\r\n", *turns)[2:]
    assert said == [b"RCPT", b"MAIL", b"MAIL FROM:<a@b>"]


def test_O06_an_address_with_auth_in_it_is_no_secret() -> None:
    turns = (b"EHLO auth.example\r\n", b"MAIL FROM:<auth@plain.example> AUTH=<>\r\n", b"RCPT TO:<author@b> X=1\r\n")
    assert noted(*turns) == [turn[:-2] for turn in turns]


def test_O06_a_response_that_is_too_long_or_endless_is_not_noted() -> None:
    turns = (b"EHLO x\r\n", b"AUTH LOGIN\r\n", b"c2VjcmV0" * 2_000 + b"\r\n")
    assert noted(*turns)[1:] == [b"AUTH LOGIN", None]


def test_long_lines_are_cut() -> None:
    journal = noted(b"EHLO x\r\n", b"XYZZY " + b"x" * 10_000 + b"\r\n", b"NOOP " + b"x" * 20_000 + b"\r\n")
    assert [len(said) for said in journal if isinstance(said, bytes)] == [6, LONGEST, 16]


def test_a_line_with_a_bare_newline_is_noted_where_it_is_refused_too() -> None:
    strict = ServerProfile("mail.example.test", "127.0.0.1", reject_bare_newline=True)
    assert noted(b"EHLO x\n", profile=strict) == [b"EHLO x"]
    assert noted(b"EHLO x\n") == [b"EHLO x"]
