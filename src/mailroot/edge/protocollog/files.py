"""The log files of one virtual server: which lines go into which, when a new one begins, and how long they stay."""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailroot.edge.protocollog.entry import Entry, Loss
from mailroot.edge.protocollog.forms import Form
from mailroot.edge.protocollog.names import is_by_time, is_ours, number_of, numbered_name, timed_name
from mailroot.edge.protocollog.whole import WholeLines
from mailroot.settings.log import LogPeriod

# How often old files are looked for, in seconds.
_CLEANING = 600.0
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class FilePlan:
    """Where files stand and when a new one begins. `limit`, in octets, counts for `LogPeriod.SIZE`.

    `keep_days` and `keep_files` say how many stay; 0: all.
    """

    folder: Path
    period: LogPeriod
    local: bool
    limit: int
    keep_days: int = 0
    keep_files: int = 0


class FileSink:
    """Writes entries into files. Used by one thread."""

    def __init__(self, form: Form, plan: FilePlan) -> None:
        self._form = form
        self._plan = plan
        self._lines = WholeLines()
        self._local = plan.local or form.local
        self.tells_local = form.tells_local
        self._number = 0
        self._clean_at = time.monotonic()

    def write(self, entries: Sequence[Entry]) -> Loss | None:
        """Write the entries; what could not be written of them, None where all was."""
        if not entries:
            return None
        losses = [self._written(name, lines, entries[0][0]) for name, lines in self._files(entries)]
        if time.monotonic() >= self._clean_at:
            self._clean_at = time.monotonic() + _CLEANING
            self._clean()
        lost = [loss for loss in losses if loss is not None]
        return Loss(sum(loss.entries for loss in lost), lost[0].cause) if lost else None

    def close(self, _patience: float) -> Loss | None:
        """Nothing is open between batches."""
        return None

    def _files(self, entries: Sequence[Entry]) -> Iterator[tuple[str, list[str]]]:
        """The lines of the entries by the files they go to, in their order; "" for the file with a number."""
        lines, plan = self._form.lines, self._plan
        if not is_by_time(plan.period):
            whole = lines(entries)
            limit = plan.limit - len(self._form.header(0)) if plan.period is LogPeriod.SIZE else 0
            yield from (("", part) for part in (_parts(whole, limit) if limit > 0 else [whole]))
            return
        begun = 0
        here = self._name(entries[0])
        # Almost always all of a batch goes to one file.
        if self._name(entries[-1]) != here:
            for place, entry in enumerate(entries):
                name = self._name(entry)
                if name != here:
                    yield here, lines(entries[begun:place])
                    begun, here = place, name
        yield here, lines(entries[begun:])

    def _name(self, entry: Entry) -> str:
        return timed_name(self._form.prefix, self._plan.period, int(entry[0]), self._local)

    def _written(self, name: str, lines: list[str], at: float) -> Loss | None:
        header, batch = self._form.header(at).encode(), "\n".join([*lines, ""]).encode("utf-8", "backslashreplace")
        folder = self._plan.folder
        try:
            try:
                self._append(name, header, batch)
            except FileNotFoundError:
                folder.mkdir(mode=0o750, parents=True, exist_ok=True)
                self._append(name, header, batch)
        except OSError as fault:
            return Loss(len(lines), f"{folder}: {fault.strerror or fault}")
        return None

    def _append(self, name: str, header: bytes, batch: bytes) -> None:
        folder, plan = self._plan.folder, self._plan
        if name:
            self._lines.append(folder / name, header, batch)
            return
        if not self._number:
            known = (number_of(self._form, path.name) for path in folder.iterdir()) if folder.exists() else ()
            self._number = max(known, default=0) or 1
        limit = plan.limit if plan.period is LogPeriod.SIZE else 0
        while not self._lines.append(folder / numbered_name(self._form, self._number), header, batch, limit):
            self._number += 1

    # -- old files

    def _clean(self) -> None:
        """Remove files that are too old, and the oldest of too many. Several processes may do it at once."""
        plan = self._plan
        if not plan.keep_days and not plan.keep_files:
            return
        with contextlib.suppress(OSError):
            found = sorted(
                (entry.stat().st_mtime, entry.path)
                for entry in os.scandir(plan.folder)
                if entry.is_file(follow_symlinks=False) and is_ours(entry.name)
            )
            kept = found[:-1]  # the newest is in use
            oldest = time.time() - plan.keep_days * _DAY
            excess = len(found) - plan.keep_files if plan.keep_files else 0
            for place, (changed, path) in enumerate(kept):
                if place < excess or (plan.keep_days and changed < oldest):
                    Path(path).unlink(missing_ok=True)


def _parts(lines: list[str], limit: int) -> Iterator[list[str]]:
    """The lines in parts of up to so many octets; one alone may have more."""
    part: list[str] = []
    size = 0
    for line in lines:
        octets = len(line.encode("utf-8", "backslashreplace")) + 1
        if part and size + octets > limit:
            yield part
            part, size = [], 0
        part.append(line)
        size += octets
    yield part
