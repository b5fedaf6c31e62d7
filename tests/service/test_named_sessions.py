"""Sessions of clients whose names matter: the greeting, the right to relay and Received wait for them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mailroot.policy.access import names_of_interest
from mailroot.service.receive.clientnames import ClientNames
from mailroot.service.rules import rules_of
from mailroot.settings.access import AddressList, ListMode, Relay
from mailroot.settings.delivery import Delivery
from mailroot.settings.places import parse_address_entry
from mailroot.settings.virtualserver import Access
from tests.service.conversing import CLIENT, Conversation, FakeTransport
from tests.service.test_client_names import FakeResolver
from tests.service.working import until

PARTNER = {CLIENT: ("mail.partner.example",)}
CONFIRMED = {"mail.partner.example": (CLIENT,)}
FAR = "RCPT TO:<x@far.example>"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


def listing(*texts: str, mode: ListMode = ListMode.ONLY) -> dict[str, Any]:
    return {"mode": mode, "list": tuple(parse_address_entry(text) for text in texts)}


class Talk:
    """A conversation under rules that ask for names; `resolver` answers."""

    def __init__(self, pool: ThreadPoolExecutor, resolver: FakeResolver, reverse_dns: bool = False, **access: Any):
        self.resolver = resolver
        parts = Access(
            connection=AddressList(**access.get("connection", {})), relay=Relay(**access.get("relay", listing()))
        )
        delivery = Delivery(fqdn="mail.example.test", reverse_dns=reverse_dns)
        self.talk = Conversation(pool, access=Access())
        settings = self.talk.work.rules.settings
        made = type(settings)(home="/home", domains=settings.domains, access=parts, delivery=delivery)
        names = ClientNames(resolver, names_of_interest(parts.connection, parts.relay))
        self.talk.work.rules = rules_of("default", made, names)
        self.talk.sessions.apply(self.talk.work.rules)
        self.talk.transport = FakeTransport()
        self.talk.session = self.talk.sessions.make()
        self.talk.session.connection_made(self.talk.transport)

    @property
    def greeting(self) -> bytes:
        return self.talk.transport.written


async def test_the_greeting_waits_for_the_name_where_the_connection_list_asks_for_it(pool: ThreadPoolExecutor) -> None:
    one = Talk(pool, FakeResolver(PARTNER, CONFIRMED), connection=listing("partner.example"))
    assert one.greeting == b""
    await until(lambda: one.greeting)
    assert one.greeting.startswith(b"220 ")
    assert (await one.talk.message()).startswith("250 ")


async def test_a_client_without_the_name_is_refused_and_the_log_says_why(pool: ThreadPoolExecutor) -> None:
    one = Talk(pool, FakeResolver(PARTNER), connection=listing("partner.example"))
    await until(lambda: one.greeting)
    assert one.greeting.startswith(b"554 5.7.1 Access denied for 127.0.0.1")
    [refused] = one.talk.work.told("connection_refused")
    assert refused["cause"] == (
        "127.0.0.1 is not listed (PTR not confirmed: mail.partner.example) in access.connection (only)"
    )


async def test_a_look_up_that_fails_refuses_for_now(pool: ThreadPoolExecutor) -> None:
    one = Talk(pool, FakeResolver(failing={CLIENT}), connection=listing("partner.example"))
    await until(lambda: one.greeting)
    assert one.greeting.startswith(b"421 4.7.25 ")
    assert one.talk.transport.closed


async def test_no_name_is_looked_up_where_an_address_decides(pool: ThreadPoolExecutor) -> None:
    resolver = FakeResolver(silent={"*"})
    one = Talk(pool, resolver, connection=listing("partner.example", CLIENT), relay=listing("partner.example", CLIENT))
    assert one.greeting.startswith(b"220 ")
    assert (await one.talk.message(recipient="x@far.example")).startswith("250 ")
    assert not resolver.asked


async def test_a_server_that_is_paused_meanwhile_refuses(pool: ThreadPoolExecutor) -> None:
    one = Talk(pool, FakeResolver(PARTNER, CONFIRMED), connection=listing("partner.example"))
    one.talk.sessions.pause()
    await until(lambda: one.greeting)
    assert one.greeting.startswith(b"421 4.3.2")


async def test_a_client_that_talks_before_its_greeting_is_cut_as_ever(pool: ThreadPoolExecutor) -> None:
    one = Talk(pool, FakeResolver(PARTNER, CONFIRMED), connection=listing("partner.example"))
    one.talk.session.data_received(b"EHLO early.test\r\n")
    await until(lambda: one.greeting)
    assert one.greeting.startswith(b"554 5.5.0")


async def test_the_first_recipient_that_needs_the_right_to_relay_waits_for_the_name(pool: ThreadPoolExecutor) -> None:
    one = Talk(pool, FakeResolver(PARTNER, CONFIRMED), relay=listing("partner.example"))
    talk = one.talk
    await talk.tell("EHLO client.test", "MAIL FROM:<a@b.test>")
    assert (await talk.tell("RCPT TO:<ann@local.test>")).startswith("250 ")
    assert not one.resolver.asked
    assert (await talk.tell(FAR)).startswith("250 ")
    assert (await talk.tell("RCPT TO:<y@far.example>")).startswith("250 ")
    assert one.resolver.asked == {CLIENT: 1, "mail.partner.example": 1}


@pytest.mark.parametrize(
    ("resolver", "reply", "words"),
    [
        (FakeResolver(), "550 5.7.1 Unable to relay for x@far.example", "(no PTR record)"),
        (FakeResolver(PARTNER), "550 5.7.1 Unable to relay", "(PTR not confirmed: mail.partner.example)"),
        (FakeResolver(failing={CLIENT}), "451 4.7.25 Unable to relay for x@far.example now", "(look-up failed: SERV"),
    ],
    ids=["no name", "forged", "failed"],
)
async def test_a_recipient_is_refused_where_the_name_gives_no_right(
    pool: ThreadPoolExecutor, resolver: FakeResolver, reply: str, words: str
) -> None:
    talk = Talk(pool, resolver, relay=listing("partner.example")).talk
    assert (await talk.tell("EHLO client.test", "MAIL FROM:<a@b.test>", FAR)).startswith(reply)
    [refused] = talk.work.told("refused")
    assert words in str(refused["cause"])
    assert "in access.relay (only)" in str(refused["cause"])


async def test_a_pipelined_group_is_answered_in_its_order(pool: ThreadPoolExecutor) -> None:
    talk = Talk(pool, FakeResolver(PARTNER, CONFIRMED), relay=listing("partner.example")).talk
    await talk.tell("EHLO client.test")
    lines = await talk.say(f"MAIL FROM:<a@b.test>\r\n{FAR}\r\nRCPT TO:<no.domain>\r\nDATA\r\n".encode())
    await until(lambda: talk.session._waiting is None)
    assert [line[:9] for line in lines] == ["250 2.1.0", "250 2.1.5", "250 2.1.5", "354 Start"]


# -- Received


async def received(one: Talk, hello: str = "mail.partner.example") -> str:
    await until(lambda: one.greeting)
    talk = one.talk
    reply = await talk.tell(
        f"EHLO {hello}", "MAIL FROM:<a@b.test>", "RCPT TO:<ann@local.test>", "DATA", "Subject: x\r\n\r\nHello.", "."
    )
    assert reply.startswith("250 ")
    return b"".join(talk.drafts[-1].content.pieces()).decode().split("\r\n")[0]


@pytest.mark.parametrize(
    ("resolver", "hello", "client"),
    [
        (FakeResolver(PARTNER, CONFIRMED), "mail.partner.example", "mail.partner.example ([127.0.0.1])"),
        (FakeResolver(PARTNER, CONFIRMED), "other.example", "other.example ([127.0.0.1] unverified)"),
        (FakeResolver(PARTNER), "mail.partner.example", "mail.partner.example ([127.0.0.1] unverified)"),
        (FakeResolver(), "mail.partner.example", "mail.partner.example ([127.0.0.1] RDNS failed)"),
        (FakeResolver(failing={CLIENT}), "x.example", "x.example ([127.0.0.1] RDNS failed)"),
    ],
    ids=["verified", "another name", "forged", "no name", "failed"],
)
async def test_received_tells_what_reverse_dns_says(
    pool: ThreadPoolExecutor, resolver: FakeResolver, hello: str, client: str
) -> None:
    one = Talk(pool, resolver, reverse_dns=True)
    assert one.greeting.startswith(b"220 ")
    assert (await received(one, hello)).startswith(f"Received: from {client} by mail.example.test ")


async def test_received_tells_of_each_name_that_the_client_gives(pool: ThreadPoolExecutor) -> None:
    one = Talk(pool, FakeResolver(PARTNER, CONFIRMED), reverse_dns=True)
    assert "unverified" not in await received(one)
    assert "unverified" in await received(one, "other.example")
    assert "unverified" not in await received(one)


async def test_the_name_is_waited_for_with_chunks_too(pool: ThreadPoolExecutor) -> None:
    one = Talk(pool, FakeResolver(PARTNER, CONFIRMED), reverse_dns=True)
    await one.talk.tell("EHLO other.example", "MAIL FROM:<a@b.test>", "RCPT TO:<ann@local.test>")
    lines = await one.talk.say(b"BDAT 15 LAST\r\nSubject: x\r\n\r\n.NOOP\r\n")
    await until(lambda: one.talk.session._waiting is None)
    assert [line[:3] for line in one.talk.transport.written.decode().split("\r\n")[:-1] or lines] == ["250", "250"]
    assert b"unverified" in b"".join(one.talk.drafts[-1].content.pieces())


async def test_without_the_option_nothing_is_looked_up(pool: ThreadPoolExecutor) -> None:
    one = Talk(pool, FakeResolver(PARTNER, CONFIRMED))
    assert "([127.0.0.1])" in await received(one)
    assert not one.resolver.asked
