"""Durable steps on files: what is synced stays, and what fails is said in our words.

A sync that failed is never repeated: the kernel may have dropped the pages and would then report success.
"""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from mailroot.mail.faults import DiskFull, Misconfigured, Unavailable

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_OPERATOR = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn an `OSError` of the block into `DiskFull`, `Misconfigured` or `Unavailable`, saying what was done."""
    try:
        yield
    except OSError as fault:
        raise fault_of(fault, what) from fault


def fault_of(fault: OSError, what: str) -> Unavailable | Misconfigured:
    """The fault in our words: `what` failed, for which path and why."""
    text = ": ".join(str(part) for part in (what, fault.filename, fault.strerror or fault) if part)
    if fault.errno in _FULL:
        return DiskFull(text)
    if fault.errno in _OPERATOR:
        return Misconfigured(text)
    return Unavailable(text)


def sync_folder(folder: Path | str) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
