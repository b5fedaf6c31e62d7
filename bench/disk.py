"""Where both servers keep their files: a journalled file system of known state, made for the run.

A file system without a journal, or one whose blocks are still to be allocated, makes files cost 2 to 20 times more or
less from one round to the next. So, as root, an image is written in full, formatted as ext4 and mounted by loop.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHUNK = bytes(8 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Disk:
    """A folder for the run, and what it stands on in words for the report."""

    folder: Path
    description: str


@contextmanager
def disk(megabytes: int) -> Iterator[Disk]:
    """Yield the run's disk and leave nothing behind, whatever ends the run."""
    scratch = Path(tempfile.mkdtemp(prefix="mailroot-bench-", dir="/var/tmp"))  # /tmp may be memory
    scratch.chmod(0o755)
    try:
        if os.geteuid() == 0 and shutil.which("mkfs.ext4") and shutil.which("losetup"):
            with _mounted(scratch, megabytes) as folder:
                yield Disk(folder, f"ext4 with a journal, loop-mounted, {megabytes} MB written in full")
        else:
            yield Disk(scratch, "a plain folder: not root, so no file system of its own; figures vary more")
    finally:
        shutil.rmtree(scratch)


@contextmanager
def _mounted(scratch: Path, megabytes: int) -> Iterator[Path]:
    image, folder = scratch / "image", scratch / "disk"
    folder.mkdir()
    _write_in_full(image, megabytes)
    # Tables and journal are initialised now, not by a kernel thread during the measurement.
    options = ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-N", str(megabytes * 128)]
    subprocess.run(["mkfs.ext4", *options, str(image)], check=True)
    subprocess.run(["mount", "-o", "loop,noatime", str(image), str(folder)], check=True)
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=False)
        if os.path.ismount(folder):  # somebody still looks at it: detached now, gone when they leave
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _write_in_full(image: Path, megabytes: int) -> None:
    with image.open("wb") as file:
        for _ in range(megabytes * 1024 * 1024 // len(CHUNK)):
            file.write(CHUNK)
        os.fsync(file.fileno())
