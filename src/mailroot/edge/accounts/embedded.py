"""The embedded accounts as sign-ins ask for them (`service.receive.accounts`), and the keys kept for them.

A name that nobody has costs what any other costs: the same hash is made, and SCRAM goes on with keys that are made up
from a secret of the store, always the same ones for the same name.
"""

import hmac
import secrets
from collections.abc import Set
from dataclasses import dataclass
from typing import NoReturn

from mailroot.edge.accounts.file import LiveAccounts
from mailroot.edge.accounts.passwords import NOBODYS, PasswordHashes, RightPasswords
from mailroot.edge.boundedpool import BoundedPool
from mailroot.mail.faults import Fault, Unavailable
from mailroot.policy.account import Account, AccountBook, KeptKeys, account_key, local_name
from mailroot.wire.sasl.keys import SCRAM_ITERATIONS, cram_secret, nt_hash, scram_keys
from mailroot.wire.sasl.server import Need
from mailroot.wire.sasl.words import ScramKeys

_SALT_OCTETS = 16


def new_account(name: str, password: str, kept: KeptKeys, hashes: PasswordHashes) -> Account:
    """An account of this name and password, with the keys that are kept."""
    return Account(
        name,
        hashes.hash(password),
        scram=scram_keys(password, secrets.token_bytes(_SALT_OCTETS)),
        cram=cram_secret(password) if kept.cram else None,
        nt=nt_hash(password) if kept.nt else None,
    )


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """What all checks of passwords in a worker share."""

    pool: BoundedPool
    hashes: PasswordHashes
    right: RightPasswords


class EmbeddedAccounts:
    """The accounts of a file. `domains` are our own, casefolded: "OURS\\\\user" is "user"."""

    def __init__(self, live: LiveAccounts, shared: PasswordCheck, kept: KeptKeys, domains: frozenset[str]) -> None:
        self._live = live
        self._shared = shared
        self._kept = kept
        self._domains = domains

    @property
    def answers(self) -> Set[Need]:
        """Passwords and SCRAM always; the others where their keys are kept."""
        return self._kept.serve

    async def check(self, user: str, password: str, client: str = "") -> bool:
        """Whether this is the user's password; remembered for a while where it is, for this client.

        Of many guesses at the same time one that is remembered would be answered before the wrong ones are counted.
        """
        shared = self._shared
        account = await self._find(user)
        # Every step is taken for a name that nobody has too.
        hashed = account.password if account is not None else NOBODYS
        if shared.right.knows(hashed, password, client):
            return True
        right = await shared.pool.run(shared.hashes.verify, hashed, password)
        if not right or account is None:
            return False
        shared.right.remember(hashed, password, client)
        return True

    async def scram_keys(self, user: str) -> ScramKeys:
        """The user's keys, or made-up ones."""
        book = await self._book()
        name = local_name(user, self._domains)
        made_up = _made_up(book, name)
        account = book.find(name)
        return account.scram if account is not None and account.scram is not None else made_up

    async def cram_secret(self, user: str) -> bytes | None:
        """What is kept for CRAM-MD5, while that is switched on."""
        account = await self._find(user)
        return account.cram if account is not None and self._kept.cram else None

    async def nt_hash(self, user: str, domain: str) -> bytes | None:
        """The NT hash of one of our own accounts, while NTLM is switched on."""
        if domain and domain.casefold() not in self._domains:
            return None
        account = await self._find(user)
        return account.nt if account is not None and self._kept.nt else None

    def context(self, need: Need) -> NoReturn:
        """There are none."""
        raise TypeError(f"the embedded accounts have no context for {need}")

    async def _find(self, user: str) -> Account | None:
        return (await self._book()).find(local_name(user, self._domains))

    async def _book(self) -> AccountBook:
        try:
            book = self._live.current
        except Fault as fault:
            raise Unavailable(str(fault)) from fault
        return book if book is not None else await self._shared.pool.run(self._live.read)


def _made_up(book: AccountBook, name: str) -> ScramKeys:
    def octets(what: str) -> bytes:
        return hmac.digest(book.secret, f"{what}\0{account_key(name)}".encode("utf-8", "surrogatepass"), "sha256")

    return ScramKeys(octets("salt")[:_SALT_OCTETS], SCRAM_ITERATIONS, octets("stored key"), octets("server key"))
