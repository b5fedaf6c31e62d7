"""What an account may do with a folder, by owner, group and mode. Access lists are not looked at."""

import os
import pwd
import stat
from dataclasses import dataclass

_READ, _WRITE, _ENTER = 4, 2, 1


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the system: its name, its user id and all its groups."""

    name: str
    user: int
    groups: frozenset[int]


@dataclass(frozen=True, slots=True)
class FolderRights:
    """`missing` says what the account lacks and where, "" where nothing; `open_to_all` whether everybody may write."""

    exists: bool
    missing: str = ""
    open_to_all: bool = False
    readable_by_all: bool = False


def account_named(name: str) -> Account:
    """An account by its name; "" is that of this process. Raises `KeyError` where there is none."""
    if not name:
        groups = frozenset([os.getegid(), *os.getgroups()])
        return Account(_name_of(os.geteuid()), os.geteuid(), groups)
    entry = pwd.getpwnam(name)
    return Account(name, entry.pw_uid, frozenset(os.getgrouplist(name, entry.pw_gid)))


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def rights(folder: str, account: Account) -> FolderRights:
    """What the account may do with a folder and on the way to it."""
    place = os.path.realpath(folder)
    way = [place]
    while place != os.path.dirname(place):  # noqa: PTH120 - text, not places
        place = os.path.dirname(place)  # noqa: PTH120
        way.append(place)
    for above in reversed(way[1:]):
        found = _stat(above)
        if found is None:
            return FolderRights(False)
        if not _may(found, account, _ENTER):
            return FolderRights(True, f"{account.name} may not enter {above}")
    found = _stat(way[0])
    if found is None:
        return FolderRights(False)
    missing = "" if _may(found, account, _READ | _WRITE | _ENTER) else f"{account.name} may not write in {folder}"
    if not stat.S_ISDIR(found.st_mode):
        missing = f"{folder} is no folder"
    return FolderRights(True, missing, bool(found.st_mode & stat.S_IWOTH), bool(found.st_mode & stat.S_IROTH))


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - text, not a place
    except OSError:
        return None


def _may(found: os.stat_result, account: Account, bits: int) -> bool:
    if account.user == 0:
        return True
    shift = 6 if found.st_uid == account.user else 3 if found.st_gid in account.groups else 0
    return (found.st_mode >> shift) & bits == bits
