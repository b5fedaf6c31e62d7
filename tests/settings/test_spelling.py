"""Every value has one form in the file, and comes back as it was written."""

import ipaddress
from datetime import timedelta

import pytest

from mailroot.settings.declared import declared
from mailroot.settings.places import (
    ADDRESS_ENTRY,
    RESOLVER,
    SMART_HOSTS,
    WEB_PLACE,
    Binding,
    SmartHost,
    parse_address_entry,
    parse_binding,
    parse_smart_host,
    parse_web_place,
)
from mailroot.settings.spelling import SIZE, count, duration, toml_text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("12h", timedelta(hours=12)),
        ("2d", timedelta(2)),
    ],
)
def test_a_duration_comes_back_as_it_was_written(text: str, value: timedelta) -> None:
    assert duration().parse(text) == value
    assert duration().text(value) == text


@pytest.mark.parametrize("text", ["", "15", "m", "1.5h", "15 m", "-1s", "0s", "10000d", "15M", 15, None, "１m", "1m\n"])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="wanted"):
        duration().parse(text)


@pytest.mark.parametrize(("text", "value"), [("2048KB", 2097152), ("25MB", 26214400), (0, 0), ("1GB", 1 << 30)])
def test_a_size_comes_back_as_it_was_written(text: object, value: int) -> None:
    assert SIZE.parse(text) == value
    assert SIZE.text(value) == text


@pytest.mark.parametrize("text", [5, "5", "5 MB", "5mb", "-1KB", True, "1.5MB", None])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="wanted"):
        SIZE.parse(text)


def test_true_is_not_a_number() -> None:
    with pytest.raises(ValueError, match="whole number"):
        count().parse(True)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.0.0.0:25", Binding("0.0.0.0", 25)), ("[::]:25", Binding("::", 25)), ("[0:0::1]:2525", Binding("::1", 2525))],
)
def test_a_binding_is_an_address_and_a_port(text: str, value: Binding) -> None:
    assert parse_binding(text) == value
    assert parse_binding(str(value)) == value


@pytest.mark.parametrize("text", ["25", ":25", "localhost:25", "127.0.0.1", "::1:25", "1.2.3.4:65536", 25])
def test_what_is_no_binding_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="wanted"):
        parse_binding(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("relay.example", SmartHost("relay.example", None, False)),
        ("relay.example:587", SmartHost("relay.example", 587, False)),
        ("[192.0.2.1]", SmartHost("192.0.2.1", None, True)),
        ("[192.0.2.1]:587", SmartHost("192.0.2.1", 587, True)),
        ("[2001:db8::1]:25", SmartHost("2001:db8::1", 25, True)),
    ],
)
def test_a_smart_host_comes_back_as_it_was_written(text: str, value: SmartHost) -> None:
    assert parse_smart_host(text) == value
    assert str(value) == text


@pytest.mark.parametrize(
    "text", ["192.0.2.1", "192.0.2.1:25", "a b", "[relay.example]", "", "host:", "x:99999", "a..b"]
)
def test_what_is_no_smart_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"wanted|brackets"):
        parse_smart_host(text)


def test_several_smart_hosts_are_a_list_and_none_is_empty() -> None:
    assert SMART_HOSTS.parse("") == ()
    both = SMART_HOSTS.parse(["a.example", "[192.0.2.1]:26"])
    assert SMART_HOSTS.text(both) == ["a.example", "[192.0.2.1]:26"]
    assert SMART_HOSTS.text(both[:1]) == "a.example"


@pytest.mark.parametrize(
    ("text", "order", "weight"),
    [("a.example;weight=3", 0, 3), ("[192.0.2.1]:25;order=2;weight=1000", 2, 1000), ("a.example:587;order=1", 1, 0)],
)
def test_a_smart_host_may_name_its_order_and_weight(text: str, order: int, weight: int) -> None:
    host = parse_smart_host(text)
    assert (host.order, host.weight, host.spelled) == (order, weight, text)
    assert SMART_HOSTS.text(SMART_HOSTS.parse([text, "b.example"])) == [text, "b.example"]
    assert ";" not in str(host)


def test_order_and_weight_may_stand_in_any_turn_with_blanks() -> None:
    assert parse_smart_host("a.example; weight = 2; order = 1").spelled == "a.example;order=1;weight=2"


@pytest.mark.parametrize(
    "words",
    ["weight", "weight=0", "weight=1001", "order=-1", "weight=1;weight=2", "port=25", "", "weight=1;", "weight=²"],
)
def test_what_is_no_order_or_weight_is_refused(words: str) -> None:
    with pytest.raises(ValueError, match="order"):
        parse_smart_host(f"a.example;{words}")


def test_entries_of_address_lists_are_networks_or_names() -> None:
    assert parse_address_entry("192.0.2.1") == ipaddress.ip_network("192.0.2.1/32")
    assert parse_address_entry("2001:db8::/32") == ipaddress.ip_network("2001:db8::/32")
    assert parse_address_entry("Bücher.Example") == "xn--bcher-kva.example"
    assert ADDRESS_ENTRY.text(ipaddress.ip_network("192.0.2.1")) == "192.0.2.1"


def test_host_bits_in_a_network_are_refused_with_both_readings() -> None:
    with pytest.raises(ValueError, match=r'"192\.0\.2\.0/24" or "192\.0\.2\.5"'):
        parse_address_entry("192.0.2.5/24")


def test_a_resolver_has_port_53_unless_it_says_another() -> None:
    assert RESOLVER.parse("192.0.2.53") == Binding("192.0.2.53", 53)
    assert RESOLVER.parse("2001:db8::53") == Binding("2001:db8::53", 53)
    assert RESOLVER.parse("[2001:db8::53]:5353") == Binding("2001:db8::53", 5353)
    assert RESOLVER.parse("127.0.0.1:5353") == Binding("127.0.0.1", 5353)


def test_every_default_is_spelled_as_its_own_parser_reads_it() -> None:
    for found in declared().values():
        if found.spelling.text(found.default) is not None:
            assert found.spelling.parse(found.spelling.text(found.default)) == found.default, found.key


def test_values_are_written_as_toml_writes_them() -> None:
    assert (
        toml_text({"mode": "only", "list": ["a"], "on": True, "n": 1})
        == '{ mode = "only", list = ["a"], on = true, n = 1 }'
    )


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("", ""),
        ("https://console.example.com", "https://console.example.com"),
        ("HTTPS://Console.Example.com:443/", "https://console.example.com"),
        ("https://console.example.com:8443", "https://console.example.com:8443"),
        ("http://console:80", "http://console"),
        ("http://[2001:DB8::0:1]:8080/", "http://[2001:db8::1]:8080"),
        ("https://192.0.2.1", "https://192.0.2.1"),
    ],
)
def test_a_web_address_is_as_browsers_tell_it(text: str, origin: str) -> None:
    assert parse_web_place(text) == origin
    assert parse_web_place(WEB_PLACE.text(origin)) == origin


@pytest.mark.parametrize(
    "text",
    [
        "console.example.com",
        "https://",
        "https://console.example.com/admin",
        "https://console.example.com?x",
        "https://ann@console.example.com",
        "ftp://console.example.com",
        "https://console.example.com:0",
        "https://console.example.com:99999",
        "https://con sole",
        "https://x\r\ny",
        7,
        None,
        ["https://console.example.com"],
    ],
)
def test_what_is_no_web_address_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="wanted"):
        parse_web_place(text)
