"""What the tests of the way out share: a carrier, deliveries, routes, a resolver that knows its answers."""

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta

from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.sharedturns import LASTING_SLOTS, SharedTurns
from mailroot.edge.tokens import TokenFailed, Tokens
from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Body, Envelope, Recipient
from mailroot.mail.message import BytesContent
from mailroot.queue.entry import Origin, Pending, QueueEntry
from mailroot.routing.answers import Addresses, Finding, MailExchangers
from mailroot.routing.route import RelayRoute
from mailroot.service.deliver.delivery import Delivery
from mailroot.service.relay.connections import CountedLimit
from mailroot.service.relay.remote import RemoteCarrier, Way
from mailroot.service.relay.signin import Wallet
from mailroot.service.relay.signing import Signer
from mailroot.settings.delivery import Delivery as DeliverySettings
from mailroot.settings.domains import SmartHost
from mailroot.settings.virtualserver import Messages, OutboundSecurity, VirtualServer


async def _no_token(oauth2):
    return TokenFailed("no tokens here")


def purse(request=_no_token, failed=lambda source, cause: None):
    """What it takes to sign in, with tokens by `request`."""
    return Wallet(Tokens(request, time.monotonic, failed), lambda security, host: None, lambda: datetime.now(UTC))


def own_turns(moment=time.monotonic, now=time.time):
    """Turns that no other worker shares."""
    return SharedTurns(SharedCounts(1, LASTING_SLOTS), 0, 0, moment, now)


NO_WALLET = purse()
NOW = datetime(2026, 1, 2, tzinfo=UTC)
CONTENT = b"Subject: hello\r\n\r\n.body\r\n"


class KnownNames:
    """A resolver that needs no network."""

    def __init__(self, exchangers=None, addresses=None):
        self.mx = exchangers or {}
        self.hosts = addresses or {}

    async def exchangers(self, domain):
        return self.mx.get(domain, MailExchangers(Finding.NO_NAME))

    async def addresses(self, name):
        return self.hosts.get(name, Addresses(Finding.NO_NAME))


def loopback(**numbers):
    """Exchangers of d.example, best first, each with its loopback address."""
    records = tuple((place * 10, name) for place, name in enumerate(numbers))
    return KnownNames(
        {"d.example": MailExchangers(Finding.FOUND, records)},
        {name: Addresses(Finding.FOUND, (address,)) for name, address in numbers.items()},
    )


@contextlib.asynccontextmanager
async def carrier(
    resolver=None,
    bindings=(),
    limit=None,
    events=None,
    per_connection=20,
    wallet=None,
    domains=None,
    pace=None,
    turns=None,
    log=None,
    **delivery,
):
    delivery = {"fqdn": "here.example", "private_exchangers": True} | delivery
    settings = VirtualServer(
        delivery=DeliverySettings(**delivery),
        messages=Messages(per_connection=per_connection),
        domains=domains or {},
        pace=pace or {},
    )
    counted = limit or CountedLimit(settings.delivery.connection_limit)

    def emit(row, **fields):
        assert set(row.fields) <= set(fields), row.name
        if events is not None:
            events.append((row.name, fields))

    signer = Signer("default", settings, emit, lambda: NOW)
    made = RemoteCarrier(
        Way(
            "default",
            settings,
            resolver or KnownNames(),
            emit,
            bindings,
            counted,
            wallet or NO_WALLET,
            turns or own_turns(),
            signer,
            log=log,
        )
    )
    try:
        yield made
    finally:
        await made.close()


def smart(*peers, domain="d.example", direct_first=False, security=None):
    hosts = tuple(SmartHost(peer.address, peer.port, literal=True) for peer in peers)
    return RelayRoute(domain, hosts, direct_first, 25, False, security or OutboundSecurity())


def direct(port, domain="d.example"):
    return RelayRoute(domain, (), False, port, False, OutboundSecurity())


def delivery(route, content=CONTENT, recipients=("a@d.example",), sender="me@here.example", source="smtp", **envelope):
    people = tuple(Recipient(Mailbox(*text.rsplit("@", 1))) for text in recipients)
    letter = Envelope(Mailbox(*sender.rsplit("@", 1)) if sender else None, people, **envelope)
    pending = tuple(Pending(number, person, NOW) for number, person in enumerate(people))
    held = BytesContent(content) if isinstance(content, bytes) else content
    entry = QueueEntry("entry-1", letter, held, Origin(source), NOW, "<1@here.example>", pending)
    return Delivery(entry, pending, route)


async def until(condition, limit=60.0):
    """Wait for a condition of another task; fails when it does not come true."""
    async with asyncio.timeout(limit):
        while not condition():
            await asyncio.sleep(0.005)


__all__ = [
    "CONTENT",
    "NOW",
    "Body",
    "KnownNames",
    "carrier",
    "delivery",
    "direct",
    "loopback",
    "smart",
    "timedelta",
    "until",
]
