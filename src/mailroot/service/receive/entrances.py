"""Builds where clients sign in: the accounts that a virtual server's settings name, and the counts of guesses.

What is shared outlives the settings: threads, what is remembered of right passwords, what is known of a file.
"""

import time

from mailroot.edge.accounts.directory import DirectoryAccounts
from mailroot.edge.accounts.embedded import EmbeddedAccounts, PasswordCheck
from mailroot.edge.accounts.file import AccountFile, LiveAccounts
from mailroot.edge.accounts.ntlmauth import SambaAccounts
from mailroot.edge.accounts.pam import PamAccounts
from mailroot.edge.accounts.passwords import PasswordHashes, RightPasswords
from mailroot.edge.boundedpool import BoundedPool
from mailroot.edge.kerberos.acceptor import KerberosAcceptor
from mailroot.edge.sharedcounts import SharedCounts
from mailroot.edge.sharedrates import RATE_SLOTS, SharedRates
from mailroot.mail.events import Emit
from mailroot.policy.account import kept_keys
from mailroot.policy.guesses import REMEMBERED, WINDOW, GuessLimits
from mailroot.service.receive.accounts import Accounts
from mailroot.service.receive.guessing import Guessing
from mailroot.service.receive.signin import Entrance
from mailroot.service.receive.tickets import WithKerberos
from mailroot.service.resolve.directory import Directory
from mailroot.settings.virtualserver import Access, AccountSource, VirtualServer

# A hash takes 19 MiB and some 20 ms of a core: two at a time leave the others to the mail; those that wait are answered
# within some seconds.
_HASHING, _MOST_HASHES, _HASH_PATIENCE = 2, 256, 20.0
# Threads that wait for others: the disk, a directory, a domain controller.
_ASKING, _MOST_ASKED, _PATIENCE = 8, 128, 30.0


class Entrances:
    """The entrances of one worker. `first_slot` is the first of those for guesses in the shared counts."""

    def __init__(self, run_as: str, counts: SharedCounts, worker: int, first_slot: int, emit: Emit) -> None:
        self._run_as = run_as
        self._emit = emit
        self._passwords = PasswordCheck(
            BoundedPool("checking passwords", _HASHING, _MOST_HASHES, _HASH_PATIENCE),
            PasswordHashes(),
            RightPasswords(time.monotonic),
        )
        self._pam = BoundedPool("PAM", _ASKING, _MOST_ASKED, _PATIENCE)
        self._kerberos = BoundedPool("Kerberos", _ASKING, _MOST_ASKED, _PATIENCE)
        self._samba: dict[tuple[str, str, bool], SambaAccounts] = {}
        self._live: dict[str, LiveAccounts] = {}

        def rates(number: int, window: float) -> SharedRates:
            return SharedRates(counts, worker, first_slot + number * RATE_SLOTS, window, time.monotonic)

        self._failures, self._successes = rates(0, WINDOW), rates(1, REMEMBERED)

    def of(self, key: str, settings: VirtualServer, directory: Directory | None = None) -> Entrance | None:
        """The entrance of a virtual server; None where nobody can sign in. `directory` is that of its settings."""
        access = settings.access
        if not (access.basic or access.integrated):
            return None
        limits = GuessLimits(access.guesses_per_address, access.guesses_per_account)
        guessing = Guessing(key, limits, self._failures, self._successes, self._emit)
        accounts = self._accounts(settings, directory)
        if access.keytab:
            accounts = WithKerberos(accounts, KerberosAcceptor(access.keytab, access.principal, self._kerberos))
        return Entrance(accounts, guessing, access.extended_protection)

    async def close(self) -> None:
        """Ask for no more accounts."""
        for pool in (self._passwords.pool, self._pam, self._kerberos):
            pool.close()
        for samba in self._samba.values():
            await samba.close()

    def _accounts(self, settings: VirtualServer, directory: Directory | None) -> Accounts:
        access = settings.access
        match access.accounts:
            case AccountSource.EMBEDDED:
                return self._embedded(settings)
            case AccountSource.PAM:
                return PamAccounts(self._pam, access.basic_domain)
            case AccountSource.NTLM_AUTH:
                return self._by_samba(access)
            case AccountSource.LDAP:
                assert directory is not None  # accounts ask for one (`service.resolve.building`)
                return DirectoryAccounts(directory, own_domains(settings))

    def _embedded(self, settings: VirtualServer) -> Accounts:
        path = settings.access.account_file
        live = self._live.setdefault(path, LiveAccounts(AccountFile(path, self._run_as)))
        return EmbeddedAccounts(live, self._passwords, kept_keys([settings.access]), own_domains(settings))

    def _by_samba(self, access: Access) -> SambaAccounts:
        known = (access.ntlm_auth, access.basic_domain, access.ntlm)
        if known not in self._samba:
            self._samba[known] = SambaAccounts(access.ntlm_auth, access.basic_domain, ntlm=access.ntlm)
        return self._samba[known]


def own_domains(settings: VirtualServer) -> frozenset[str]:
    """What clients may put before the name of an account of this server, casefolded."""
    fqdn = settings.delivery.fqdn
    names = (settings.access.basic_domain, fqdn, fqdn.partition(".")[0], ".")
    return frozenset(name.casefold() for name in names if name)
