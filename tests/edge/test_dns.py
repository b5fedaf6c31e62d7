"""The resolver against a DNS server on loopback."""

import asyncio

import pytest

from mailroot.edge.dns import DnsResolver
from mailroot.routing.answers import Finding
from tests.peers.dns import Names

ZONE = {
    ("d.example", "MX"): ["20 Mail2.example.", "10 mail1.example."],
    ("null.example", "MX"): ["0 ."],
    ("mail1.example", "A"): ["192.0.2.1"],
    ("mail1.example", "AAAA"): ["2001:db8::1"],
    ("only4.example", "A"): ["192.0.2.4"],
    ("bare.example", "TXT"): ["x"],
    ("xn--bcher-kva.example", "MX"): ["5 mail1.example."],
    ("1.2.0.192.in-addr.arpa", "PTR"): ["Mail1.example."],
    ("7.2.0.192.in-addr.arpa", "CNAME"): ["7.0/25.2.0.192.in-addr.arpa."],
    ("7.0/25.2.0.192.in-addr.arpa", "PTR"): ["shared.example."],
    ("9.2.0.192.in-addr.arpa", "PTR"): [f"n{number:03}.example." for number in reversed(range(200))],
    (f"1.{'0.' * 23}8.b.d.0.1.0.0.2.ip6.arpa", "PTR"): ["mail1.example."],
}


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def resolver(names, clock=None):
    return DnsResolver([("127.0.0.1", names.port)], clock or Clock())


async def test_mail_exchangers_are_found():
    async with Names(ZONE) as names:
        answer = await resolver(names).exchangers("D.example")
        assert answer.finding is Finding.FOUND
        assert sorted(answer.records) == [(10, "mail1.example"), (20, "mail2.example")]


async def test_L09_the_null_mx_is_known():
    async with Names(ZONE) as names:
        assert (await resolver(names).exchangers("null.example")).null


async def test_a_name_without_records_differs_from_no_name():
    async with Names(ZONE) as names:
        asking = resolver(names)
        assert (await asking.exchangers("bare.example")).finding is Finding.NO_RECORDS
        assert (await asking.exchangers("nowhere.example")).finding is Finding.NO_NAME
        assert (await asking.addresses("bare.example")).finding is Finding.NO_RECORDS
        assert (await asking.addresses("nowhere.example")).finding is Finding.NO_NAME


async def test_addresses_of_both_families_are_found_and_one_is_enough():
    async with Names(ZONE) as names:
        asking = resolver(names)
        both = await asking.addresses("mail1.example")
        assert (both.ipv4, both.ipv6) == (("192.0.2.1",), ("2001:db8::1",))
        assert (await asking.addresses("only4.example")).ipv4 == ("192.0.2.4",)


async def test_a_server_that_fails_is_a_failed_look_up():
    async with Names(ZONE, broken=True) as names:
        answer = await resolver(names).exchangers("d.example")
        assert answer.finding is Finding.FAILED
        assert answer.detail == f"127.0.0.1 port {names.port}: SERVFAIL"


async def test_silence_is_a_failed_look_up_within_a_limit():
    async with Names(ZONE, silent={"MX"}) as names:
        asking = DnsResolver([("127.0.0.1", names.port)], Clock(), lifetime=0.3)
        async with asyncio.timeout(60):
            answer = await asking.exchangers("d.example")
        assert answer.finding is Finding.FAILED
        assert answer.detail == f"time-out: no answer within 0.3 seconds from 127.0.0.1 port {names.port}"


async def test_a_failed_look_up_names_each_server_once():
    async with Names(ZONE, silent={"MX"}) as silent, Names(ZONE, broken=True) as broken:
        asking = DnsResolver([("127.0.0.1", silent.port), ("127.0.0.1", broken.port)], Clock(), lifetime=2.5)
        answer = await asking.exchangers("d.example")
    limit = f"time-out: no answer within 2.5 seconds from 127.0.0.1 port {silent.port}"
    assert answer.detail == f"{limit}; 127.0.0.1 port {broken.port}: SERVFAIL"


async def test_L14_a_truncated_answer_is_asked_for_over_tcp():
    async with Names(ZONE, truncated={"MX"}) as names:
        assert (await resolver(names).exchangers("d.example")).finding is Finding.FOUND
        assert names.asked == [("d.example", "MX")] * 2


async def test_answers_are_kept_for_their_ttl():
    async with Names(ZONE, ttl=100) as names:
        clock = Clock()
        asking = resolver(names, clock)
        await asking.exchangers("d.example")
        clock.now += 99
        await asking.exchangers("d.example")
        assert len(names.asked) == 1
        clock.now += 2
        await asking.exchangers("d.example")
        assert len(names.asked) == 2


async def test_negative_answers_are_kept_for_the_zones_minimum():
    async with Names(ZONE) as names:
        clock = Clock()
        asking = resolver(names, clock)
        await asking.exchangers("nowhere.example")
        clock.now += 6
        await asking.exchangers("nowhere.example")
        assert len(names.asked) == 1
        clock.now += 2
        await asking.exchangers("nowhere.example")
        assert len(names.asked) == 2


async def test_one_question_is_asked_once_however_many_wait():
    async with Names(ZONE) as names:
        asking = resolver(names)
        answers = await asyncio.gather(*(asking.exchangers("d.example") for _ in range(50)))
        assert len(set(answers)) == 1 and len(names.asked) == 1


async def test_who_gives_up_waiting_does_not_end_the_question_for_others():
    async with Names(ZONE) as names:
        asking = resolver(names)
        first = asyncio.create_task(asking.exchangers("d.example"))
        second = asyncio.create_task(asking.exchangers("d.example"))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).finding is Finding.FOUND


async def test_an_international_domain_is_asked_for_by_its_a_labels():
    async with Names(ZONE) as names:
        assert (await resolver(names).exchangers("Bücher.example")).finding is Finding.FOUND


async def test_a_name_that_is_none_is_a_failed_look_up():
    async with Names(ZONE) as names:
        assert (await resolver(names).exchangers("a..b")).finding is Finding.FAILED
        assert (await resolver(names).exchangers("x" * 64 + ".example")).finding is Finding.FAILED


# -- the names of addresses


@pytest.mark.parametrize(
    ("address", "expected"),
    [("192.0.2.1", "mail1.example"), ("2001:db8::1", "mail1.example"), ("192.0.2.7", "shared.example")],
    ids=["IPv4", "IPv6", "a shared reverse zone (RFC 2317)"],
)
async def test_the_name_of_an_address_is_found(address, expected):
    async with Names(ZONE) as names:
        answer = await resolver(names).pointers(address)
        assert (answer.finding, answer.names) == (Finding.FOUND, (expected,))


async def test_of_hundreds_of_names_the_same_ones_are_kept_each_time():
    async with Names(ZONE) as names:
        answer = await resolver(names).pointers("192.0.2.9")
        assert answer.names == tuple(f"n{number:03}.example" for number in range(50))
        assert names.asked == [("9.2.0.192.in-addr.arpa", "PTR")]


async def test_an_address_without_a_name_differs_from_a_failed_look_up():
    async with Names(ZONE) as names:
        assert (await resolver(names).pointers("192.0.2.99")).finding is Finding.NO_NAME
        names.broken = True
        assert (await resolver(names).pointers("192.0.2.98")).finding is Finding.FAILED


async def test_only_addresses_of_the_asked_family_are_asked_for():
    async with Names(ZONE) as names:
        asking = resolver(names)
        assert (await asking.addresses_like("mail1.example", "192.0.2.8")).ipv4 == ("192.0.2.1",)
        assert (await asking.addresses_like("mail1.example", "::8")).ipv6 == ("2001:db8::1",)
        assert names.asked == [("mail1.example", "A"), ("mail1.example", "AAAA")]


async def test_an_answer_is_believed_no_longer_than_the_resolver_was_told():
    async with Names(ZONE, ttl=86_400) as names:
        clock = Clock()
        asking = DnsResolver([("127.0.0.1", names.port)], clock, longest=3600)
        await asking.pointers("192.0.2.1")
        clock.now += 3599
        await asking.pointers("192.0.2.1")
        assert len(names.asked) == 1
        clock.now += 2
        await asking.pointers("192.0.2.1")
        assert len(names.asked) == 2
