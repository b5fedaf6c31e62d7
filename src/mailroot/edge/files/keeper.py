"""Whom files belong to that root makes by hand: the account of the folder, which is the one that runs the service."""

import os
from pathlib import Path


def keeper(folder: Path | int) -> int | None:
    """The account that a folder belongs to, where we are root and it is not root's."""
    owner = os.stat(folder).st_uid if os.geteuid() == 0 else 0  # noqa: PTH116 - it may be a descriptor
    return owner or None


def give_to_keeper(descriptor: int, folder: Path | int) -> None:
    """Give what was made in a folder to its keeper; nothing where that is us. Raises `OSError`."""
    if keeper(folder) is not None:
        status = os.stat(folder)  # noqa: PTH116
        os.fchown(descriptor, status.st_uid, status.st_gid)


def make_folder(folder: Path, mode: int = 0o777) -> None:
    """Make a folder where it is missing, for the keeper of the one that it is in. Raises `OSError`."""
    if folder.is_dir():
        return
    folder.mkdir(mode=mode, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        give_to_keeper(descriptor, folder.parent)
    finally:
        os.close(descriptor)
