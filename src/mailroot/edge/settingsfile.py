"""The settings file: read with everything it rests on, and replaced durably without losing its owner or mode."""

import contextlib
import os
import socket
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from mailroot.edge.cores import usable_cores
from mailroot.edge.files.durable import sync_folder, translated
from mailroot.edge.files.folderlock import alone
from mailroot.mail.address import domain_key
from mailroot.mail.faults import Misconfigured
from mailroot.settings.change import Facts, parse
from mailroot.settings.places import is_name
from mailroot.settings.problem import Problem, Problems
from mailroot.settings.quickstart import QUICK_START
from mailroot.settings.service import Settings

# A settings file of a thousand domains has less than a tenth of this.
_LARGEST = 4 * 1024 * 1024
_LARGEST_SECRET = 64 * 1024
# Whoever changes the file has the service apply it meanwhile, which takes seconds at most.
_LOCK_SECONDS = 30.0
_PEM = "-----BEGIN "


@dataclass(slots=True)
class SettingsFile:
    """A settings file by its path. With `quick_start`, a file that is not there stands for the quick start.

    `load` may be called again and again; each success has a higher revision.
    """

    path: Path
    quick_start: bool = False
    _revision: int = field(default=0, init=False)

    @property
    def folder(self) -> str:
        """The file's folder, absolute and without symbolic links."""
        return os.path.realpath(self.path.parent)

    def text(self) -> str:
        """What stands in the file. Raises `Misconfigured` where it cannot be read or is no text."""
        if self.quick_start and not self.path.exists():
            return QUICK_START
        try:
            with self.path.open("rb") as file:
                octets = file.read(_LARGEST + 1)
        except OSError as fault:
            ours = "use the account that the service runs under"
            mend = ours if isinstance(fault, PermissionError) else "name a settings file by --config FILE"
            raise Misconfigured(f"{self.path}: {fault.strerror or fault}; {mend}") from fault
        if len(octets) > _LARGEST:
            raise Misconfigured(f"{self.path}: larger than {_LARGEST} octets, so not a settings file")
        try:
            return octets.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as fault:
            raise Misconfigured(f"{self.path}: octet {fault.start} is not UTF-8; save the file as UTF-8") from fault

    def load(self) -> Settings | Problems:
        """The settings, or what is wrong with them. Nothing is raised."""
        try:
            text = self.text()
        except Misconfigured as fault:
            return Problems((Problem("", "", str(fault)),))
        loaded = self.check(text)
        if isinstance(loaded, Settings):
            self._revision += 1
        return loaded

    def check(self, text: str, folder: str = "") -> Settings | Problems:
        """What the file would stand for with this text in it, and if it stood in `folder`; "" is its own."""
        facts = machine_facts(folder or self.folder, self._revision + 1)
        return parse(text, facts, private=self._private(), file=str(self.path))

    def _private(self) -> bool:
        try:
            return _is_private(self.path.stat().st_mode)
        except OSError:
            return True

    def changing(self, patience: float | None = None) -> AbstractContextManager[object]:
        """Nobody else changes the file while this is entered: what is read is what is replaced. Raises `Fault`.

        Another program that changes it is waited for, `patience` seconds at most.
        """
        seconds = _LOCK_SECONDS if patience is None else patience
        return alone(Path(os.path.realpath(self.path)), "the settings", seconds)

    def keep(self) -> Callable[[], None]:
        """A step that puts back what the file holds now, or takes it away where there is none."""
        if not self.path.exists():
            return lambda: self.path.unlink(missing_ok=True)
        before = self.text()
        return lambda: self.replace(before)

    def replace(self, text: str) -> None:
        """Put this text in place of the file's; after a power cut the one or the other is there, whole.

        Owner and mode stay; a new file is readable by its owner only. A symbolic link stays one. Raises `Misconfigured`
        or `Unavailable`.
        """
        target = Path(os.path.realpath(self.path))
        draft = target.with_name(f".{target.name}.{os.getpid()}.new")
        with translated(f"writing {self.path}"):
            try:
                _write(draft, text.encode(), target)
                draft.replace(target)
            except OSError:
                with contextlib.suppress(OSError):
                    draft.unlink()
                raise
            sync_folder(target.parent)


def _write(draft: Path, octets: bytes, model: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
        file.flush()
        with contextlib.suppress(FileNotFoundError):
            known = model.stat()
            if (known.st_uid, known.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, known.st_uid, known.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(known.st_mode))
        os.fsync(descriptor)


def machine_facts(folder: str, revision: int = 1) -> Facts:
    """What this machine and this environment add to a settings file in `folder`."""
    host, addresses = _own_names()
    return Facts(folder, host, usable_cores(), addresses, os.environ, secret_in, revision)


def secret_in(path: str) -> str:
    """The secret that a file holds: its first line, or all of it where that begins a PEM.

    Raises `Misconfigured`, also where others can read it.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            if not _is_private(os.fstat(file.fileno()).st_mode):
                raise Misconfigured(f"{path}: others than its owner can read this secret; run: chmod 600 {path}")
            text = file.read(_LARGEST_SECRET)
            line = text if text.startswith(_PEM) else text.partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as fault:
        why = getattr(fault, "strerror", None) or "not text"
        raise Misconfigured(f"{path}: {why}; make it a text that the service can read") from fault
    if not line:
        raise Misconfigured(f"{path}: its first line is empty; put the secret there")
    return line


def _is_private(mode: int) -> bool:
    return not stat.S_IMODE(mode) & (stat.S_IRGRP | stat.S_IROTH)


def _own_names() -> tuple[str, frozenset[str]]:
    """The machine's full name, or "localhost" where it has none that mail could carry, and the addresses of it."""
    short = socket.gethostname()
    try:
        found = socket.getaddrinfo(short, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except (OSError, UnicodeError):
        found = []
    full = next((row[3] for row in found if row[3]), short)
    names = [domain_key(name) for name in (full, short)]
    # A container's canonical name is sometimes "localhost", which says less than its short name.
    host = next((name for name in names if is_name(name) and name != "localhost"), "localhost")
    return host, frozenset(str(row[4][0]) for row in found)
