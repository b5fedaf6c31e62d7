"""What MAIL and RCPT may say: addresses and parameters (attack cases E, and the grammar under F)."""

import pytest

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Body, Notify, Recipient, Return
from mailroot.wire.events import MailFrom
from tests.wire.exchange import Exchange


def _rcpt(path: bytes, parameters: bytes = b"") -> tuple[str, Exchange]:
    client = Exchange(error_limit=0)
    client.one(b"MAIL FROM:<a@b.test>" + parameters)
    return client.one(b"RCPT TO:" + path), client


ACCEPTED = {
    b"<user@example.test>": Mailbox("user", "example.test"),
    b"<User@EXAMPLE.test>": Mailbox("User", "EXAMPLE.test"),
    b"<user@example.test.>": Mailbox("user", "example.test"),
    b"<postmaster>": Mailbox("postmaster", ""),
    b'<"y@third">': Mailbox('"y@third"', ""),
    b'<"y@third"@local.test>': Mailbox('"y@third"', "local.test"),
    b'<"a \\"b\\" > c"@local.test>': Mailbox('"a \\"b\\" > c"', "local.test"),
    b"<y@third@local.test>": Mailbox("y@third", "local.test"),
    b"<y%third@local.test>": Mailbox("y%third", "local.test"),
    b"<third!y>": Mailbox("third!y", ""),
    b"<IMCEASMTP-y+40third@local.test>": Mailbox("IMCEASMTP-y+40third", "local.test"),
    b"<@a,@b:u@local.test>": Mailbox("u", "local.test"),
    b"<@local.test:y@third>": Mailbox("y", "third"),
    b"<a@[127.0.0.1]>": Mailbox("a", "[127.0.0.1]"),
    b"<a@[IPv6:::1]>": Mailbox("a", "[IPv6:::1]"),
    b"<a@[ipv6:2001:db8::1]>": Mailbox("a", "[ipv6:2001:db8::1]"),
    b"<a@my_domain.local>": Mailbox("a", "my_domain.local"),
    b"user@example.test": Mailbox("user", "example.test"),
    b" <user@example.test>": Mailbox("user", "example.test"),
    b"<" + b"l" * 64 + b"@example.test>": Mailbox("l" * 64, "example.test"),
}


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.decode())
def test_address_is_read(path: bytes) -> None:
    reply, client = _rcpt(path)
    assert reply.startswith("250")
    assert client.last_recipient.address == ACCEPTED[path]


REFUSED = [
    b"<>",
    b"<@>",
    b"<@local.test>",
    b"<a@>",
    b"<a b@c>",
    b"<a@b c>",
    b"<.a@b>",
    b"<a.@b>",
    b"<a..b@c>",
    b"<a@b..c>",
    b"<a@-b>",
    b"<a@b->",
    b"<a@" + b"x" * 64 + b".test>",
    b"<a@[999.1.1.1]>",
    b"<a@[1.2.3]>",
    b"<a@[::ffff:10.0.0.1]>",
    b"<a@[IPv6:1.2.3.4]>",
    b"<a@[IPv6:fe80::1%eth0]>",
    b"<a@[x:y]>",
    b"<a@[127.0.0.1>",
    b"<a@b",
    b"<<a@b>>",
    b"<a@b>x",
    b"<a@b>>",
    b'<"a@b>',
    b'<"a"b@c>',
    b"<@a,b:u@local.test>",
    b"<a,b@c>",
    b"<a@b>\tNOTIFY=NEVER",
]


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.decode())
def test_faulty_address_is_501(path: bytes) -> None:
    assert _rcpt(path)[0].startswith("501 5.5.4")


@pytest.mark.parametrize("path", [b'<"a\x1b[2J"@c>', b"<a\x00@c>", b"<a\x7f@c>", b"<a@c\x0b>", b"<a\r@c>"])
def test_E09_control_characters_are_501(path: bytes) -> None:
    assert _rcpt(path)[0].startswith("501")


@pytest.mark.parametrize(
    "path",
    [
        b"<" + b"l" * 65 + b"@example.test>",
        b"<a@" + b"x." * 127 + b"xx>",
        b"<" + b"l" * 60 + b"@" + b"x." * 96 + b"xx>",
    ],
    ids=["local 65", "domain 256", "path 257"],
)
def test_E04_parts_that_are_too_long_are_501(path: bytes) -> None:
    assert _rcpt(path)[0] == "501 5.1.3 Address too long"


def test_E06_blank_after_the_colon_is_accepted_and_noted() -> None:
    client = Exchange()
    assert client.one(b"MAIL FROM:   <a@b>").startswith("250")
    assert client.faults == ["blank-before-path"]


@pytest.mark.parametrize("address", [b"<jos\xc3\xa9@c>", b"<a@\xc3\xa9.test>", b"<jos\xe9@c>"])
def test_E10_eight_bits_without_smtputf8_are_553(address: bytes) -> None:
    assert Exchange().one(b"MAIL FROM:" + address) == "553 5.6.7 Address needs SMTPUTF8"
    assert _rcpt(address)[0] == "553 5.6.7 Address needs SMTPUTF8"


def test_E10_eight_bits_with_smtputf8_are_read() -> None:
    client = Exchange()
    assert client.one("MAIL FROM:<josé@exämple.test> SMTPUTF8".encode()).startswith("250")
    assert client.last_mail == MailFrom(Mailbox("josé", "exämple.test"), smtputf8=True)
    assert client.one("RCPT TO:<ü@local.test>".encode()).startswith("250")
    assert client.one(b"RCPT TO:<\xe9@local.test>") == "501 5.5.4 Invalid Address"
    assert client.one("RCPT TO:<a@\u2028.test>".encode()).startswith("501")


def test_E13_address_without_a_domain_is_left_to_the_caller() -> None:
    _, client = _rcpt(b"<postmaster>")
    assert client.last_recipient.address == Mailbox("postmaster", "")


def test_E14_literals_are_checked() -> None:
    assert _rcpt(b"<a@[127.0.0.1]>")[0].startswith("250")
    assert _rcpt(b"<a@[999.1.1.1]>")[0].startswith("501")


def test_E15_source_route_is_stripped() -> None:
    _, client = _rcpt(b"<@a,@b:u@local.test>")
    assert client.last_recipient.address == Mailbox("u", "local.test")


def test_E16_unknown_parameter_is_555() -> None:
    assert Exchange().one(b"MAIL FROM:<a@b> FOO=1") == "555 5.5.4 Unsupported parameter FOO"


@pytest.mark.parametrize(
    "parameters", [b"SIZE=1 SIZE=2", b"SIZE=1 size=1", b"BODY=7BIT BODY=7BIT", b"SMTPUTF8 SMTPUTF8"]
)
def test_E17_duplicate_parameter_is_501(parameters: bytes) -> None:
    assert Exchange().one(b"MAIL FROM:<a@b> " + parameters) == "501 5.5.4 Invalid arguments"


def test_E19_declared_size_over_the_limit_is_552() -> None:
    client = Exchange(size_limit=2097152)
    assert client.one(b"MAIL FROM:<a@b> SIZE=999999999999").startswith("552 5.3.4")


@pytest.mark.parametrize(
    "parameters",
    [
        b"SIZE=-1",
        b"SIZE=" + b"1" * 21,
        b"SIZE=",
        b"SIZE",
        b"SIZE=1k",
        b"BODY=9BIT",
        b"BODY",
        b"RET=SOME",
        b"SMTPUTF8=1",
        b"ENVID=x+0A",
        b"ENVID=a+4",
        b"ENVID=" + b"x" * 101,
        b"=1",
        b"A=B=C",
    ],
)
def test_E20_E21_faulty_parameter_is_501(parameters: bytes) -> None:
    assert Exchange().one(b"MAIL FROM:<a@b> " + parameters) == "501 5.5.4 Invalid arguments"


@pytest.mark.parametrize(
    "parameters",
    [
        b"ORCPT=rfc822;a+0D+0Ab",
        b"ORCPT=rfc822;a+7Fb",
        b"ORCPT=a@b",
        b"ORCPT=;a",
        b"ORCPT=rfc822;",
        b"ORCPT=rfc822;" + b"x" * 500,
        b"NOTIFY=NEVER,FAILURE",
        b"NOTIFY=FAILURE,NEVER",
        b"NOTIFY=SUCCESS,SUCCESS",
        b"NOTIFY=",
        b"NOTIFY=,",
        b"NOTIFY",
    ],
)
def test_E21_E23_faulty_recipient_parameter_is_501(parameters: bytes) -> None:
    assert _rcpt(b"<c@d> " + parameters)[0] == "501 5.5.4 Invalid arguments"


def test_parameters_are_read() -> None:
    client = Exchange()
    client.one(b"MAIL FROM:<a@b>  SIZE=10 body=8bitmime RET=hdrs ENVID=q+2B1")
    assert client.last_mail == MailFrom(
        Mailbox("a", "b"), size=10, body=Body.EIGHT_BIT, ret=Return.HEADERS, envid="q+2B1"
    )
    client.one(b"RCPT TO:<c@d> NOTIFY=success,DELAY ORCPT=rfc822;x+2By@z")
    assert client.last_recipient == Recipient(
        Mailbox("c", "d"), notify=Notify.SUCCESS | Notify.DELAY, orcpt="rfc822;x+2By@z"
    )
    client.one(b"RCPT TO:<c@d> NOTIFY=NEVER")
    assert client.last_recipient.notify is Notify.NEVER


def test_E24_null_sender_is_accepted() -> None:
    client = Exchange()
    assert client.one(b"MAIL FROM:<>").startswith("250")
    assert client.last_mail.sender is None


def test_E25_null_recipient_is_501() -> None:
    assert _rcpt(b"<>")[0].startswith("501")


def test_E30_trailing_dot_and_case_do_not_matter_to_comparison() -> None:
    _, client = _rcpt(b"<USER@LOCAL.TEST.>")
    assert client.last_recipient.address.domain_key == "local.test"


def test_F08_second_at_is_handed_over_in_the_local_part() -> None:
    _, client = _rcpt(b"<y@third@local.test>")
    assert client.last_recipient.address == Mailbox("y@third", "local.test")


@pytest.mark.parametrize("argument", [b"", b"FROM", b"TO:<a@b>", b"FROM <a@b>", b"<a@b>"])
def test_mail_without_from_is_501(argument: bytes) -> None:
    assert Exchange().one(b"MAIL " + argument).startswith("501 5.5.4")
