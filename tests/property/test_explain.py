"""Explain and a live session agree: the same facts give the same replies, the same recipients and the same routes."""

import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailroot.edge.tls.contexts import Secured
from mailroot.policy.access import names_of_interest
from mailroot.policy.client import NOT_ASKED, client_address
from mailroot.service.explain.case import Case
from mailroot.service.explain.explained import Explanation, explain
from mailroot.service.receive.clientnames import ClientNames
from mailroot.service.rules import Rules, rules_of
from mailroot.settings.access import Access, AddressList, ListMode, Relay, TlsOffer
from mailroot.settings.delivery import Delivery, OutboundSecurity, OutboundTls
from mailroot.settings.domains import Domain, DomainType
from mailroot.settings.places import SmartHost, parse_address_entry
from mailroot.settings.virtualserver import General, Messages, VirtualServer
from tests.service.accounts import entrance
from tests.service.conversing import Conversation, FakeTransport
from tests.service.test_client_names import FakeResolver
from tests.service.working import NOON, until

CLIENTS = ["127.0.0.1", "10.1.2.3", "192.0.2.7", "2001:db8::5"]
NAMES = {client: (f"host{number}.partner.example",) for number, client in enumerate(CLIENTS)}
CONFIRMED = {f"host{number}.partner.example": (client,) for number, client in enumerate(CLIENTS) if number != 2}
NETWORKS = ["10.0.0.0/8", "127.0.0.1", "192.0.2.0/24", "2001:db8::/32", "10.1.2.3"]
NAMED = [*NETWORKS, "partner.example", "host1.partner.example", "*.elsewhere.example"]
DOMAINS = ["*.partner.example", "mx.partner.example", "partner.example", "*.deep.partner.example", "far.example"]
ADDRESSES = [
    "ann@local.test",
    "ann@also.test",
    "ann",
    "x@[127.0.0.1]",
    "x@[192.0.2.1]",
    "a%b@local.test",
    '"a@b"@local.test',
    "b@partner.example",
    "b@mx.partner.example",
    "b@a.deep.partner.example",
    "b@FAR.example",
    "b@other.example",
    "postmaster",
    "b@bücher.example",
    "no one@local.test",
    "@local.test",
]
RIGHT = base64.b64encode(b"\0user\0right").decode()
HOST = SmartHost("relay.example", 587)


def listing(kind: type[AddressList], entries: list[str]) -> st.SearchStrategy[Any]:
    chosen = st.lists(st.sampled_from(entries), max_size=3, unique=True)
    return st.builds(
        lambda mode, texts, **more: kind(mode=mode, list=tuple(parse_address_entry(text) for text in texts), **more),
        st.sampled_from(ListMode),
        chosen,
        **({"authenticated": st.booleans()} if kind is Relay else {}),
    )


def securities() -> st.SearchStrategy[OutboundSecurity]:
    return st.builds(OutboundSecurity, tls=st.sampled_from(OutboundTls))


def domains() -> st.SearchStrategy[dict[str, Domain]]:
    remote = st.builds(
        Domain,
        type=st.just(DomainType.REMOTE),
        relay=st.booleans(),
        route=st.sampled_from([(), (HOST,)]),
        security=st.none() | securities(),
    )
    ours = {"local.test": Domain(type=DomainType.DEFAULT), "also.test": Domain(type=DomainType.ALIAS)}
    return st.dictionaries(st.sampled_from(DOMAINS), remote, max_size=4).map(lambda others: ours | others)


def servers(entries: list[str]) -> st.SearchStrategy[VirtualServer]:
    return st.builds(
        VirtualServer,
        home=st.just("/home"),
        general=st.just(General()),
        domains=domains(),
        access=st.builds(
            Access,
            anonymous=st.booleans() | st.just(True),
            basic=st.booleans(),
            basic_requires_tls=st.booleans(),
            tls=st.sampled_from(TlsOffer),
            connection=st.just(AddressList()) | listing(AddressList, entries),
            relay=listing(Relay, entries),
        ),
        messages=st.builds(Messages, size_limit=st.sampled_from([0, 1000]), recipient_limit=st.sampled_from([0, 2])),
        delivery=st.builds(
            Delivery,
            fqdn=st.just("mail.example.test"),
            smart_host=st.sampled_from([(), (HOST,)]),
            direct_first=st.booleans(),
            hop_count=st.just(2),
            security=securities(),
        ),
    )


CASES = st.builds(
    Case,
    sender=st.sampled_from(["", "app@local.test", "app", "app@far.example", "bad@@x"]),
    recipients=st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=4, unique=True).map(tuple),
    client=st.sampled_from(CLIENTS),
    user=st.sampled_from(["", "", "user"]),
    tls=st.booleans(),
    implicit=st.sampled_from([False, False, False, True]),
    size=st.sampled_from([None, None, 10, 100_000]),
    headers=st.lists(
        st.sampled_from(
            ["Subject: x", "Received: by a", "Received: by b", ".dotted: x", " starts odd", "Message-ID: <1@x>"]
        ),
        max_size=4,
    ).map(tuple),
)
MANY = settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))


class Live:
    """The session of a case as a real one: `Sessions`, `Session`, `Answers`, a queue in memory, carriers that note."""

    def __init__(self, pool: ThreadPoolExecutor, rules: Rules, case: Case) -> None:
        self.talk = Conversation(pool)
        self.talk.work.rules = rules
        self.talk.sessions.apply(rules)
        self.transport = self.talk.transport = FakeTransport()
        self.transport._extra["peername"] = (case.client, 1)
        self.session = self.talk.session = self.talk.sessions.make()
        self.secured = Secured(self.transport, "TLSv1.3", "none", None)
        if case.implicit:
            self.session.secured = self.secured

    async def greeting(self) -> list[str]:
        self.session.connection_made(self.transport)
        await until(lambda: self.session._waiting is None)
        return self.transport.written.decode().split("\r\n")[:-1]

    async def say(self, command: str, case: Case) -> list[str]:
        if command == ".":
            text = "".join(f"{'.' * line.startswith('.')}{line}\r\n" for line in (*case.headers, "")) + "."
            return await self.talk.say(text.encode() + b"\r\n")
        if command.startswith("AUTH "):
            command = f"AUTH PLAIN {RIGHT}"
        with mock.patch.object(self.talk.sessions, "shake_hands", self._shake_hands):
            said = await self.talk.say(command.encode() + b"\r\n")
            if command == "STARTTLS" and said[0].startswith("220"):
                await until(lambda: self.session.secured is not None and self.session._waiting is None)
        return said

    def _shake_hands(self, _session: object, _transport: object) -> "asyncio.Future[Secured | None]":
        done = asyncio.get_running_loop().create_future()
        done.set_result(self.secured)
        return done

    async def routes(self) -> dict[str, object]:
        await self.talk.work.idle()
        carried = self.talk.work.drop.carried + self.talk.work.remote.carried
        return {str(one.recipient.address): delivery.route for delivery in carried for one in delivery.pending}


def alike(lines: list[str]) -> list[str]:
    """The lines without what differs each time: the date of the greeting, the Message-ID that was made."""
    return ["queued" if line.startswith("250 2.6.0 ") else line[:4] if "ready at" in line else line for line in lines]


async def compare(server: VirtualServer, case: Case, asking: bool) -> None:
    access = server.access
    signs_in = entrance() if access.basic else None
    names, known = None, NOT_ASKED
    if asking:
        names = ClientNames(FakeResolver(NAMES, CONFIRMED), names_of_interest(access.connection, access.relay))
        known = await names.listed(client_address(case.client))
    rules = rules_of("default", server, names, signs_in)
    explanation = explain(rules_of("default", server, None, signs_in), case, NOON, known)
    with ThreadPoolExecutor(1) as pool:
        live = Live(pool, rules, case)
        await follow(live, case, explanation)
        await same_ways(live, explanation)


async def follow(live: Live, case: Case, explanation: Explanation) -> None:
    for command, lines in explanation.dialogue:
        said = await live.say(command, case) if command else await live.greeting()
        assert alike(said) == alike(lines), f"{command}: live said {said}, explain {lines}"
    assert bool(live.talk.drafts) == explanation.accepted


async def same_ways(live: Live, explanation: Explanation) -> None:
    taken = [one for one in explanation.outlooks if one.taken]
    routes = await live.routes()
    assert set(routes.values()) == {one.route for one in taken}
    for one in taken:
        stamped = one.recipient
        assert stamped is not None
        assert routes[str(stamped.address)] == one.route
        assert "report" not in one.fate


@MANY
@given(servers(NETWORKS), CASES)
def test_explain_and_live_agree_by_address(server: VirtualServer, case: Case) -> None:
    asyncio.run(compare(server, case, asking=False))


@MANY
@given(servers(NAMED), CASES)
def test_explain_and_live_agree_by_name(server: VirtualServer, case: Case) -> None:
    asyncio.run(compare(server, case, asking=True))


async def test_without_a_look_up_what_hangs_on_a_name_is_left_open() -> None:
    relay = Relay(list=(parse_address_entry("partner.example"),))
    server = VirtualServer(
        home="/home", domains={"local.test": Domain(type=DomainType.DEFAULT)}, access=Access(relay=relay)
    )
    case = Case("a@local.test", ("b@far.example", "ann@local.test"), client="10.1.2.3")
    rules = rules_of("default", server)
    assert explain(rules, case, NOON).fates == ("hangs on the client's name", "into /home/Drop")
