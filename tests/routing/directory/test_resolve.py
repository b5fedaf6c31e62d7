"""Who gets the mail: a directory of a few entries is asked by the conversation itself, without I/O."""

from collections.abc import Mapping, Sequence

import pytest

from mailroot.mail.address import Mailbox
from mailroot.routing.directory.entry import Entry, address_key
from mailroot.routing.directory.questions import Answer, ByAddress, ByName, NoAnswer, Question
from mailroot.routing.directory.resolve import Outcome, Resolution, Terms, resolve

TERMS = Terms(("example.test", "alias.test"), group_limit=50)


def box(text: str) -> Mailbox:
    local, _, domain = text.partition("@")
    return Mailbox(local, domain or "example.test")


def person(name: str, *more: str, **known: object) -> Entry:
    keys = frozenset(address_key(box(text)) for text in (name, *more))
    return Entry(f"cn={name}", **{"mailbox": box(name), "keys": keys, **known})  # type: ignore[arg-type]


def group(name: str, *members: str, addresses: Sequence[str] = ()) -> Entry:
    names = tuple(f"cn={member}" for member in members)
    found = tuple(box(text) for text in addresses)
    return Entry(f"cn={name}", box(name), frozenset({address_key(box(name))}), True, names, found)


def found(address: str, entries: Sequence[Entry], terms: Terms = TERMS, silent: Sequence[Question] = ()) -> Resolution:
    """The end of a conversation with a directory of these entries."""
    by_name: Mapping[str, Entry] = {entry.dn.lower(): entry for entry in entries}

    def answer(question: Question) -> Answer:
        if question in silent:
            return NoAnswer("it is being rebuilt")
        if isinstance(question, ByName):
            entry = by_name.get(question.dn.lower())
            return () if entry is None else (entry,)
        assert isinstance(question, ByAddress)
        keys = {address_key(one) for one in question.addresses}
        return tuple(entry for entry in entries if keys & entry.keys)

    conversation = resolve(box(address), terms)
    questions = next(conversation)
    for _ in range(100):
        try:
            questions = conversation.send([answer(one) for one in questions])
        except StopIteration as end:
            assert isinstance(end.value, Resolution)
            return end.value
    raise AssertionError("it asks on and on")


def ends(resolution: Resolution) -> list[str]:
    return [str(one) for one in resolution.mailboxes]


def test_a_person_with_this_address_stays_as_it_was_written() -> None:
    end = found("Ann", [person("ann")])
    assert (end.outcome, ends(end)) == (Outcome.SAME, ["Ann@example.test"])


def test_further_addresses_lead_to_the_first() -> None:
    end = found("a.smith", [person("ann", "a.smith")])
    assert (end.outcome, ends(end)) == (Outcome.REPLACED, ["ann@example.test"])


def test_an_address_in_another_domain_of_ours_is_found() -> None:
    end = found("ann", [person("ann@alias.test")])
    assert (end.outcome, ends(end)) == (Outcome.REPLACED, ["ann@alias.test"])


def test_the_one_in_the_domain_that_was_asked_for_goes_before_the_others() -> None:
    other = Entry("cn=other", box("ann@alias.test"), frozenset({"ann@alias.test"}))
    assert ends(found("ann", [other, person("ann")])) == ["ann@example.test"]


def test_nobody_of_ours_fails_and_strangers_pass() -> None:
    assert found("nobody", []).status.code == "5.1.1"  # type: ignore[union-attr]
    assert found("nobody@elsewhere.test", []).outcome is Outcome.SAME
    assert found("Postmaster", []).outcome is Outcome.SAME


def test_two_with_one_address_are_an_error_that_names_both() -> None:
    end = found("ann", [person("ann"), Entry("cn=two", box("two"), frozenset({"ann@example.test"}))])
    assert end.status is not None
    assert end.status.code == "5.1.4"
    assert "cn=ann; cn=two" in end.cause


def test_disabled_accounts_get_nothing_unless_the_settings_say_so() -> None:
    entries = [person("ann", disabled=True)]
    assert found("ann", entries).status.code == "5.2.1"  # type: ignore[union-attr]
    assert found("ann", entries, Terms(("example.test",), refuse_disabled=False)).outcome is Outcome.SAME


def test_groups_expand_to_the_members_of_their_groups_each_once() -> None:
    entries = [group("all", "ann", "some"), group("some", "bob", "ANN"), person("ann"), person("bob")]
    end = found("all", entries)
    assert (end.outcome, ends(end)) == (Outcome.EXPANDED, ["ann@example.test", "bob@example.test"])


def test_J13_a_circle_is_expanded_once_and_told() -> None:
    end = found("all", [group("all", "some", "ann"), group("some", "all"), person("ann")])
    assert ends(end) == ["ann@example.test"]
    assert any("cn=all came before" in step for step in end.steps)


def test_a_group_of_nobody_fails() -> None:
    assert found("all", [group("all", "all", "gone")]).status.code == "5.2.4"  # type: ignore[union-attr]


def test_a_group_beyond_the_limit_fails_and_one_within_does_not() -> None:
    people = [person(f"p{number}") for number in range(51)]
    assert len(ends(found("all", [group("all", *(f"p{number}" for number in range(50))), *people]))) == 50
    end = found("all", [group("all", *(f"p{number}" for number in range(51))), *people])
    assert end.status is not None
    assert "more than 50" in end.status.reason


def test_names_that_lead_nowhere_have_a_limit_too() -> None:
    end = found("all", [group("all", *(f"gone{number}" for number in range(101)))])
    assert end.status is not None
    assert end.status.code == "5.2.4"


def test_addresses_of_members_are_looked_up_where_they_are_ours() -> None:
    entries = [group("all", addresses=["a.smith", "x@elsewhere.test", "nobody"]), person("ann", "a.smith")]
    end = found("all", entries)
    assert ends(end) == ["x@elsewhere.test", "ann@example.test"]
    assert any("knows nobody with the address nobody" in step for step in end.steps)


def test_members_without_an_address_or_disabled_are_told() -> None:
    entries = [group("all", "ann", "bob", "eve"), person("ann"), Entry("cn=bob"), person("eve", disabled=True)]
    end = found("all", entries)
    assert ends(end) == ["ann@example.test"]
    assert any("cn=bob has no address" in step for step in end.steps)
    assert any("cn=eve is disabled" in step for step in end.steps)


def test_forwarding_by_address_and_by_name() -> None:
    away = person("ann", forward=(box("ann@elsewhere.test"),))
    assert ends(found("ann", [away])) == ["ann@elsewhere.test"]
    named = person("ann", forward_names=("cn=bob",))
    assert ends(found("ann", [named, person("bob")])) == ["bob@example.test"]


def test_a_copy_stays_where_it_is_to_stay() -> None:
    kept = person("ann", forward_names=("cn=bob",), keeps_copy=True)
    end = found("ann", [kept, person("bob")])
    assert (end.outcome, ends(end)) == (Outcome.EXPANDED, ["ann@example.test", "bob@example.test"])


def test_forwarding_in_a_circle_fails() -> None:
    entries = [person("ann", forward_names=("cn=bob",)), person("bob", forward_names=("cn=ann",))]
    assert found("ann", entries).status.code == "5.4.6"  # type: ignore[union-attr]


def test_a_contact_that_forwards_to_its_own_address_is_where_it_is() -> None:
    contact = Entry(
        "cn=c", box("c@elsewhere.test"), frozenset({"c@elsewhere.test"}), forward=(box("c@elsewhere.test"),)
    )
    end = found("c@elsewhere.test", [contact])
    assert (end.outcome, ends(end)) == (Outcome.SAME, ["c@elsewhere.test"])


def test_somebody_without_an_address_fails() -> None:
    nameless = Entry("cn=x", None, frozenset({"x@example.test"}))
    assert found("x", [nameless]).status.code == "5.1.1"  # type: ignore[union-attr]


@pytest.mark.parametrize("silent", [ByAddress((box("all"), box("all@alias.test"))), ByName("cn=bob")])
def test_without_an_answer_it_waits_and_says_why(silent: Question) -> None:
    end = found("all", [group("all", "ann", "bob"), person("ann"), person("bob")], silent=[silent])
    assert (end.outcome, end.cause) == (Outcome.WAITING, "it is being rebuilt")


def test_the_steps_have_a_limit() -> None:
    members = [f"gone{number}" for number in range(900)]
    end = found("all", [group("all", "ann", *members), person("ann")], Terms(("example.test",)))
    assert len(end.steps) < 210
    assert "steps more" in end.steps[-1]
