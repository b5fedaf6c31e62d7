"""Which entries of a table of domains come into question for a name, and why all but the first of them lose.

The entry that holds is that of `routing.domains`, which finds it without looking at the others; tests hold both
together.
"""

from collections.abc import Iterator, Mapping

from mailroot.mail.address import domain_key
from mailroot.settings.domains import Domain


def candidates(names: Mapping[str, Domain], domain: str) -> tuple[str, ...]:
    """The entries that hold for a domain, as they stand in the settings; the one that decides is the first."""
    key = domain_key(domain)
    exact = [name for name in names if not name.startswith("*.") and domain_key(name) == key]
    below = [name for name in names if name.startswith("*.") and key.endswith(f".{domain_key(name[2:])}")]
    return (*exact, *sorted(below, key=len, reverse=True))


def losers(names: Mapping[str, Domain], domain: str) -> Iterator[str]:
    """Entries that do not decide for a domain though one might think so, each with the reason."""
    key = domain_key(domain)
    held = candidates(names, domain)
    for name in held[1:]:
        wins = "the whole name is" if not held[0].startswith("*.") else f"the longer {held[0]} is"
        yield f"{name}: holds too, but {wins} an entry of its own"
    for name in names:
        if name not in held and (near := _near(domain_key(name.removeprefix("*.")), key, name.startswith("*."))):
            yield f"{name}: {near}"


def _near(entry: str, key: str, wild: bool) -> str:
    if wild and entry == key:
        return "holds for names below it, not for itself"
    if not wild and key.endswith(f".{entry}"):
        return "holds for itself, not for names below it"
    if not wild and entry.endswith(f".{key}"):
        return "is below the name that is asked for"
    return ""
