"""From answers to hosts: order, fallback, loops and forbidden addresses."""

import pytest

from mailroot.mail.status import Disposition, Status
from mailroot.routing.answers import Addresses, Finding, MailExchangers
from mailroot.routing.exchangers import (
    Exchanger,
    Host,
    Surroundings,
    exchangers_of,
    hosts_at,
    hosts_of,
    literal_address,
    smart_host_of,
)

OURS = Surroundings("here.example", lambda address: address == "203.0.113.1", lambda address, port: False)


def mx(*records):
    return MailExchangers(Finding.FOUND, records)


def at(*ipv4, ipv6=()):
    return Addresses(Finding.FOUND, ipv4, ipv6)


def choose(records, addresses, ours=OURS, port=25):
    exchangers = exchangers_of("d.example", mx(*records), lambda: 0.5)
    assert not isinstance(exchangers, Status)
    return hosts_of("d.example", exchangers, addresses, ours, port)


def test_lower_preferences_come_first_and_equals_in_random_order():
    numbers = iter([0.9, 0.1, 0.5])
    found = exchangers_of("d.example", mx((10, "a"), (10, "b"), (5, "c")), lambda: next(numbers))
    assert [exchanger.name for exchanger in found] == ["c", "b", "a"]


def test_without_mx_the_domain_is_its_own_exchanger():
    assert exchangers_of("d.example", MailExchangers(Finding.NO_RECORDS), lambda: 0) == (Exchanger(0, "d.example"),)


@pytest.mark.parametrize(
    ("answer", "disposition", "code"),
    [
        (MailExchangers(Finding.NO_NAME), Disposition.FAILED, "5.1.2"),
        (MailExchangers(Finding.FAILED, detail="timed out"), Disposition.DELAYED, "4.4.3"),
    ],
)
def test_a_domain_that_cannot_be_looked_up_has_a_status(answer, disposition, code):
    status = exchangers_of("d.example", answer, lambda: 0)
    assert (status.disposition, status.code) == (disposition, code)


def test_L09_null_mx_fails_at_once():
    status = exchangers_of("d.example", mx((0, "")), lambda: 0)
    assert (status.disposition, status.code) == (Disposition.FAILED, "5.1.10")


def test_the_root_among_others_is_passed_over():
    assert exchangers_of("d.example", mx((0, ""), (5, "a")), lambda: 0) == (Exchanger(5, "a"),)


def test_both_families_are_tried_in_turn():
    hosts = hosts_at("m", at("192.0.2.1", "192.0.2.2", ipv6=("2001:db8::1",)), 25)
    assert [host.address for host in hosts] == ["192.0.2.1", "2001:db8::1", "192.0.2.2"]


def test_hosts_follow_their_exchangers_order():
    hosts = choose([(20, "b"), (10, "a")], {"a": at("8.8.8.8"), "b": at("9.9.9.9")})
    assert hosts == (Host("a", "8.8.8.8", 25), Host("b", "9.9.9.9", 25))


def test_J11_an_exchanger_that_is_ourselves_fails_at_once():
    status = choose([(10, "Here.Example")], {"Here.Example": at("8.8.8.8")})
    assert (status.disposition, status.code) == (Disposition.FAILED, "5.4.6")
    status = choose([(10, "a")], {"a": at("203.0.113.1")})
    assert status.code == "5.4.6"


def test_J12_only_better_exchangers_than_ourselves_are_asked():
    addresses = {"a": at("8.8.8.8"), "us": at("203.0.113.1"), "b": at("9.9.9.9"), "c": at("9.9.9.10")}
    hosts = choose([(10, "a"), (20, "us"), (20, "b"), (30, "c")], addresses)
    assert [host.name for host in hosts] == ["a"]
    assert choose([(20, "us"), (20, "b"), (30, "c")], addresses).code == "5.4.6"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "0.0.0.0",
        "169.254.1.1",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "ff02::1",
    ],
)
def test_L10_addresses_that_no_stranger_may_send_us_to(address):
    found = at(ipv6=(address,)) if ":" in address else at(address)
    status = choose([(10, "a")], {"a": found})
    assert isinstance(status, Status) and status.disposition is Disposition.FAILED
    private = Surroundings("here.example", OURS.is_local, OURS.is_bound, private_exchangers=True)
    assert choose([(10, "a")], {"a": found}, private) == (Host("a", address, 25),)


def test_L10_a_forbidden_address_leaves_the_others():
    hosts = choose([(10, "a")], {"a": at("10.0.0.1", "8.8.8.8")})
    assert [host.address for host in hosts] == ["8.8.8.8"]


def test_F24_a_listener_of_ours_is_never_a_next_hop():
    bound = Surroundings(
        "here.example", lambda _: False, lambda address, port: (address, port) == ("8.8.8.8", 25), True
    )
    assert choose([(10, "a")], {"a": at("8.8.8.8")}, bound).code == "5.4.6"
    assert smart_host_of("[8.8.8.8]", at("8.8.8.8"), bound, 25).code == "5.4.6"
    assert smart_host_of("[8.8.8.8]", at("8.8.8.8"), bound, 26) == (Host("[8.8.8.8]", "8.8.8.8", 26),)


def test_a_failed_look_up_of_addresses_delays_and_missing_ones_fail():
    assert choose([(10, "a")], {"a": Addresses(Finding.FAILED, detail="x")}).code == "4.4.3"
    assert choose([(10, "a")], {"a": Addresses(Finding.NO_RECORDS)}).code == "5.4.4"
    both = {"a": Addresses(Finding.NO_NAME), "b": Addresses(Finding.FAILED, detail="x")}
    assert choose([(10, "a"), (20, "b")], both).disposition is Disposition.DELAYED


def test_a_smart_host_that_is_not_found_makes_mail_wait():
    status = smart_host_of("relay.example", Addresses(Finding.NO_NAME), OURS, 25)
    assert (status.disposition, status.code) == (Disposition.DELAYED, "4.4.3")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("[192.0.2.1]", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ("[::1]", "::1"),
        ("relay.example", None),
        ("[relay.example]", None),
    ],
)
def test_L21_a_literal_is_known_with_and_without_brackets(text, address):
    assert literal_address(text) == address
