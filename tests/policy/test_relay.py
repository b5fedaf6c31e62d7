"""Who may relay, and who may connect: the two lists of the Access sheet."""

from itertools import product

import pytest

from mailroot.policy.access import may_connect
from mailroot.policy.client import Client, client_address
from mailroot.policy.relay import relay_right
from mailroot.policy.verdict import Accept, Refuse
from mailroot.settings.access import AddressList, ListMode, Relay
from mailroot.settings.places import parse_address_entry


def entries(*texts: str) -> tuple:
    return tuple(parse_address_entry(text) for text in texts)


def client(address: str, user: str = "") -> Client:
    return Client(client_address(address), user)


@pytest.mark.parametrize(
    ("mode", "listed", "authenticated"), list(product(ListMode, (False, True), (False, True))), ids=str
)
def test_F18_truth_table_of_the_relay_list(mode: ListMode, listed: bool, authenticated: bool) -> None:
    relay = Relay(mode=mode, list=entries("192.0.2.0/24"), authenticated=True)
    address = "192.0.2.9" if listed else "198.51.100.9"
    right = relay_right(client(address, "ann" if authenticated else ""), relay)
    assert right.allowed is (authenticated or (listed is (mode is ListMode.ONLY)))


def test_an_account_does_not_help_where_the_box_is_clear() -> None:
    relay = Relay(mode=ListMode.ONLY, list=(), authenticated=False)
    assert not relay_right(client("192.0.2.9", "ann"), relay).allowed


def test_the_cause_names_the_entry_that_decided() -> None:
    relay = Relay(mode=ListMode.ONLY, list=entries("10.0.0.0/8"))
    assert "10.0.0.0/8" in relay_right(client("10.1.2.3"), relay).cause


def test_F16_an_ipv4_client_over_an_ipv6_socket_is_an_ipv4_client() -> None:
    relay = Relay(mode=ListMode.ONLY, list=entries("10.0.0.0/8"))
    assert relay_right(client("::ffff:10.0.0.5"), relay).allowed
    assert not relay_right(client("::ffff:11.0.0.5"), relay).allowed


def test_a_zone_does_not_hide_an_address() -> None:
    assert str(client_address("fe80::1%eth0")) == "fe80::1"


def test_everybody_may_connect_by_default() -> None:
    assert isinstance(may_connect(client("203.0.113.1"), AddressList()), Accept)


def test_a_listed_client_is_kept_out_by_all_except() -> None:
    addresses = AddressList(mode=ListMode.ALL_EXCEPT, list=entries("203.0.113.0/24"))
    verdict = may_connect(client("203.0.113.1"), addresses)
    assert isinstance(verdict, Refuse)
    assert verdict.reply.code == 554
    assert "203.0.113.0/24" in verdict.cause


def test_only_listed_clients_come_in_with_only() -> None:
    addresses = AddressList(mode=ListMode.ONLY, list=entries("::1", "127.0.0.1"))
    assert isinstance(may_connect(client("::1"), addresses), Accept)
    assert isinstance(may_connect(client("192.0.2.1"), addresses), Refuse)


def test_everybody_may_send_into_a_trap() -> None:
    right = relay_right(client("192.0.2.9"), Relay(ListMode.ONLY, ()), trapped=True)
    assert right.allowed and "trap" in right.cause
