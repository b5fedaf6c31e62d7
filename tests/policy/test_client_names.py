"""Lists that hold names, and what Received says of a name: facts of reverse DNS in, decisions out."""

from ipaddress import ip_address

import pytest

from mailroot.mail.address import Mailbox
from mailroot.policy.access import listed, may_connect, names_of_interest
from mailroot.policy.client import NOT_ASKED, Client, NameFinding, Names
from mailroot.policy.recipient import Place, may_receive
from mailroot.policy.relay import relay_right
from mailroot.policy.trace import remark
from mailroot.policy.verdict import Accept, Refuse, Undecided
from mailroot.settings.access import AddressList, ListMode, Relay
from mailroot.settings.places import address_entry_text, parse_address_entry

ADDRESS = ip_address("192.0.2.9")
NO_NAME = Names(NameFinding.NO_NAME)
FAILED = Names(NameFinding.FAILED, detail="time-out")
FORGED = Names(NameFinding.UNCONFIRMED, claimed=("mail.partner.example",))
OTHER = Names(NameFinding.UNWANTED, claimed=("host.elsewhere.example",))


def entries(*texts: str) -> tuple:
    return tuple(parse_address_entry(text) for text in texts)


def confirmed(*names: str) -> Names:
    return Names(NameFinding.CONFIRMED, names, names)


def client(names: Names = NOT_ASKED, user: str = "") -> Client:
    return Client(ADDRESS, user, names=names)


@pytest.mark.parametrize(
    ("entry", "name", "found"),
    [
        ("partner.example", "partner.example", True),
        ("partner.example", "mail.partner.example", True),
        ("partner.example", "a.b.partner.example", True),
        ("partner.example", "xpartner.example", False),
        ("partner.example", "partner.example.evil.test", False),
        ("partner.example", "example", False),
        ("mail.partner.example", "partner.example", False),
        ("*.partner.example", "mail.partner.example", True),
        ("*.partner.example", "a.b.partner.example", True),
        ("*.partner.example", "partner.example", False),
        ("*.partner.example", "xpartner.example", False),
        ("B\u00fccher.example", "mail.xn--bcher-kva.example", True),
        ("PARTNER.example.", "mail.partner.example", True),
    ],
)
def test_a_name_in_a_list_holds_for_itself_and_all_below_it(entry: str, name: str, found: bool) -> None:
    addresses = AddressList(list=entries(entry))
    assert listed(client(confirmed(name)), addresses).found is found
    of_interest = names_of_interest(AddressList(), addresses)
    assert of_interest is not None
    assert of_interest(name) is found


def test_the_spelling_of_an_entry_is_kept() -> None:
    assert address_entry_text(parse_address_entry("*.Partner.example")) == "*.partner.example"
    for wrong in ("*", "*.", "*.*.example", "a.*.example", "*partner.example"):
        with pytest.raises(ValueError, match="domain name"):
            parse_address_entry(wrong)


def test_no_name_is_of_interest_where_no_list_has_names() -> None:
    assert names_of_interest(AddressList(list=entries("10.0.0.0/8")), Relay()) is None


def test_an_address_decides_before_any_name_is_looked_up() -> None:
    addresses = AddressList(ListMode.ONLY, entries("partner.example", "192.0.2.0/24"))
    assert isinstance(may_connect(client(), addresses), Accept)
    assert relay_right(client(), Relay(ListMode.ONLY, addresses.list)).allowed


def test_names_are_asked_for_where_no_address_decides() -> None:
    named = entries("10.0.0.0/8", "partner.example")
    assert isinstance(may_connect(client(), AddressList(ListMode.ONLY, named)), Undecided)
    for mode in ListMode:
        right = relay_right(client(), Relay(mode, named))
        assert (right.allowed, right.undecided) == (False, True)
        verdict = may_receive(Mailbox("x", "far.example"), Place("", "local.test"), right)
        assert isinstance(verdict, Undecided)


def test_names_are_not_asked_for_where_they_could_change_nothing() -> None:
    undecided = relay_right(client(), Relay(ListMode.ONLY, entries("partner.example")))
    ours = Place("local.test", "local.test", local=True)
    assert isinstance(may_receive(Mailbox("ann", "local.test"), ours, undecided), Accept)
    assert isinstance(may_receive(Mailbox("a%b", "local.test"), ours, undecided), Refuse)
    relayed = Place("far.example", "local.test", relayed=True)
    assert isinstance(may_receive(Mailbox("x", "far.example"), relayed, undecided), Accept)
    assert relay_right(client(user="ann"), Relay(ListMode.ONLY, entries("partner.example"))).allowed


@pytest.mark.parametrize(
    ("mode", "names", "code"),
    [
        (ListMode.ONLY, confirmed("mail.partner.example"), 0),
        (ListMode.ONLY, NO_NAME, 554),
        (ListMode.ONLY, FORGED, 554),
        (ListMode.ONLY, OTHER, 554),
        (ListMode.ONLY, FAILED, 421),
        (ListMode.ALL_EXCEPT, confirmed("mail.partner.example"), 554),
        (ListMode.ALL_EXCEPT, NO_NAME, 0),
        (ListMode.ALL_EXCEPT, FORGED, 0),
        (ListMode.ALL_EXCEPT, OTHER, 0),
        (ListMode.ALL_EXCEPT, FAILED, 0),
    ],
)
def test_truth_table_of_a_connection_list_with_names(mode: ListMode, names: Names, code: int) -> None:
    verdict = may_connect(client(names), AddressList(mode, entries("partner.example")))
    assert (verdict.reply.code if isinstance(verdict, Refuse) else 0) == code


@pytest.mark.parametrize(
    ("mode", "names", "code"),
    [
        (ListMode.ONLY, confirmed("mail.partner.example"), 0),
        (ListMode.ONLY, NO_NAME, 550),
        (ListMode.ONLY, FORGED, 550),
        (ListMode.ONLY, OTHER, 550),
        (ListMode.ONLY, FAILED, 451),
        (ListMode.ALL_EXCEPT, confirmed("mail.partner.example"), 550),
        (ListMode.ALL_EXCEPT, NO_NAME, 0),
        (ListMode.ALL_EXCEPT, FORGED, 0),
        (ListMode.ALL_EXCEPT, FAILED, 0),
    ],
)
def test_truth_table_of_a_relay_list_with_names(mode: ListMode, names: Names, code: int) -> None:
    right = relay_right(client(names), Relay(mode, entries("partner.example")))
    verdict = may_receive(Mailbox("x", "far.example"), Place("", "local.test"), right)
    assert not isinstance(verdict, Undecided)
    assert (verdict.reply.code if isinstance(verdict, Refuse) else 0) == code


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            confirmed("mail.partner.example"),
            "is listed as partner.example (PTR confirmed: mail.partner.example) in access.relay (only)",
        ),
        (NO_NAME, "is not listed (no PTR record) in access.relay (only)"),
        (FORGED, "is not listed (PTR not confirmed: mail.partner.example) in access.relay (only)"),
        (OTHER, "is not listed (another PTR record: host.elsewhere.example) in access.relay (only)"),
        (FAILED, "is not listed (look-up failed: time-out) in access.relay (only)"),
    ],
)
def test_the_cause_says_what_reverse_dns_found(names: Names, words: str) -> None:
    relay = Relay(ListMode.ONLY, entries("10.0.0.0/8", "partner.example"))
    assert relay_right(client(names), relay).cause == f"192.0.2.9 {words}"


@pytest.mark.parametrize(
    ("hello", "names", "expected"),
    [
        ("mail.partner.example", confirmed("mail.partner.example"), ""),
        ("MAIL.Partner.Example.", confirmed("mail.partner.example"), ""),
        ("[192.0.2.9]", OTHER, ""),
        ("[192.0.2.10]", OTHER, "unverified"),
        ("[IPv6:::1]", OTHER, "unverified"),
        ("[nonsense]", OTHER, "unverified"),
        ("partner.example", confirmed("mail.partner.example"), "unverified"),
        ("mail.partner.example", FORGED, "unverified"),
        ("mail.partner.example", OTHER, "unverified"),
        ("", OTHER, "unverified"),
        ("mail.partner.example", NO_NAME, "RDNS failed"),
        ("mail.partner.example", FAILED, "RDNS failed"),
        ("[192.0.2.9]", NO_NAME, "RDNS failed"),
    ],
)
def test_received_says_whether_the_clients_name_is_its_addresss(hello: str, names: Names, expected: str) -> None:
    assert remark(hello, ADDRESS, names) == expected


def test_a_literal_in_ipv6_is_compared_as_an_address() -> None:
    assert remark("[IPv6:2001:DB8:0::1]", ip_address("2001:db8::1"), OTHER) == ""
