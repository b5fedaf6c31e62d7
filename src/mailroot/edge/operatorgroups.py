"""The machine's groups and accounts as operators: the system says who is in a group, PAM whether a password is right.

Asked each time anew: who has left a group has left it, whatever session of his is open. What the system answers from is
its own affair (files, LDAP, winbind: nsswitch.conf(5)), so calls may block, and take locks that a fork would inherit.
Therefore the supervisor, which forks, has them made aside, and the administration, which does not, in threads.
"""

import grp
import os
import pwd
from collections.abc import Iterable

from mailroot.edge.accounts.pam import authenticate
from mailroot.edge.aside import Aside
from mailroot.edge.boundedpool import BoundedPool
from mailroot.policy.operators import Member, OperatorBook

PAM_SERVICE = "mailroot-admin"
"""Not the one of those that send mail: their rules may know other people by the names of the machine's accounts."""
_LONGEST_NAME = 256


class Peers:
    """Finds members by the number of their account, for the supervisor."""

    def __init__(self) -> None:
        self._aside = Aside("")

    async def member(self, user: int, book: OperatorBook) -> tuple[str, Member | None]:
        """The name of an account, and what it is by its groups. Raises `Fault`."""
        names = [one.name for one in book.groups]
        account, groups = await self._aside.do(lambda: _known(user, names))
        return account, book.member(account, groups)

    async def knows(self, group: str) -> bool:
        """Whether the machine has a group of this name. Raises `Fault`."""
        return bool(await self._aside.do(lambda: there_is_group(group)))


def _known(user: int, names: Iterable[str]) -> tuple[str, list[str]]:
    try:
        account = pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user), []
    return account, sorted(groups_of(account, names))


class MachineOperators:
    """Finds members, and asks for their passwords, for the administration.

    Lookups and passwords have separate threads: a slow password must hold up no request.
    """

    def __init__(self, service: str = PAM_SERVICE) -> None:
        self._service = service
        self._groups = BoundedPool("groups of operators", threads=2, most=64, patience=10.0)
        self._passwords = BoundedPool("PAM for operators", threads=2, most=16, patience=30.0)

    async def member(self, account: str, book: OperatorBook) -> Member | None:
        """What this account of the machine is by its groups; None where none of them lets it in. Raises `Fault`."""
        names = [one.name for one in book.groups]
        if not names or not account:
            return None
        return book.member(account, await self._groups.run(groups_of, account, names))

    async def admits(self, account: str, password: str) -> bool:
        """Whether PAM takes the password and lets the account in. Raises `Unavailable`."""
        return await self._passwords.run(authenticate, account, password, self._service)


def groups_of(account: str, names: Iterable[str]) -> frozenset[str]:
    """Which of these groups of the machine an account is in; none where there is no such account or group. Blocks."""
    if len(account) > _LONGEST_NAME or "\0" in account:
        return frozenset()
    try:
        entry = pwd.getpwnam(account)
        having = set(os.getgrouplist(entry.pw_name, entry.pw_gid))
    except (KeyError, OSError, UnicodeEncodeError):
        return frozenset()
    return frozenset(name for name in names if _number(name) in having)


def there_is_group(name: str) -> bool:
    """Whether the machine knows a group of this name. Blocks."""
    return _number(name) is not None


def _number(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except (KeyError, OSError, UnicodeEncodeError, ValueError):
        return None
