"""One program at a time: a lock of a folder, for as long as a file in it is read, changed and replaced.

It is the folder that is locked, because a file that is replaced is another file afterwards. The lock ends with its
holder, whatever happens to that.
"""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from mailroot.edge.files.durable import translated
from mailroot.mail.faults import Unavailable

_PAUSE = 0.02


@contextlib.contextmanager
def alone(file: Path, what: str, patience: float) -> Iterator[int]:
    """The open folder of the file, which nobody else changes meanwhile; `what` names the file's content to people.

    Raises `Fault`, also where another program has not ended its change after `patience` seconds.
    """
    with translated(f"{what} cannot be changed"):
        descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + patience
        while not _lock(descriptor, what):
            if time.monotonic() > deadline:
                raise Unavailable(f"{file}: another program is changing it; try again")
            time.sleep(_PAUSE)
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, what: str) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        if fault.errno in (errno.EWOULDBLOCK, errno.EAGAIN):
            return False
        raise Unavailable(f"the folder of {what} cannot be locked: {fault.strerror}") from fault
    return True
