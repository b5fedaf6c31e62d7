"""TLS to other servers, with servers and an authority of the tests' own."""

import asyncio
import ssl
from datetime import timedelta

import pytest
import uvloop

from mailroot.routing.answers import Addresses, Finding
from mailroot.routing.route import RelayRoute
from mailroot.settings.access import TlsVersion
from mailroot.settings.delivery import OutboundSecurity, OutboundTls
from mailroot.settings.domains import SmartHost
from tests.peers.authority import DAY, Authority, self_signed
from tests.peers.smtp import Peer
from tests.service.carrying import CONTENT, KnownNames, carrier, delivery, smart

NAME = "relay.there.example"
NAMES = KnownNames(addresses={NAME: Addresses(Finding.FOUND, ("127.0.0.1",))})


@pytest.fixture(params=[asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy], ids=["asyncio", "uvloop"])
def event_loop_policy(request):
    return request.param()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


def demanding(tls, authority=None, **more):
    return OutboundSecurity(tls=OutboundTls(tls), ca_file=str(authority.file) if authority else "", **more)


def by_name(peer, security, name=NAME):
    return RelayRoute("", (SmartHost(name, peer.port),), False, 25, False, security)


async def carried(way, route):
    status = (await way.carry(delivery(route)))[0]
    return status.disposition.value, status.code, status.reason


@pytest.mark.parametrize("tls", ["opportunistic", "require", "verify"])
async def test_tls_is_used_where_it_is_offered(tls, authority):
    events = []
    async with Peer(tls=authority.serving(NAME)) as peer, carrier(NAMES, events=events) as way:
        assert (await carried(way, by_name(peer, demanding(tls, authority))))[0] == "relayed"
        assert (await carried(way, by_name(peer, demanding(tls, authority))))[0] == "relayed"
    (connection,) = peer.connections
    assert connection.tls == "TLSv1.3"
    assert connection.commands[:3] == ["EHLO here.example", "STARTTLS", "EHLO here.example"]
    assert connection.messages == [CONTENT, CONTENT]
    assert [fields["tls"] for name, fields in events if name == "attempt"] == ["TLSv1.3", "TLSv1.3"]


async def test_off_never_begins_tls(authority):
    async with Peer(tls=authority.serving(NAME)) as peer, carrier(NAMES) as way:
        assert (await carried(way, by_name(peer, demanding("off"))))[0] == "relayed"
    assert not peer.connections[0].tls and "STARTTLS" not in peer.commands


@pytest.mark.parametrize("tls", ["opportunistic", "require", "verify"])
async def test_implicit_tls_begins_before_the_greeting(tls, authority):
    async with Peer(tls=authority.serving(NAME), implicit=True) as peer, carrier(NAMES) as way:
        route = by_name(peer, demanding(tls, authority, implicit_tls=True))
        assert (await carried(way, route))[0] == "relayed"
    assert peer.connections[0].tls and "STARTTLS" not in peer.commands


async def test_implicit_tls_with_a_server_that_speaks_clear_text_never_falls_back():
    async with Peer() as peer, carrier(NAMES) as way:
        outcome = await carried(way, by_name(peer, demanding("opportunistic", implicit_tls=True)))
    assert outcome[0] == "delayed"
    assert not peer.messages


@pytest.mark.parametrize("names", [("*.there.example",), ("other.example", NAME), (NAME.upper(),)])
async def test_the_names_that_fit_a_host(names, authority):
    async with Peer(tls=authority.serving(*names)) as peer, carrier(NAMES) as way:
        assert (await carried(way, by_name(peer, demanding("verify", authority))))[0] == "relayed"


async def test_a_host_that_is_an_address_needs_a_certificate_for_the_address(authority):
    good, bad = Peer(tls=authority.serving("127.0.0.1")), Peer(tls=authority.serving(NAME))
    async with good, bad, carrier() as way:
        security = demanding("verify", authority)
        assert (await carried(way, smart(good, security=security)))[0] == "relayed"
        refused = await carried(way, smart(bad, security=security))
    assert refused[:2] == ("delayed", "4.7.5")
    assert "not for 127.0.0.1 but for relay.there.example" in refused[2]


@pytest.mark.parametrize(
    "names", [("relay.there.example.net",), ("*.relay.there.example",), ("*.example",), ("*",), ("there.example",)]
)
async def test_a_certificate_for_another_name_is_not_believed(names, authority):
    async with Peer(tls=authority.serving(*names)) as peer, carrier(NAMES) as way:
        outcome = await carried(way, by_name(peer, demanding("verify", authority)))
    assert outcome[:2] == ("delayed", "4.7.5")
    assert f"not for {NAME} but for {names[0]}" in outcome[2]
    assert not peer.messages and not any("MAIL" in command for command in peer.commands)


async def test_a_common_name_alone_is_for_people(authority):
    async with Peer(tls=authority.serving()) as peer, carrier(NAMES) as way:
        outcome = await carried(way, by_name(peer, demanding("verify", authority)))
    assert outcome[0] == "delayed" and "for no host at all" in outcome[2]


async def test_what_is_wrong_with_which_certificate_is_said(authority, tmp_path):
    stranger = Authority(tmp_path, "Strange Authority")
    cases = {
        "its certificate expired on ": authority.serving(NAME, begins=-9 * DAY, ends=-DAY),
        "its certificate is not valid before ": authority.serving(NAME, begins=DAY),
        "its certificate is self-signed": self_signed(tmp_path, NAME),
        "the issuer of its certificate, CN=Strange Authority, is not known here": stranger.serving(NAME),
    }
    for words, context in cases.items():
        events = []
        async with Peer(tls=context) as peer, carrier(NAMES, events=events) as way:
            outcome = await carried(way, by_name(peer, demanding("verify", authority)))
        assert outcome[:2] == ("delayed", "4.7.5")
        assert words in outcome[2], outcome
        assert f"{NAME} (127.0.0.1, port" in outcome[2]
        assert f"certificate of CN={NAME}, for {NAME}, issued by CN=" in outcome[2]
        (down,) = [fields for name, fields in events if name == "destination_down"]
        assert words in down["cause"]


@pytest.mark.parametrize("tls", ["require", "opportunistic"])
async def test_any_certificate_will_do_where_none_is_checked(tls, tmp_path):
    async with Peer(tls=self_signed(tmp_path, "other.example")) as peer, carrier(NAMES) as way:
        assert (await carried(way, by_name(peer, demanding(tls))))[0] == "relayed"
    assert peer.connections[0].tls


async def test_the_systems_authorities_count_where_none_are_named(authority):
    async with Peer(tls=authority.serving(NAME)) as peer, carrier(NAMES) as way:
        outcome = await carried(way, by_name(peer, demanding("verify")))
    assert outcome[:2] == ("delayed", "4.7.5")


@pytest.mark.parametrize("text", [None, "no certificate"])
async def test_authorities_that_cannot_be_read_delay_the_mail(text, tmp_path, authority):
    file = tmp_path / "authorities.pem"
    if text is not None:
        file.write_text(text)
    async with Peer(tls=authority.serving(NAME)) as peer, carrier(NAMES) as way:
        security = OutboundSecurity(tls=OutboundTls.VERIFY, ca_file=str(file))
        outcome = await carried(way, by_name(peer, security))
    assert outcome[:2] == ("delayed", "4.3.5") and str(file) in outcome[2]
    assert not peer.messages


@pytest.mark.parametrize("tls", ["require", "verify"])
@pytest.mark.parametrize("answer", ["454 4.7.0 not now", "502 5.5.1 what?", "221 2.0.0 bye"])
async def test_L18_a_server_that_will_not_begin_tls_gets_nothing_where_it_is_demanded(tls, answer, authority):
    async with Peer({"STARTTLS": answer}, tls=authority.serving(NAME)) as peer, carrier(NAMES) as way:
        outcome = await carried(way, by_name(peer, demanding(tls, authority)))
    assert outcome[:2] == ("delayed", "4.7.10")
    assert not peer.messages


async def test_a_server_that_will_not_begin_tls_gets_clear_text_where_that_is_enough(authority):
    events = []
    peer = Peer({"STARTTLS": "454 4.7.0 not now"}, tls=authority.serving(NAME))
    async with peer, carrier(NAMES, events=events) as way:
        assert (await carried(way, by_name(peer, demanding("opportunistic"))))[0] == "relayed"
    (fallback,) = [fields for name, fields in events if name == "tls_fallback"]
    assert fallback["cause"] == "454 4.7.0 not now" and fallback["remote"] == NAME
    assert len(peer.connections) == 1


def old_only():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


async def test_a_handshake_that_fails_is_followed_by_clear_text_on_another_connection(authority):
    events, context = [], old_only()
    context.load_cert_chain(authority.issue(NAME))
    async with Peer(tls=context) as peer, carrier(NAMES, events=events) as way:
        assert (await carried(way, by_name(peer, demanding("opportunistic"))))[0] == "relayed"
        refused = await carried(way, by_name(peer, demanding("require")))
        assert refused[:2] == ("delayed", "4.7.5") and "the handshake failed" in refused[2]
        old = demanding("require", tls_minimum=TlsVersion.TLS_1_0)
        assert (await carried(way, by_name(peer, old)))[0] == "relayed"
    assert [name for name, _ in events].count("tls_fallback") == 1
    assert [bool(connection.messages) for connection in peer.connections] == [False, True, False, True]
    assert peer.connections[3].tls == "TLSv1.1"


async def test_a_version_below_the_minimum_is_refused(authority):
    context = authority.serving(NAME)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with Peer(tls=context) as peer, carrier(NAMES) as way:
        newest = demanding("verify", authority, tls_minimum=TlsVersion.TLS_1_3)
        assert (await carried(way, by_name(peer, newest)))[1] == "4.7.5"
        assert (await carried(way, by_name(peer, demanding("verify", authority))))[0] == "relayed"


@pytest.mark.parametrize("tls", ["opportunistic", "require"])
@pytest.mark.parametrize(
    "answer",
    [b"220 go\r\n250 fake\r\n", b"220 go\r\n250 fa", b"220-go\r\n220 on\r\n250-"],
    ids=["whole", "cut", "lines"],
)
async def test_D09_what_a_server_says_behind_its_220_ends_the_connection(tls, answer, authority):
    async with Peer({"STARTTLS": answer}, tls=authority.serving(NAME)) as peer, carrier(NAMES) as way:
        outcome = await carried(way, by_name(peer, demanding(tls)))
    assert outcome[:2] == ("delayed", "4.5.0"), outcome
    assert len(peer.connections) == 1 and not peer.messages
    assert peer.commands == ["EHLO here.example", "STARTTLS"]


async def test_a_handshake_that_never_ends_is_left(authority):
    async def silent(reader, writer):
        writer.write(b"220 hi\r\n")
        await reader.readline()
        writer.write(b"250-peer\r\n250 STARTTLS\r\n")
        await reader.readline()
        writer.write(b"220 go\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    peer = Peer(port=server.sockets[0].getsockname()[1])
    async with server, carrier(NAMES, connection_timeout=timedelta(seconds=4)) as way:
        outcome = await carried(way, by_name(peer, demanding("require")))
    assert outcome[:2] == ("delayed", "4.7.5") and "too long" in outcome[2]


async def test_L18_extensions_from_before_tls_are_forgotten(authority):
    def extensions(line):
        return "250-peer\r\n250-STARTTLS\r\n250 PIPELINING" if first.pop() else "250 peer"

    first = [False, True]
    async with Peer({"EHLO": extensions}, tls=authority.serving(NAME)) as peer, carrier(NAMES) as way:
        assert (await carried(way, by_name(peer, demanding("require"))))[0] == "relayed"
    assert any(command.startswith("MAIL FROM:<me@here.example>") for command in peer.commands)
    assert "SIZE" not in " ".join(peer.commands)


async def test_lines_are_shared_only_by_those_who_demand_the_same(authority):
    async with Peer(tls=authority.serving(NAME)) as peer, carrier(NAMES) as way:
        for security in (demanding("off"), demanding("verify", authority), demanding("off")):
            assert (await carried(way, by_name(peer, security)))[0] == "relayed"
    assert [(connection.tls, len(connection.messages)) for connection in peer.connections] == [("", 2), ("TLSv1.3", 1)]


async def test_a_host_that_falls_short_of_one_demand_still_serves_another(authority):
    async with Peer() as peer, carrier(NAMES) as way:
        assert (await carried(way, by_name(peer, demanding("require"))))[1] == "4.7.10"
        assert (await carried(way, by_name(peer, demanding("opportunistic"))))[0] == "relayed"


async def test_the_next_host_is_asked_where_the_first_falls_short(authority):
    async with Peer() as plain, Peer(tls=authority.serving("127.0.0.1")) as good, carrier() as way:
        assert (await carried(way, smart(plain, good, security=demanding("verify", authority))))[0] == "relayed"
    assert not plain.messages and good.messages
