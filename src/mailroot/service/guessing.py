"""What becomes of attempts to sign in to one virtual server: told, counted, slowed and capped (`policy.guesses`)."""

from dataclasses import dataclass

from mailroot.edge.sharedrates import SharedRates
from mailroot.mail.events import EVENTS, Emit
from mailroot.policy.account import account_key
from mailroot.policy.client import client_address
from mailroot.policy.guesses import GuessLimits, Levels, delay, may_try, origin
from mailroot.policy.verdict import Refuse

_LONGEST_SHOWN = 64


@dataclass(frozen=True, slots=True)
class Attempt:
    """One AUTH command: its session, the client's address, and the mechanism."""

    session: str
    address: str
    mechanism: str


class Guessing:
    """Who may try to sign in, and how long a failure takes.

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

    def may_begin(self, address: str) -> Refuse | None:
        """Why a client may not even say who it is. One that has signed in to some account of late may."""
        if self._successes.level(_client(address)):
            return None
        return self.may_try(address, "")

    def may_try(self, address: str, user: str) -> Refuse | None:
        """Why a client may not try this account now; "" where the name is not known."""
        return may_try(self._levels(address, user), self.limits)

    def failed(self, attempt: Attempt, user: str, cause: str) -> float:
        """Tell and count a failure; the seconds to wait before it is answered. `user` is "" where none was said."""
        address = attempt.address
        self._emit(
            EVENTS.sign_in_failed,
            server=self._key,
            session=attempt.session,
            address=address,
            user=_shown(user),
            mechanism=attempt.mechanism,
            cause=cause,
        )
        before = self.may_try(address, user)
        self._failures.add(_client(address))
        if user:
            self._failures.add(self._account(user))
        levels = self._levels(address, user)
        refused = may_try(levels, self.limits)
        if refused and not before:
            self._emit(
                EVENTS.too_many_guesses, server=self._key, address=address, user=_shown(user), cause=refused.cause
            )
        return delay(levels)

    def refused(self, attempt: Attempt, user: str, cause: str) -> None:
        """Tell of an attempt that was refused without a look at it: it counts for nothing."""
        self._emit(
            EVENTS.sign_in_failed,
            server=self._key,
            session=attempt.session,
            address=attempt.address,
            user=_shown(user),
            mechanism=attempt.mechanism,
            cause=cause,
        )

    def succeeded(self, attempt: Attempt, user: str) -> None:
        """Tell of a success: this client has nothing to guess about this account.

        `user` is the name that was asked about (`Questions.user`), where there was one: it is the one that counts.
        """
        self._emit(
            EVENTS.signed_in,
            server=self._key,
            session=attempt.session,
            address=attempt.address,
            user=_shown(user),
            mechanism=attempt.mechanism,
        )
        self._successes.add(self._pair(attempt.address, user))
        self._successes.add(_client(attempt.address))

    def unanswered(self, cause: str) -> None:
        """Tell that the accounts could not be asked."""
        self._emit(EVENTS.accounts_failed, server=self._key, cause=cause)

    def _levels(self, address: str, user: str) -> Levels:
        by_client = self._failures.level(_client(address))
        if not user:
            return Levels(by_client)
        known = self._successes.level(self._pair(address, user)) > 0
        return Levels(by_client, self._failures.level(self._account(user)), known)

    def _account(self, user: str) -> str:
        return f"account {self._key} {account_key(user)}"

    def _pair(self, address: str, user: str) -> str:
        return f"{_client(address)} {self._account(user)}"


def _client(address: str) -> str:
    return f"client {origin(client_address(address))}"


def _shown(name: str) -> str:
    """A name that somebody sent, cut, since it may be anything; the log escapes what is in it."""
    return name if len(name) <= _LONGEST_SHOWN else f"{name[:_LONGEST_SHOWN]}..."
