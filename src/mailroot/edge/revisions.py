"""The revisions of a settings file, kept beside it: one private file each, the oldest go when there are too many."""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mailroot.edge.files.durable import sync_folder, translated
from mailroot.mail.faults import Misconfigured
from mailroot.settings.revision import Revision, revision_from

MOST_REVISIONS = 200
MOST_OCTETS = 32 * 1024 * 1024
_LARGEST = 16 * 1024 * 1024
_ENDING = ".json"


@dataclass(frozen=True, slots=True)
class Revisions:
    """Those of one settings file. Whoever adds one holds the file's lock (`SettingsFile.changing`)."""

    settings_file: Path

    @property
    def folder(self) -> Path:
        """Where they are kept. They may hold what is secret, so nobody else may look into it."""
        whole = Path(os.path.realpath(self.settings_file))
        return whole.with_name(f".{whole.name}.revisions")

    def numbers(self) -> list[int]:
        """The numbers that are kept, the oldest first. Raises `Fault` where the folder cannot be read."""
        with translated("the revisions of the settings cannot be read"):
            try:
                names = [path.name for path in self.folder.iterdir()]
            except FileNotFoundError:
                return []
        return sorted(int(name[: -len(_ENDING)]) for name in names if _is_ours(name))

    def read(self, number: int) -> Revision:
        """One of them. Raises `Misconfigured` where there is none of that number, or it is damaged."""
        path = self._path(number)
        try:
            with path.open("rb") as file:
                return revision_from(json.loads(file.read(_LARGEST)))
        except FileNotFoundError as fault:
            raise Misconfigured(f"there is no revision {number} of the settings (any more)") from fault
        except (OSError, ValueError, KeyError, TypeError) as fault:
            raise Misconfigured(f"{path}: {fault or 'no revision'}; move the file away") from fault

    def latest(self, most: int = MOST_REVISIONS) -> list[Revision]:
        """The latest, the oldest of them first; what is damaged is left out."""
        return [*self._sound(self.numbers()[-most:])]

    def _sound(self, numbers: list[int]) -> Iterator[Revision]:
        for number in numbers:
            with contextlib.suppress(Misconfigured):
                yield self.read(number)

    def add(self, revision: Revision) -> None:
        """Keep one more, durably, and forget the oldest beyond the bounds. Raises `Fault`."""
        octets = json.dumps(revision.as_kept(), ensure_ascii=False).encode()
        made = False
        try:
            with translated("the revisions of the settings cannot be written"):
                made = self._made()
                self._write(self._path(revision.number), octets)
        except BaseException:
            if made:
                with contextlib.suppress(OSError):
                    self.folder.rmdir()
            raise
        self._forget()

    def take_back(self, number: int) -> None:
        """The change did not come about."""
        with contextlib.suppress(OSError):
            self._path(number).unlink(missing_ok=True)
            self.folder.rmdir()  # only where it is empty

    def _made(self) -> bool:
        try:
            self.folder.mkdir(mode=0o700)
        except FileExistsError:
            return False
        self._give(self.folder)
        return True

    def _write(self, path: Path, octets: bytes) -> None:
        draft = path.with_name(f".{path.name}.new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(octets)
                file.flush()
                os.fsync(file.fileno())
            self._give(draft)
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)

    def _give(self, path: Path) -> None:
        """What root makes belongs to the settings file's owner, who runs the service."""
        with contextlib.suppress(FileNotFoundError):
            owner = self.settings_file.stat()
            if os.geteuid() == 0 and owner.st_uid != 0:
                os.chown(path, owner.st_uid, owner.st_gid)

    def _forget(self) -> None:
        numbers = self.numbers()
        sizes = {number: self._size(number) for number in numbers}
        while len(numbers) > 1 and (len(numbers) > MOST_REVISIONS or sum(sizes[one] for one in numbers) > MOST_OCTETS):
            with contextlib.suppress(OSError):
                self._path(numbers[0]).unlink(missing_ok=True)
            numbers.pop(0)

    def _size(self, number: int) -> int:
        try:
            return self._path(number).stat().st_size
        except OSError:
            return 0

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08}{_ENDING}"


def _is_ours(name: str) -> bool:
    return name.endswith(_ENDING) and name[: -len(_ENDING)].isascii() and name[: -len(_ENDING)].isdigit()
