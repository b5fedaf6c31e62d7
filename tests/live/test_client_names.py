"""Clients by name, live: sockets from several loopback addresses, and a DNS server that may be forged or silent."""

import itertools
import select
import smtplib
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.outside import Outside, outside, settings
from tests.live.rawclient import RawClient
from tests.live.running import Service, free_port, running, until
from tests.peers.dns import Names

PARTNER, FORGED, NAMELESS, SILENT, MANY, SHARED = (f"127.0.0.{last}" for last in (11, 12, 13, 14, 15, 16))
SILENT_NETWORKS = [[f"127.0.{net}.{last}" for last in range(1, 41)] for net in range(9, 14)]
ONE_BY_ONE = [f"127.0.8.{last}" for last in range(1, 11)]  # as silent, each asked once
FAR = b"RCPT TO:<x@far.test>\r\n"


def pointer(address: str) -> tuple[str, str]:
    return (".".join(reversed(address.split("."))) + ".in-addr.arpa", "PTR")


ZONE = {
    pointer(PARTNER): ["mail.partner.example."],
    ("mail.partner.example", "A"): [PARTNER],
    pointer(FORGED): ["mail.partner.example."],
    pointer(MANY): [*(f"n{number}.elsewhere.example." for number in range(40)), "many.partner.example."],
    ("many.partner.example", "A"): ["192.0.2.77", MANY],
    (pointer(SHARED)[0], "CNAME"): ["16.16-31.0.0.127.in-addr.arpa."],
    ("16.16-31.0.0.127.in-addr.arpa", "PTR"): ["shared.partner.example."],
    ("shared.partner.example", "A"): [SHARED],
}
SILENCE = {pointer(address)[0] for address in (SILENT, *ONE_BY_ONE, *itertools.chain(*SILENT_NETWORKS))}

# One server whose relay list has a name and whose Received tells, one that lets in by name alone.
MORE = """
[servers.closed]
home = "Closed"

[servers.closed.general]
bindings = ["127.0.0.1:{closed}"]

[servers.closed.access.connection]
mode = "only"
list = ["*.partner.example", "127.0.0.1"]

[servers.closed.delivery]
fqdn = "closed.local.test"
dns = ["127.0.0.1:{dns}"]

[servers.closed.domains."local.test"]
type = "default"
"""


class Named:
    """A service whose clients have names; `closed` is the port of the server that lets in by name alone."""

    def __init__(self, service: Service, closed: int, names: Names) -> None:
        self.service, self.port, self.closed, self.names = service, service.port, closed, names

    def told(self, event: str, address: str) -> list[str]:
        """The causes of events about a client."""
        return [str(one["cause"]) for one in self.service.events(event) if one["address"] == address]


@pytest.fixture(scope="module")
def world() -> Iterator[Outside]:
    with outside() as made:
        yield made


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory, world: Outside) -> Iterator[Named]:
    names = world.enter(Names(ZONE, silent=SILENCE))
    closed = free_port()
    delivery = f'dns = ["127.0.0.1:{names.port}"]\nreverse_dns = true'
    text = settings(delivery, MORE.format(closed=closed, dns=names.port))
    text = text.replace('list = ["127.0.0.1"]', 'list = ["partner.example"]')
    with running(tmp_path_factory.mktemp("named"), settings=text) as service:
        yield Named(service, closed, names)


def envelope(client: RawClient) -> bytes:
    """The reply to a recipient elsewhere."""
    client.greeted()
    assert client.say(b"MAIL FROM:<a@b.test>\r\n").startswith(b"250")
    return client.say(FAR)


@pytest.mark.parametrize("address", [PARTNER, MANY, SHARED], ids=["one name", "many names", "a shared reverse zone"])
def test_a_client_relays_by_its_confirmed_name(named: Named, address: str) -> None:
    with RawClient(named.port, address) as client:
        assert envelope(client).startswith(b"250 ")


@pytest.mark.parametrize(
    ("address", "words"),
    [(FORGED, "(PTR not confirmed: mail.partner.example)"), (NAMELESS, "(no PTR record)")],
    ids=["forged", "nameless"],
)
def test_F02_a_name_that_only_the_client_claims_gives_no_right(named: Named, address: str, words: str) -> None:
    with RawClient(named.port, address) as client:
        assert envelope(client).startswith(b"550 5.7.1 Unable to relay for x@far.test")
    expected = f"{address} is not listed {words} in access.relay (only)"
    until(lambda: expected in named.told("refused", address), "the cause in the log")


def test_only_clients_with_the_name_may_connect(named: Named) -> None:
    with RawClient(named.closed, PARTNER) as client:
        client.greeted()
    with RawClient(named.closed, FORGED) as client:
        assert client.reply().startswith(b"554 5.7.1 Access denied for 127.0.0.12")
    cause = f"{FORGED} is not listed (PTR not confirmed: mail.partner.example) in access.connection (only)"
    until(lambda: cause in named.told("connection_refused", FORGED), "the cause in the log")


def answered(client: RawClient) -> bool:
    """Whether a client has been told anything."""
    return bool(select.select([client.socket], [], [], 0)[0])


def others_come_first(named: Named, silent: str) -> bool:
    """Whether others are served while clients of a silent zone wait; these are told after the resolver's 5 seconds.

    A machine that is busy with other work may need so long for the others that this says nothing.
    """
    began = time.monotonic()
    with RawClient(named.closed, silent) as waiting, RawClient(named.port, silent) as relaying:
        relaying.greeted()
        relaying.say(b"MAIL FROM:<a@b.test>\r\n")
        relaying.send(FAR)
        for address in (PARTNER, MANY, "127.0.0.1"):
            with RawClient(named.closed, address) as client:
                client.greeted()
        with RawClient(named.port, PARTNER) as client:
            assert envelope(client).startswith(b"250 ")
        first = not answered(waiting) and not answered(relaying)
        assert waiting.reply().startswith(b"421 4.7.25 ")
        assert relaying.reply().startswith(b"451 4.7.25 ")
        assert time.monotonic() - began > 4
    until(lambda: any("time-out" in cause for cause in named.told("refused", silent)), "the cause in the log")
    return first


def test_a_resolver_that_is_silent_holds_nobody_else_up(named: Named) -> None:
    assert any(others_come_first(named, address) for address in ONE_BY_ONE)


def served_beside(named: Named, network: list[str]) -> bool:
    """Whether a client is greeted while many of a silent network wait."""
    waiting = [RawClient(named.closed, address) for address in network for _ in range(3)]
    try:
        with RawClient(named.closed, MANY) as client:
            client.greeted()
        return not answered(waiting[-1])
    finally:
        for one in waiting:
            one.__exit__()


def test_M01_a_network_with_a_silent_reverse_zone_holds_nobody_else_up(named: Named) -> None:
    assert any(served_beside(named, network) for network in SILENT_NETWORKS)


@pytest.mark.parametrize(
    ("address", "hello", "words"),
    [
        (PARTNER, "mail.partner.example", "mail.partner.example ([127.0.0.11])"),
        (PARTNER, "other.example", "other.example ([127.0.0.11] unverified)"),
        (FORGED, "mail.partner.example", "mail.partner.example ([127.0.0.12] unverified)"),
        (NAMELESS, "nameless.example", "nameless.example ([127.0.0.13] RDNS failed)"),
        (SILENT, "silent.example", "silent.example ([127.0.0.14] RDNS failed)"),
    ],
    ids=["verified", "another name", "forged", "nameless", "silent"],
)
def test_received_tells_what_reverse_dns_says(named: Named, address: str, hello: str, words: str) -> None:
    with RawClient(named.port, address) as client:
        client.greeted(f"EHLO {hello}\r\n".encode()).envelope()
        assert client.say(b"Subject: x\r\n\r\nHello.\r\n.\r\n").startswith(b"250 ")
    expected = f"Received: from {words} by mail.local.test with ".encode()
    until(lambda: any(expected in path.read_bytes() for path in named.service.dropped()), "the message in Drop")


def test_a_client_that_waits_for_a_silent_resolver_does_not_hold_up_the_end(tmp_path: Path, world: Outside) -> None:
    names = world.enter(Names({}, silent={"PTR"}))
    text = settings(f'dns = ["127.0.0.1:{names.port}"]')
    text += '[servers.default.access.connection]\nmode = "only"\nlist = ["partner.example"]\n'
    with running(tmp_path, settings=text) as service, RawClient(service.port) as client:
        until(lambda: names.asked, "the question")
        assert service.stop() == 0
        assert client.reply().startswith(b"421 4.3.2")  # not what is said once the resolver is given up


def test_a_name_counts_from_the_next_session_on_once_it_is_set(tmp_path: Path, world: Outside) -> None:
    names = world.enter(Names(ZONE))
    with running(tmp_path, settings=settings(f'dns = ["127.0.0.1:{names.port}"]'), workers=2) as service:
        with RawClient(service.port, PARTNER) as before:
            assert envelope(before).startswith(b"550 ")
            service.run("set", "servers.default.access.relay.list", '["*.partner.example"]')
            assert before.say(FAR).startswith(b"550 ")
            with RawClient(service.port, PARTNER) as after:
                assert envelope(after).startswith(b"250 ")
        assert names.asked.count(pointer(PARTNER)) == 1


def test_what_reverse_dns_says_is_told_inside_tls_too(named: Named) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", named.port, "inside.example", 120, (PARTNER, 0)) as client:
        client.starttls(context=context)
        client.sendmail("a@b.test", ["ann@local.test", "x@far.test"], "Subject: x\r\n\r\nx\r\n")
    expected = b"from inside.example ([127.0.0.11] unverified) by mail.local.test over TLS secured channel with "
    until(lambda: any(expected in path.read_bytes() for path in named.service.dropped()), "the message in Drop")
