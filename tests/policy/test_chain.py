"""The steps of a chain say what the deciding functions said, and what these passed over."""

from mailroot.policy.chain import Finding, connecting, relaying
from mailroot.policy.client import Client, NameFinding, Names, client_address
from mailroot.settings.access import Access, AddressList, ListMode, Relay
from mailroot.settings.places import parse_address_entry


def client(address: str = "192.0.2.7", **more: object) -> Client:
    return Client(client_address(address), **more)  # type: ignore[arg-type]


def entries(*texts: str) -> tuple[object, ...]:
    return tuple(parse_address_entry(text) for text in texts)


def test_the_entry_that_decides_is_the_cause_and_the_others_say_why_not() -> None:
    access = Access(connection=AddressList(list=entries("10.0.0.0/8", "192.0.2.7", "192.0.2.0/24")))
    step = connecting(client(), access)
    assert (step.finding, step.reply) == (Finding.FAILS, "554 5.7.1 Access denied for 192.0.2.7")
    assert step.cause == "192.0.2.7 is listed as 192.0.2.7/32 in access.connection (all-except)"
    assert step.lost == (
        "10.0.0.0/8: 192.0.2.7 is not in it",
        "192.0.2.0/24: holds too, but one that decides is enough",
    )


def test_who_is_in_no_entry_hears_of_each_and_of_so_many_more() -> None:
    access = Access(relay=Relay(list=entries(*(f"10.{number}.0.0/16" for number in range(8)))))
    step = relaying(client(), access)
    assert step.finding is Finding.FAILS
    assert step.lost[0] == "10.0.0.0/16: 192.0.2.7 is not in it"
    assert step.lost[-1] == "and 3 more"


def test_a_name_that_was_not_looked_up_leaves_the_step_open() -> None:
    access = Access(relay=Relay(list=entries("partner.example")))
    assert relaying(client(), access).finding is Finding.OPEN
    named = client(names=Names(NameFinding.CONFIRMED, ("mx.partner.example",)))
    assert relaying(named, access).finding is Finding.HOLDS


def test_signing_in_beats_the_list_or_not_as_the_settings_say() -> None:
    step = relaying(client(user="joe"), Access(relay=Relay(list=entries("10.0.0.0/8"))))
    assert (step.finding, len(step.lost)) == (Finding.HOLDS, 1)
    step = relaying(client(user="joe"), Access(relay=Relay(mode=ListMode.ONLY, authenticated=False)))
    assert step.finding is Finding.FAILS
    assert step.lost[0].startswith("access.relay.authenticated is off")
