"""What a session answers, and what the queue is given: addresses, parameters, refusals."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Body, Notify, Recipient, Return
from mailroot.settings.access import Access, AddressList, ListMode
from mailroot.settings.domains import Domain, DomainType
from mailroot.settings.virtualserver import Messages
from tests.service.conversing import Conversation

HELLO = ("EHLO client.test",)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


@pytest.fixture
async def client(pool: ThreadPoolExecutor) -> Conversation:
    return Conversation(pool)


async def envelope(client: Conversation, mail: str, *recipients: str):
    said = await client.tell(*HELLO, mail, *recipients, "DATA", "Subject: x", "", "Hello.", ".")
    assert said.startswith("250 2.6.0"), said
    return client.drafts[-1].envelope


# -- addresses


async def test_addresses_without_a_domain_get_the_default_domain(client: Conversation) -> None:
    found = await envelope(client, "MAIL FROM:<app>", "RCPT TO:<ann>", "RCPT TO:<postmaster>")
    assert found.sender == Mailbox("app", "local.test")
    assert [str(one.address) for one in found.recipients] == ["ann@local.test", "postmaster@local.test"]


async def test_an_alias_is_stamped_with_the_default_domain_and_remembered(client: Conversation) -> None:
    found = await envelope(client, "MAIL FROM:<a@b.test>", "RCPT TO:<ann@ALSO.test>")
    assert found.recipients == (Recipient(Mailbox("ann", "local.test"), orcpt="rfc822;ann@ALSO.test"),)


@pytest.mark.parametrize("literal", ["[127.0.0.1]", "[IPv6:::1]"])
async def test_an_address_literal_of_our_own_is_delivered_here(client: Conversation, literal: str) -> None:
    found = await envelope(client, "MAIL FROM:<a@b.test>", f"RCPT TO:<ann@{literal}>")
    assert [one.address for one in found.recipients] == [Mailbox("ann", "local.test")]
    await client.work.idle()
    assert client.work.drop.recipients == ["ann@local.test"]


async def test_who_is_named_twice_has_one_copy(client: Conversation) -> None:
    found = await envelope(
        client,
        "MAIL FROM:<a@b.test>",
        "RCPT TO:<ann@local.test>",
        "RCPT TO:<ann@LOCAL.test>",
        "RCPT TO:<ann@also.test>",
        "RCPT TO:<ann>",
        "RCPT TO:<Ann@local.test>",
    )
    assert [str(one.address) for one in found.recipients] == ["ann@local.test", "Ann@local.test"]


async def test_who_was_named_in_a_transaction_that_was_reset_gets_nothing(client: Conversation) -> None:
    await client.tell(*HELLO, "MAIL FROM:<a@b.test>", "RCPT TO:<ann@local.test>", "RSET")
    found = await envelope(client, "MAIL FROM:<a@b.test>", "RCPT TO:<ben@local.test>")
    assert [str(one.address) for one in found.recipients] == ["ben@local.test"]


# -- parameters


async def test_the_null_sender_stays_null(client: Conversation) -> None:
    found = await envelope(client, "MAIL FROM:<>", "RCPT TO:<ann@local.test>")
    assert found.sender is None


async def test_the_parameters_of_dsn_reach_the_queue(client: Conversation) -> None:
    found = await envelope(
        client,
        "MAIL FROM:<a@b.test> RET=HDRS ENVID=x+2By BODY=8BITMIME SMTPUTF8",
        "RCPT TO:<ann@local.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;other+2Btag@x.test",
    )
    assert (found.ret, found.envid, found.body, found.smtputf8) == (Return.HEADERS, "x+2By", Body.EIGHT_BIT, True)
    assert found.recipients == (
        Recipient(Mailbox("ann", "local.test"), Notify.SUCCESS | Notify.DELAY, "rfc822;other+2Btag@x.test"),
    )


async def test_parameters_do_not_outlive_their_transaction(client: Conversation) -> None:
    await client.tell(*HELLO, "MAIL FROM:<a@b.test> RET=HDRS ENVID=x BODY=8BITMIME", "RSET")
    found = await envelope(client, "MAIL FROM:<a@b.test>", "RCPT TO:<ann@local.test>")
    assert (found.ret, found.envid, found.body) == (None, None, Body.SEVEN_BIT)


async def test_the_origin_names_the_client(client: Conversation) -> None:
    await envelope(client, "MAIL FROM:<a@b.test>", "RCPT TO:<ann@local.test>")
    origin = client.drafts[-1].origin
    assert (origin.source, origin.hello, origin.address) == ("submission", "client.test", "127.0.0.1")
    assert b"from client.test ([127.0.0.1])" in b"".join(client.drafts[-1].content.pieces())


async def test_the_origin_tells_a_stranger_from_a_client_that_may_relay(pool: ThreadPoolExecutor) -> None:
    stranger = Conversation(pool, access=Access(connection=AddressList(list=())))
    await envelope(stranger, "MAIL FROM:<a@b.test>", "RCPT TO:<ann@local.test>")
    assert stranger.drafts[-1].origin.source == "smtp"


# -- refusals


async def test_a_stranger_may_not_relay(pool: ThreadPoolExecutor) -> None:
    client = Conversation(pool, access=Access())
    said = await client.tell(*HELLO, "MAIL FROM:<a@b.test>", "RCPT TO:<x@remote.test>")
    assert said == "550 5.7.1 Unable to relay for x@remote.test"
    [event] = client.work.told("refused")
    assert event["recipient"] == "x@remote.test"
    assert "access.relay" in str(event["cause"])


@pytest.mark.parametrize("local", ["user%remote.test", "remote.test!user", '"user@remote.test"', "user@remote.test"])
async def test_a_further_route_in_a_local_address_is_refused(client: Conversation, local: str) -> None:
    said = await client.tell(*HELLO, "MAIL FROM:<a@b.test>", f"RCPT TO:<{local}@local.test>")
    assert said.startswith("550 5.7.1")


async def test_anonymous_clients_are_refused_where_they_must_be(pool: ThreadPoolExecutor) -> None:
    client = Conversation(pool, access=Access(anonymous=False))
    assert (await client.tell(*HELLO, "MAIL FROM:<a@b.test>")).startswith("454 5.7.3")


async def test_a_drop_folder_over_its_quota_refuses_the_recipient(pool: ThreadPoolExecutor) -> None:
    domains = {"local.test": Domain(type=DomainType.DEFAULT, drop_quota=True)}
    client = Conversation(pool, domains=domains, messages=Messages(size_limit=1000))
    client.full += client.work.rules.quotas
    said = await client.tell(*HELLO, "MAIL FROM:<a@b.test>", "RCPT TO:<ann@local.test>")
    assert said == "452 4.2.2 Mailbox Full"


async def test_a_message_that_went_round_in_circles_is_refused(client: Conversation) -> None:
    said = await client.message("Received: x\r\n" * 101 + "Subject: x\r\n\r\nHello.")
    assert said.startswith("554 5.4.6")
    assert client.drafts == []


async def test_a_header_that_can_be_read_in_two_ways_is_refused(client: Conversation) -> None:
    said = await client.message("Subject: x\r\nFrom : forged\r\n\r\nHello.")
    assert said.startswith("550 5.6.0")
    assert client.drafts == []


async def test_a_refused_message_leaves_the_session_ready_for_the_next(client: Conversation) -> None:
    await client.message("Subject: x\r\nFrom : forged\r\n\r\nHello.")
    assert (await client.message()).startswith("250 ")
    assert len(client.drafts) == 1


async def test_a_client_that_is_not_let_in_is_told_and_logged(pool: ThreadPoolExecutor) -> None:
    client = Conversation(pool, access=Access(connection=AddressList(list=())))
    assert not client.transport.closed
    client = Conversation(pool, access=Access(connection=AddressList(mode=ListMode.ONLY, list=())))
    assert client.transport.written.startswith(b"554 5.7.1")
    assert client.transport.closed
    assert client.work.told("connection_refused")
