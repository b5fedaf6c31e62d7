"""The counts of failed sign-ins of one virtual server, and what follows from them (`policy.guesses`).

Whoever drives an exchange tells of each end of it (`EVENTS.signed_in`, `EVENTS.sign_in_failed`); here only a limit that
is reached is told.
"""

from mailroot.edge.sharedrates import SharedRates
from mailroot.mail.events import EVENTS, Emit
from mailroot.policy.account import account_key
from mailroot.policy.client import client_address
from mailroot.policy.guesses import GuessLimits, Levels, delay, may_try, origin
from mailroot.policy.verdict import Refuse

_LONGEST_SHOWN = 64
_DOMAIN_END = "\\"


class Guessing:
    """Who may try to sign in, and how long a failure takes (`service.receive.accounts.Guesses`).

    `failures` counts them by client and by account, `successes` remembers which client has which account. Neither
    needs an account to exist.
    """

    def __init__(
        self, key: str, limits: GuessLimits, failures: SharedRates, successes: SharedRates, emit: Emit
    ) -> None:
        self._key = key
        self.limits = limits
        self._failures = failures
        self._successes = successes
        self._emit = emit

    def refusal(self, address: str, user: str = "") -> Refuse | None:
        """Why this client may not try now; asked once before it has said a name, and again with it.

        A client that has signed in to some account of late may say a name.
        """
        if not user and self._successes.level(_client(address)):
            return None
        return may_try(self._levels(address, user), self.limits)

    def failed(self, address: str, user: str) -> float:
        """Count a failure; the seconds to wait before it is answered. `user` is "" where none was said."""
        before = may_try(self._levels(address, user), self.limits)
        self._failures.add(_client(address))
        if user:
            self._failures.add(self._account(user))
            self._failures.add(self._pair(address, user))
        levels = self._levels(address, user)
        refused = may_try(levels, self.limits)
        if refused and not before:
            self._emit(
                EVENTS.too_many_guesses, server=self._key, address=address, user=_shown(user), cause=refused.cause
            )
        return delay(levels)

    def succeeded(self, address: str, user: str) -> None:
        """This client has signed in to this account. It is known for it from now on."""
        self._successes.add(self._pair(address, user))
        self._successes.add(_client(address))

    def _levels(self, address: str, user: str) -> Levels:
        by_client = self._failures.level(_client(address))
        if not user:
            return Levels(by_client)
        pair = self._pair(address, user)
        known = self._successes.level(pair) > 0
        return Levels(by_client, self._failures.level(self._account(user)), known, self._failures.level(pair))

    def _account(self, user: str) -> str:
        # Without a domain: which of them are written for one and the same, only the accounts know.
        return f"account {self._key} {account_key(user.rpartition(_DOMAIN_END)[2])}"

    def _pair(self, address: str, user: str) -> str:
        return f"{_client(address)} {self._account(user)}"


def _client(address: str) -> str:
    return f"client {origin(client_address(address))}"


def _shown(name: str) -> str:
    """A name that somebody sent, cut, since it may be anything; the log escapes what is in it."""
    return name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}..."
