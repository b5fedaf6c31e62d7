"""Which held mail a client may ask for: by ETRN everybody, by ATRN and TURN who has signed in to a domain's account.

What is asked for is a pattern, a domain or "*.example.com" for all below it; whether a domain under a pattern is meant
is asked again for each, because an entry of its own may hold for it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from mailroot.routing.domains import DomainTable
from mailroot.settings.domains import Domain

Patterns = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NotHeld:
    """Nothing is given; `reason` is a clause for the client, `cause` one for the log."""

    reason: str
    cause: str


class HeldDomains:
    """The domains of a virtual server that hold their mail.

    `account_key` gives what the names of one account share."""

    def __init__(
        self, domains: Mapping[str, Domain], table: DomainTable, account_key: Callable[[str], str] = str.casefold
    ) -> None:
        self._held = {name: domain for name, domain in domains.items() if domain.hold}
        self._table = table
        self._account_key = account_key

    @property
    def any(self) -> bool:
        """Whether there is one at all."""
        return bool(self._held)

    @property
    def any_account(self) -> bool:
        """Whether some account may have a connection turned round."""
        return any(domain.atrn_accounts for domain in self._held.values())

    def named(self, name: str, kind: str) -> Patterns | NotHeld:
        """What ETRN asks for (RFC 1985 section 5.2); `kind` is the sign before the name."""
        patterns = tuple(self._named(name, kind))
        if not patterns:
            return NotHeld("no mail is held for it", "no domain that holds its mail has this name")
        return patterns

    def _named(self, name: str, kind: str) -> Iterator[str]:
        if kind == "#":
            if name in self._held:
                yield name
            return
        if self.is_held(name):
            yield name
        if kind == "@" and any(_overlap(held, name) for held in self._held):
            yield f"*.{name}"

    def is_held(self, domain: str) -> bool:
        """Whether mail for a domain is held."""
        match = self._table.find(domain)
        return match is not None and match.domain.hold

    def of(self, user: str) -> Callable[[str], bool]:
        """Which domains an account may have."""

        def is_its(domain: str) -> bool:
            match = self._table.find(domain)
            return match is not None and self._lists(match.domain, user)

        return is_its

    def of_account(self, user: str, wanted: Patterns) -> Patterns | NotHeld:
        """What an account may have: of the domains that it wants, or of all that list it where it names none.

        One that it may not have refuses the whole: a client that is given less than it asked for would not know.
        """
        is_its = self.of(user)
        if wanted:
            foreign = [domain for domain in wanted if not is_its(domain)]
            if foreign:
                return NotHeld("", f"{foreign[0]} is no held domain that lists the account")
            return wanted
        own = tuple(name for name, domain in self._held.items() if self._lists(domain, user))
        if not own:
            return NotHeld("", "no held domain lists the account")
        return own

    def _lists(self, domain: Domain, user: str) -> bool:
        key = self._account_key(user)
        return domain.hold and any(self._account_key(account) == key for account in domain.atrn_accounts)


def _overlap(held: str, above: str) -> bool:
    """Whether an entry holds mail of domains below `above`."""
    bare = held.removeprefix("*.")
    if bare.endswith(f".{above}"):
        return True
    return bare != held and (bare == above or above.endswith(f".{bare}"))
