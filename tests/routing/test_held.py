"""Who may ask for which held mail."""

import pytest

from mailroot.routing.domains import DomainTable
from mailroot.routing.held import HeldDomains, NotHeld
from mailroot.settings.domains import Domain, DomainType

DOMAINS = {
    "local.test": Domain(type=DomainType.DEFAULT),
    "held.test": Domain(hold=True, atrn_accounts=("Anna", "site\\hub")),
    "*.below.test": Domain(hold=True, atrn_accounts=("anna",)),
    "bobs.below.test": Domain(hold=True, atrn_accounts=("bob",)),
    "free.below.test": Domain(),
    "nobodys.test": Domain(hold=True),
}


def held() -> HeldDomains:
    return HeldDomains(DOMAINS, DomainTable(DOMAINS))


@pytest.mark.parametrize(
    ("name", "kind", "patterns"),
    [
        ("held.test", "", ("held.test",)),
        ("held.test", "@", ("held.test",)),
        ("a.below.test", "", ("a.below.test",)),
        ("below.test", "@", ("*.below.test",)),
        ("a.below.test", "@", ("a.below.test", "*.a.below.test")),
        ("test", "@", ("*.test",)),
        ("*.below.test", "#", ("*.below.test",)),
        ("held.test", "#", ("held.test",)),
        ("below.test", "", None),
        ("free.below.test", "", None),
        ("local.test", "@", None),
        ("xheld.test", "", None),
        ("a.held.test", "", None),
        ("*.held.test", "#", None),
        ("elsewhere.test", "@", None),
    ],
)
def test_etrn_names_a_domain_all_below_one_or_an_entry(name: str, kind: str, patterns: tuple[str, ...] | None) -> None:
    found = held().named(name, kind)
    assert (None if isinstance(found, NotHeld) else found) == patterns


@pytest.mark.parametrize(
    ("user", "wanted", "patterns"),
    [
        ("anna", (), ("held.test", "*.below.test")),
        ("ANNA", ("held.test",), ("held.test",)),
        ("anna", ("a.below.test", "held.test"), ("a.below.test", "held.test")),
        ("SITE\\HUB", (), ("held.test",)),
        ("hub", (), None),
        ("bob", (), ("bobs.below.test",)),
        ("anna", ("held.test", "bobs.below.test"), None),
        ("anna", ("nobodys.test",), None),
        ("anna", ("local.test",), None),
        ("carl", (), None),
        ("", (), None),
    ],
)
def test_atrn_gives_an_account_what_lists_it_or_nothing(
    user: str, wanted: tuple[str, ...], patterns: tuple[str, ...] | None
) -> None:
    found = held().of_account(user, wanted)
    assert (None if isinstance(found, NotHeld) else found) == patterns


def test_under_a_pattern_each_domain_is_asked_for_again() -> None:
    annas = held().of("anna")
    assert annas("x.below.test") and annas("HELD.test")
    assert not annas("bobs.below.test") and not annas("free.below.test") and not annas("nobodys.test")


def test_without_held_domains_there_is_nothing_to_ask_for() -> None:
    assert held().any and held().any_account
    none = HeldDomains({"a.test": Domain()}, DomainTable({"a.test": Domain()}))
    assert not none.any and not none.any_account
    only = {"a.test": Domain(hold=True)}
    assert not HeldDomains(only, DomainTable(only)).any_account
