"""Which recipients are taken, and what an alias becomes."""

import pytest

from mailroot.mail.address import Mailbox
from mailroot.mail.envelope import Recipient
from mailroot.policy.client import Client, client_address
from mailroot.policy.loop import may_hop
from mailroot.policy.recipient import Place, may_receive, place_of, stamped_recipient
from mailroot.policy.relay import RelayRight
from mailroot.policy.sender import may_send, stamped_sender
from mailroot.policy.verdict import Accept, Refuse
from mailroot.settings.access import Access
from mailroot.settings.domains import Domain, DomainType

LOCAL = place_of("local.test", Domain(type=DomainType.DEFAULT), "local.test")
ALIAS = place_of("alias.test", Domain(type=DomainType.ALIAS), "local.test")
PARTNER = place_of("*.partner.test", Domain(type=DomainType.REMOTE, relay=True), "local.test")
CLOSED = place_of("closed.test", Domain(type=DomainType.REMOTE), "local.test")
UNKNOWN = Place("", "local.test")
MAY = RelayRight(True, "listed")
MAY_NOT = RelayRight(False, "not listed")


@pytest.mark.parametrize(
    ("place", "right", "taken"),
    [
        (LOCAL, MAY_NOT, True),
        (ALIAS, MAY_NOT, True),
        (PARTNER, MAY_NOT, True),
        (CLOSED, MAY_NOT, False),
        (CLOSED, MAY, True),
        (UNKNOWN, MAY_NOT, False),
        (UNKNOWN, MAY, True),
    ],
)
def test_a_recipient_is_taken_by_its_domain_or_by_the_clients_right(
    place: Place, right: RelayRight, taken: bool
) -> None:
    verdict = may_receive(Mailbox("ann", "x.test"), place, right)
    assert isinstance(verdict, Accept if taken else Refuse)


def test_a_refusal_names_the_address_to_the_client_and_the_rule_to_the_log() -> None:
    verdict = may_receive(Mailbox("y", "third.test"), UNKNOWN, MAY_NOT)
    assert isinstance(verdict, Refuse)
    assert verdict.reply.text == "550 5.7.1 Unable to relay for y@third.test"
    assert verdict.cause == "not listed"


@pytest.mark.parametrize(
    "local",
    [
        pytest.param("y%third.test", id="F04"),
        pytest.param('"y@third.test"', id="F06"),
        pytest.param("y@third.test", id="F08"),
        pytest.param("third.test!y", id="F09"),
        pytest.param("IMCEASMTP-y+40third.test", id="F11"),
        pytest.param("imceaex-_o=x", id="F11-lower-case"),
    ],
)
def test_relay_tricks_are_refused_even_to_those_who_may_relay(local: str) -> None:
    verdict = may_receive(Mailbox(local, "local.test"), LOCAL, MAY)
    assert isinstance(verdict, Refuse)
    assert (verdict.reply.code, verdict.reply.enhanced) == (550, "5.7.1")


def test_an_alias_is_stamped_with_the_default_domain_and_its_original_kept() -> None:
    stamped = stamped_recipient(Recipient(Mailbox("ann", "alias.test")), ALIAS)
    assert str(stamped.address) == "ann@local.test"
    assert stamped.orcpt == "rfc822;ann@alias.test"


def test_an_original_recipient_that_the_client_gave_stays() -> None:
    stamped = stamped_recipient(Recipient(Mailbox("ann", "alias.test"), orcpt="rfc822;list@far.test"), ALIAS)
    assert stamped.orcpt == "rfc822;list@far.test"


def test_other_recipients_stay_as_they_are() -> None:
    recipient = Recipient(Mailbox("Ann", "Local.Test"))
    assert stamped_recipient(recipient, LOCAL) is recipient


def test_a_sender_without_a_domain_gets_the_default_one() -> None:
    assert str(stamped_sender(Mailbox("ann", ""), "local.test")) == "ann@local.test"
    assert stamped_sender(None, "local.test") is None


def test_anonymous_clients_are_told_at_mail() -> None:
    verdict = may_send(Client(client_address("192.0.2.1")), Access(anonymous=False))
    assert isinstance(verdict, Refuse)
    assert verdict.reply.code == 454


@pytest.mark.parametrize(("received", "allowed"), [(0, True), (15, True), (16, False), (51, False), (10_000, False)])
def test_H09_a_message_that_passed_too_many_servers_is_refused(received: int, allowed: bool) -> None:
    assert isinstance(may_hop(received, 15), Accept if allowed else Refuse)
