"""Which senders the masquerade hides (facts 1.4)."""

import pytest

from mailroot.mail.address import Mailbox
from mailroot.routing.domains import DomainTable
from mailroot.routing.masquerade import Masquerade, is_first_hop
from mailroot.settings.domains import Domain, DomainType

MASQUERADE = Masquerade(
    "public.example",
    DomainTable(
        {
            "inner.example": Domain(DomainType.DEFAULT),
            "also.example": Domain(DomainType.ALIAS),
            "*.partner.example": Domain(DomainType.REMOTE),
        }
    ),
)


@pytest.mark.parametrize("domain", ["inner.example", "INNER.example", "also.example"])
def test_local_domains_are_hidden(domain):
    sender = Mailbox("App", domain)
    assert MASQUERADE.hides(sender)
    assert str(MASQUERADE.sender(sender)) == "App@public.example"


@pytest.mark.parametrize("domain", ["other.example", "a.partner.example", "below.inner.example", ""])
def test_other_domains_stay(domain):
    assert not MASQUERADE.hides(Mailbox("app", domain))


def test_the_null_sender_stays():
    assert not MASQUERADE.hides(None)


def test_only_mail_that_entered_here_is_on_its_first_hop():
    assert is_first_hop(0) and is_first_hop(1)
    assert not is_first_hop(2)
