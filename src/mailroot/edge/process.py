"""Processes: forks that end with their parent, and privileges that are laid down."""

import contextlib
import ctypes
import os
import pwd
import resource
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

from mailroot.edge.files.durable import translated
from mailroot.mail.faults import Misconfigured

_PR_SET_PDEATHSIG = 1  # prctl(2)
_HIGHEST_DESCRIPTOR = 1_048_576


def fork_child(main: Callable[[], int], keep: Iterable[int]) -> tuple[int, int]:
    """Start a child that runs `main` and ends with its result; its process id and a descriptor that tells its end.

    The child keeps standard streams and the descriptors `keep`, and nothing else of ours; it dies with its parent.
    """
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _run_child(main, keep, parent)
    return child, os.pidfd_open(child)


def _run_child(main: Callable[[], int], keep: Iterable[int], parent: int) -> NoReturn:
    code = 70  # EX_SOFTWARE: what ends here without a word is a mistake of the program
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP):  # a terminal tells all its processes; the parent decides
            signal.signal(number, signal.SIG_IGN)
        _die_with(parent)
        _close_all_but({0, 1, 2, *keep})
        code = main()
    except BaseException:  # the outermost frame of the child: nothing above it may run
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _die_with(parent: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(0)


def _close_all_but(keep: set[int]) -> None:
    """Close every other descriptor. An empty range is left out: `os.closerange(0, 0)` closes everything."""
    first = 0
    for number in [*sorted(keep), _beyond_open()]:
        if first < number:
            os.closerange(first, number)
        first = number + 1


def _beyond_open() -> int:
    try:
        return max(int(path.name) for path in Path("/proc/self/fd").iterdir()) + 1
    except OSError:
        return _HIGHEST_DESCRIPTOR


def account_of(name: str) -> tuple[int, int]:
    """User and group id of an account. Raises `Misconfigured` where there is none of that name."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError as fault:
        mend = f"make it (useradd --system {name}) or name another"
        raise Misconfigured(f"service.run_as: there is no account {name!r} on this machine; {mend}") from fault
    return entry.pw_uid, entry.pw_gid


def may_become(name: str) -> None:
    """Raises `Misconfigured` where we may not run processes under this account; "" is ours."""
    if name and os.geteuid() != account_of(name)[0] and os.geteuid() != 0:
        raise Misconfigured(
            f"service.run_as: only root can run workers as {name!r}; start the service as root, or as {name!r}"
        )


def give_folder(path: str, name: str, *, made: bool = True) -> None:
    """Make a folder where it is missing, and give it to the account, so that our children may write there.

    Only root gives, and "" is nobody. With `made` false, a folder that is there already stays as it is. Raises
    `Misconfigured` or `Unavailable`.
    """
    with translated("the folder cannot be used"):
        if made or not os.path.isdir(path):  # noqa: PTH112 - `Path` would only wrap it
            os.makedirs(path, exist_ok=True)  # noqa: PTH103
            if name and os.geteuid() == 0:
                user, group = account_of(name)
                os.chown(path, user, group)


def become(name: str) -> None:
    """Run under another account from now on; without a way back."""
    if not name or os.geteuid() != 0:
        return
    user, group = account_of(name)
    parent = os.getppid()
    os.initgroups(name, group)
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    _die_with(parent)  # a change of the account takes that wish back (prctl(2))


def most_descriptors() -> int:
    """How many descriptors this process may have open, after its limit was raised as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return _HIGHEST_DESCRIPTOR if soft == resource.RLIM_INFINITY else soft


def resident_octets() -> int:
    """How much memory this process has in use, shared pages included; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        return 0


def reap(child: int) -> int:
    """The exit status of a child that has ended: its code, or minus the number of the signal that ended it."""
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
