"""File systems of a test's own: one that loses power, one that is full. They need root and a loop device."""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.running import until

_FS_IOC_SHUTDOWN = 0x8004587D
_NOLOGFLUSH = 2  # the journal in memory is lost too, as in a power cut
_MIB = 1 << 20


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)


class Disk:
    """A journalled ext4 in a file, mounted at `place`."""

    def __init__(self, image: Path, place: Path, mebibytes: int) -> None:
        self._image, self.place = image, place
        place.mkdir(parents=True, exist_ok=True)
        with image.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, mebibytes * _MIB)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))

    def mount(self) -> None:
        """Mount it; the journal is played back."""
        _run("mount", "-o", "loop", str(self._image), str(self.place))

    def unmount(self) -> None:
        """Unmount it, once the processes that were killed have let go of it."""

        def unmounted() -> bool:
            words = ("umount", str(self.place))
            return subprocess.run(words, capture_output=True, check=False, timeout=120).returncode == 0

        until(unmounted, "the disk to be free")

    def cut_power(self) -> None:
        """Nothing reaches the disk from now on."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _FS_IOC_SHUTDOWN, struct.pack("I", _NOLOGFLUSH))
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def disk(image: Path, place: Path, mebibytes: int = 64) -> Iterator[Disk]:
    """A mounted disk; without root or loop devices the test is skipped, and fails in CI where it is root."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    os.environ["PATH"] += "" if shutil.which("mkfs.ext4") else ":/usr/sbin:/sbin"
    try:
        made = Disk(image, place, mebibytes)
        made.mount()
    except (OSError, subprocess.CalledProcessError) as fault:
        outcome = pytest.fail if os.environ.get("CI") else pytest.skip
        said = getattr(fault, "stderr", "") or fault
        outcome(f"no ext4 on a loop device here (mkfs.ext4, mount, /dev/loop-control, CAP_SYS_ADMIN): {said}")
    try:
        yield made
    finally:
        if made.place.is_mount():
            made.unmount()
        image.unlink()
