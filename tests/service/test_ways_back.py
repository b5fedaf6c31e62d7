"""Ways that lead back to ourselves are seen before mail goes round: by address and port, by MX, by our own greeting."""

import pytest

from mailroot.routing.answers import Addresses, Finding, MailExchangers
from mailroot.routing.route import RelayRoute
from mailroot.settings.domains import SmartHost
from mailroot.settings.virtualserver import OutboundSecurity
from tests.peers.smtp import Peer
from tests.service.carrying import KnownNames, carrier, delivery, direct, smart

OWN = "220 here.example Mailroot ESMTP Service ready at  Thu, 1 Jan 2026 00:00:00 +0000 "


def code(statuses):
    return statuses[0].disposition.value, statuses[0].code


async def test_a_host_that_greets_us_as_we_do_gets_no_mail():
    async with Peer({"GREETING": OWN}) as peer, carrier() as way:
        statuses = await way.carry(delivery(smart(peer)))
        assert code(statuses) == ("delayed", "4.4.6")
        assert "leads back to this server" in statuses[0].reason and "delivery.fqdn" in statuses[0].reason
        assert peer.messages == [] and not any(line.startswith("MAIL") for line in peer.commands)


async def test_the_next_host_is_asked_where_the_first_is_ourselves():
    async with Peer({"GREETING": OWN}) as ourselves, Peer() as other, carrier() as way:
        assert code(await way.carry(delivery(smart(ourselves, other)))) == ("relayed", "2.0.0")
        assert len(other.messages) == 1


@pytest.mark.parametrize(
    "greeting",
    [
        "220 here.example ESMTP Postfix",
        "220 other.example Mailroot ESMTP Service ready at  Thu, 1 Jan 2026 00:00:00 +0000 ",
    ],
)
async def test_another_program_or_another_name_is_not_taken_for_ourselves(greeting):
    async with Peer({"GREETING": greeting}) as peer, carrier() as way:
        assert code(await way.carry(delivery(smart(peer)))) == ("relayed", "2.0.0")


async def test_a_name_that_leads_to_another_binding_of_ours_gets_no_mail():
    async with Peer() as peer:
        names = KnownNames(addresses={"relay.example": Addresses(Finding.FOUND, (peer.address,))})
        route = RelayRoute("", (SmartHost("relay.example", peer.port),), False, 25, False, OutboundSecurity())
        async with carrier(names, bindings=[("0.0.0.0", 2525), ("127.0.0.1", peer.port)]) as way:
            assert code(await way.carry(delivery(route))) == ("failed", "5.4.6")
        assert not peer.connections


async def test_of_several_smart_hosts_only_the_others_are_asked():
    async with Peer() as ourselves, Peer() as other, carrier(bindings=[("127.0.0.1", ourselves.port)]) as way:
        assert code(await way.carry(delivery(smart(ourselves, other)))) == ("relayed", "2.0.0")
        assert not ourselves.connections


async def test_an_exchanger_that_is_another_binding_of_ours_gets_no_mail():
    async with Peer() as peer:
        records = MailExchangers(Finding.FOUND, ((10, "mx.example"),))
        names = KnownNames({"d.example": records}, {"mx.example": Addresses(Finding.FOUND, (peer.address,))})
        async with carrier(names, bindings=[("0.0.0.0", 25), ("127.0.0.1", peer.port)]) as way:
            assert code(await way.carry(delivery(direct(peer.port)))) == ("failed", "5.4.6")
        assert not peer.connections
