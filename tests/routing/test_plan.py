"""Domains and routes."""

import time

import pytest

from mailroot.mail.address import Mailbox
from mailroot.routing.domains import DomainTable
from mailroot.routing.plan import Plan
from mailroot.routing.route import DropRoute, HoldRoute, NoRoute, RelayRoute
from mailroot.settings.delivery import Delivery
from mailroot.settings.domains import Domain, DomainType
from mailroot.settings.places import SmartHost
from mailroot.settings.trap import Trap
from mailroot.settings.virtualserver import VirtualServer

DOMAINS = {
    "local.test": Domain(type=DomainType.DEFAULT),
    "alias.test": Domain(type=DomainType.ALIAS),
    "own.test": Domain(type=DomainType.CUSTOM, drop="/elsewhere", former=("once.test", "far.test")),
    "*.example.com": Domain(relay=True),
    "*.b.example.com": Domain(use_helo=True),
    "held.test": Domain(hold=True),
    "*.held.test": Domain(hold=True, route=(SmartHost("hub.test"),)),
    "far.test": Domain(route=(SmartHost("hub.test", 2525),)),
}


def plan(**delivery: object) -> Plan:
    server = VirtualServer(home="/home", domains=DOMAINS, delivery=Delivery(**delivery))  # type: ignore[arg-type]
    return Plan(server, DomainTable(DOMAINS))


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("example.com", None),
        ("a.example.com", "*.example.com"),
        ("a.b.example.com", "*.b.example.com"),
        ("b.example.com", "*.example.com"),
        ("xexample.com", None),
        ("LOCAL.Test.", "local.test"),
        ("nowhere.test", None),
    ],
)
def test_F15_wildcards_hold_below_their_domain_and_the_longest_wins(domain: str, name: str | None) -> None:
    match = DomainTable(DOMAINS).find(domain)
    assert (match.name if match else None) == name


def test_E30_domains_are_compared_without_case_and_trailing_dot() -> None:
    assert isinstance(plan().route("LOCAL.TEST."), DropRoute)


def test_an_international_domain_is_found_in_both_of_its_forms() -> None:
    table = DomainTable({"bücher.test": Domain(type=DomainType.DEFAULT)})
    assert table.find("xn--bcher-kva.test") is not None
    assert table.find("BÜCHER.test") is not None


@pytest.mark.parametrize("domain", ["nowhere.test", "far.test", "held.test", "a.example.com", "", "local.test"])
def test_a_trap_captures_every_way_out_in_drop(domain: str) -> None:
    assert plan(trap=Trap(None)).route(domain) == DropRoute("local.test", "/home/Drop")


def test_a_trap_that_captures_leaves_other_drop_folders_their_mail() -> None:
    assert plan(trap=Trap(None)).route("own.test") == DropRoute("own.test", "/elsewhere")


@pytest.mark.parametrize(("trap", "way"), [("dev@far.test", "far.test"), ("dev@held.test", "x.test")])
def test_the_way_to_a_traps_address_is_everybodys(trap: str, way: str) -> None:
    made = plan(trap=Trap(Mailbox(*trap.split("@"))), recipients_per_transaction=1)
    expected = plan().route(way) if way == "far.test" else plan().route("held.test").relay  # type: ignore[union-attr]
    people = [Mailbox("a", domain) for domain in ("nowhere.test", "local.test", "held.test", "own.test")]
    assert made.group(people) == [(expected, [0, 1, 2, 3])] and made.trapped


def test_a_trap_with_an_address_of_ours_redirects_into_its_drop() -> None:
    address = Mailbox("dev", "own.test")
    assert plan(trap=Trap(address)).route("nowhere.test") == DropRoute("own.test", "/elsewhere", address)


def test_M12_ten_thousand_domains_cost_no_more_than_ten() -> None:
    many = DomainTable({f"*.d{number}.test": Domain() for number in range(10_000)})
    began = time.perf_counter()
    for _ in range(1_000):
        many.find("a.b.c.d.e.f.g.h.d9999.test")
    assert time.perf_counter() - began < 1.0
    assert many.find(".".join("a" * 120) + ".d5.test") is not None


def test_local_mail_goes_into_the_default_domains_drop_folder() -> None:
    assert plan().route("local.test") == DropRoute("local.test", "/home/Drop")
    assert plan().route("alias.test") == DropRoute("local.test", "/home/Drop")


def test_a_domain_may_have_a_drop_folder_of_its_own() -> None:
    assert plan().route("own.test") == DropRoute("own.test", "/elsewhere")


def test_what_waits_under_a_former_name_goes_where_the_domain_goes_now() -> None:
    assert plan().route("ONCE.test") == DropRoute("own.test", "/elsewhere")
    assert DomainTable(DOMAINS).find("once.test") is None


def test_a_domain_that_is_there_is_nobodys_former_name() -> None:
    assert isinstance(plan().route("far.test"), RelayRoute)


def test_other_mail_goes_by_mx() -> None:
    route = plan().route("nowhere.test")
    assert isinstance(route, RelayRoute)
    assert (route.domain, route.smart_hosts, route.port, route.destination) == ("nowhere.test", (), 25, "nowhere.test")


def test_a_smart_host_takes_all_other_mail() -> None:
    route = plan(smart_host=(SmartHost("relay.test", 587),)).route("nowhere.test")
    assert isinstance(route, RelayRoute)
    assert route.destination == "relay.test:587"


def test_with_direct_first_each_domain_is_a_destination_of_its_own() -> None:
    route = plan(smart_host=(SmartHost("relay.test", 587),), direct_first=True).route("nowhere.test")
    assert isinstance(route, RelayRoute)
    assert route.direct_first
    assert route.destination == "nowhere.test"


def test_a_domains_route_overrides_the_servers_smart_host() -> None:
    route = plan(smart_host=(SmartHost("relay.test", 587),), direct_first=True).route("far.test")
    assert isinstance(route, RelayRoute)
    assert route.destination == "hub.test:2525"


def test_helo_is_a_property_of_the_domain() -> None:
    route = plan().route("x.b.example.com")
    assert isinstance(route, RelayRoute)
    assert route.use_helo


def test_mail_for_a_domain_that_holds_waits_by_its_own_name_and_knows_its_way() -> None:
    waiting, below = plan().route("HELD.test"), plan().route("b.held.test")
    assert isinstance(waiting, HoldRoute) and isinstance(below, HoldRoute)
    assert (waiting.domain, waiting.relay.domain) == ("held.test", "held.test")
    assert (below.domain, below.relay.destination) == ("b.held.test", "hub.test")
    assert "the server of held.test asks" in waiting.status.reason


def test_domains_that_hold_wait_apart_even_with_one_smart_host() -> None:
    recipients = [Mailbox("a", "b.held.test"), Mailbox("a", "c.held.test"), Mailbox("b", "b.held.test")]
    assert sorted(places for _, places in plan().group(recipients)) == [[0, 2], [1]]


def test_recipients_with_one_route_travel_together() -> None:
    recipients = [Mailbox("a", "local.test"), Mailbox("b", "nowhere.test"), Mailbox("c", "alias.test")]
    assert sorted(places for _, places in plan().group(recipients)) == [[0, 2], [1]]


def test_recipients_of_one_smart_host_travel_together_whatever_their_domains() -> None:
    hub = plan(smart_host=(SmartHost("relay.test", 587),))
    groups = hub.group([Mailbox("a", "one.test"), Mailbox("b", "two.test")])
    assert [places for _, places in groups] == [[0, 1]]


def test_an_address_without_a_domain_has_no_route() -> None:
    assert isinstance(plan().route(""), NoRoute)


def test_surplus_recipients_of_another_server_travel_in_further_transactions() -> None:
    limited = plan(recipients_per_transaction=2)
    away = [Mailbox(name, "nowhere.test") for name in "abcde"]
    assert [places for _, places in limited.group(away)] == [[0, 1], [2, 3], [4]]
    assert [places for _, places in plan(recipients_per_transaction=0).group(away)] == [[0, 1, 2, 3, 4]]


def test_one_file_holds_all_local_recipients() -> None:
    here = [Mailbox(name, "local.test") for name in "abcde"]
    assert [places for _, places in plan(recipients_per_transaction=2).group(here)] == [[0, 1, 2, 3, 4]]
