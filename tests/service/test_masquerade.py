"""The masquerade on the wire: MAIL FROM shows it, on the first hop, and nothing else of the message changes."""

import pytest

from mailroot.mail.faults import Unavailable
from mailroot.settings.domains import Domain, DomainType
from tests.peers.smtp import Peer
from tests.service.carrying import carrier, delivery, smart

OURS = b"Received: from box by here.example;\r\n\tmoment\r\n"
REST = b"From: app@inner.example\r\nSubject: x\r\n\r\nReceived: in the body\r\n"
DOMAINS = {"inner.example": Domain(DomainType.DEFAULT), "alias.example": Domain(DomainType.ALIAS)}


async def sent(content=OURS + REST, sender="app@inner.example", masquerade_domain="public.example"):
    async with Peer() as peer, carrier(domains=DOMAINS, masquerade_domain=masquerade_domain) as way:
        letter = delivery(smart(peer), content, sender=sender)
        statuses = await way.carry(letter)
        assert statuses[0].disposition.value == "relayed"
        assert letter.entry.envelope.sender_text == sender
        whole = content if isinstance(content, bytes) else OURS + REST
        assert peer.messages == [whole]
        return next(line for line in peer.commands if line.startswith("MAIL")).split()[1]


@pytest.mark.parametrize("sender", ["app@inner.example", "app@alias.example", "app@INNER.example"])
async def test_a_local_sender_wears_the_masquerade(sender):
    assert await sent(sender=sender) == "FROM:<app@public.example>"


@pytest.mark.parametrize("sender", ["app@other.example", ""])
async def test_other_senders_do_not(sender):
    assert await sent(sender=sender) == f"FROM:<{sender}>"


async def test_what_others_have_relayed_to_us_keeps_its_sender():
    assert await sent(OURS + b"Received: from elsewhere\r\n" + REST) == "FROM:<app@inner.example>"


async def test_without_the_setting_nothing_is_hidden():
    assert await sent(masquerade_domain="") == "FROM:<app@inner.example>"


class OnDisk:
    """Content that is read piece by piece, cut inside the header."""

    size = len(OURS + REST)
    in_memory = False

    def pieces(self):
        whole = OURS + REST
        return iter([whole[:20], whole[20:]])


async def test_a_large_message_wears_it_too():
    assert await sent(OnDisk()) == "FROM:<app@public.example>"


class Unreadable(OnDisk):
    def pieces(self):
        raise Unavailable("the disk is gone")
        yield b""


async def test_a_message_that_cannot_be_read_waits():
    async with Peer() as peer, carrier(domains=DOMAINS, masquerade_domain="public.example") as way:
        statuses = await way.carry(delivery(smart(peer), Unreadable(), sender="app@inner.example"))
        assert statuses[0].disposition.value == "delayed" and peer.messages == []
