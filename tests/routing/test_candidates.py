"""Which entries of the table come into question, and why the others lose: the first is the one that live mail takes."""

from hypothesis import given
from hypothesis import strategies as st

from mailroot.routing.candidates import candidates, losers
from mailroot.routing.domains import DomainTable
from mailroot.settings.domains import Domain

LABELS = st.sampled_from(["a", "b", "example", "com"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
ENTRIES = st.lists(NAMES | NAMES.map(lambda name: f"*.{name}"), max_size=8, unique=True)


def table(*names: str) -> dict[str, Domain]:
    return {name: Domain() for name in names}


@given(ENTRIES, NAMES)
def test_the_first_candidate_is_the_entry_that_holds(entries: list[str], name: str) -> None:
    held = candidates(table(*entries), name)
    match = DomainTable(table(*entries)).find(name)
    assert held[:1] == (() if match is None else (match.name,))


@given(ENTRIES, NAMES)
def test_nobody_both_holds_and_loses(entries: list[str], name: str) -> None:
    lost = [line.partition(":")[0] for line in losers(table(*entries), name)]
    assert len(lost) == len(set(lost))
    assert not set(lost) & set(candidates(table(*entries), name)[:1])


def test_a_longer_entry_beats_a_shorter_one_and_the_whole_name_beats_both() -> None:
    names = table("*.example.com", "*.b.example.com", "a.b.example.com")
    assert next(losers(names, "x.b.example.com")) == (
        "*.example.com: holds too, but the longer *.b.example.com is an entry of its own"
    )
    assert list(losers(names, "A.B.Example.com")) == [
        "*.b.example.com: holds too, but the whole name is an entry of its own",
        "*.example.com: holds too, but the whole name is an entry of its own",
    ]


def test_entries_that_nearly_hold_are_told_apart() -> None:
    names = table("*.example.com", "mx.other.com", "example.org", "far.example.net")
    assert list(losers(names, "example.com")) == ["*.example.com: holds for names below it, not for itself"]
    assert list(losers(names, "a.example.org")) == ["example.org: holds for itself, not for names below it"]
    assert list(losers(names, "example.net")) == ["far.example.net: is below the name that is asked for"]
