"""The event log: one JSON object a line, in `events-YYMMDD.jsonl` by the UTC day.

Recording an event only appends to a list; a thread formats and writes in batches, within half a second. Several
processes write into one file: each batch is one write of whole lines, appended. What cannot be written is counted and
told by an `events_lost` line as soon as writing works again; mail never waits for the log.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import Protocol

import orjson

from mailroot.edge.clock import to_the_millisecond
from mailroot.edge.scheduling import wait_when_waking
from mailroot.mail.events import EVENT_ROWS, EVENTS, EventRow
from mailroot.mail.fanout import Listener

# Events that wait to be written; beyond it they are lost and counted. About 1 KB each.
WAITING_LIMIT = 50_000
# A longer text in a field is cut.
TEXT_LIMIT = 2_000
# The longest that an event waits before it is written, in seconds.
INTERVAL = 0.4

_MODE = 0o640
_Waiting = tuple[datetime, EventRow, Mapping[str, object]]


class Keeper(Protocol):
    """Keeps events besides the log, as they were formatted for it (`edge.trace`). Called by the log's thread alone."""

    lost: int
    """Events that could not be kept."""

    def keep(self, events: Sequence[_Waiting], lines: Sequence[bytes]) -> None:
        """Take events with their lines. Never raises."""

    def idle(self) -> None:
        """Called now and then. Never raises."""

    def close(self) -> None:
        """Nothing more will come."""


class EventLog:
    """Writes events into a folder. Make it in the process that uses it: its thread does not survive a fork.

    `worker` names the process in each line, beside its pid. `now` gives aware UTC moments. `lost` hears how many events
    could not be written, once that can be. With `keeper`, each line goes there too; without a folder, there alone.
    """

    def __init__(
        self,
        folder: Path | None,
        now: Callable[[], datetime],
        worker: str = "",
        lost: Callable[[int], None] = lambda _count: None,
        keeper: Keeper | None = None,
    ) -> None:
        self._folder = folder
        self._now = now
        self._tell_lost = lost
        self._keeper = keeper
        named = f',"worker":{_text(worker)}' if worker else ""
        self._origin = f',"pid":{os.getpid()}{named}'.encode("ascii")
        self._waiting: list[_Waiting] = []
        # Each counter is written by one thread only: these by the recorder, then the writer, then the writer.
        self._refused = 0
        self._unwritten = 0
        self._told = 0
        self._torn = False
        self._writing = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="events", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Events that could not be written and have not been told of yet."""
        return self._refused + self._unwritten - self._told

    def listener(self, _row: EventRow) -> Listener:
        """Every event is recorded (`mail.fanout.Sink`)."""
        return self.record

    def record(self, at: datetime, row: EventRow, fields: Mapping[str, object]) -> None:
        """Record the event. Never blocks, never fails."""
        waiting = self._waiting
        if len(waiting) < WAITING_LIMIT:
            waiting.append((at, row, fields))
        else:
            self._refused += 1

    def flush(self) -> None:
        """Write what waits, now. Never raises: what cannot be written is counted."""
        with self._writing:
            # One list for ever: a recorder may be between looking it up and appending to it.
            waiting = self._waiting[:]
            del self._waiting[: len(waiting)]
            days = _by_day(waiting)
            if not days and self.lost:
                days = {self._now().date(): []}
            for day, events in days.items():
                self._write(day, events)

    def close(self) -> None:
        """Write what waits, and end the thread. What is recorded afterwards is not written."""
        self._ending.set()
        self._thread.join()
        self.flush()
        if self._keeper is not None:
            self._keeper.close()

    def _write_on(self) -> None:
        wait_when_waking()
        while not self._ending.wait(INTERVAL):
            if self._waiting or self.lost:
                self.flush()
            if self._keeper is not None:
                self._keeper.idle()

    def _write(self, day: date, events: list[_Waiting]) -> None:
        lost, keeper = self.lost, self._keeper
        lines = [_line(self._origin, *event) for event in events]
        if keeper is not None:
            keeper.keep(events, lines)
        if self._folder is None:
            return
        if lost:
            lines.append(_line(self._origin, self._now(), EVENTS.events_lost, {"count": lost}))
        if keeper is not None and keeper.lost:
            lines.append(_line(self._origin, self._now(), EVENTS.trace_lost, {"count": keeper.lost}))
            keeper.lost = 0
        # After a line that a full disk has cut, a new one begins.
        batch = b"\n" * self._torn + b"".join(lines)
        written = self._append(self._folder / f"events-{day:%y%m%d}.jsonl", batch)
        if written == len(batch):
            self._told += lost
            self._tell_lost(lost)
            self._torn = False
            return
        self._unwritten += len(events) - min(batch.count(b"\n", self._torn, written), len(events))
        self._torn = written > 0 and batch[written - 1 : written] != b"\n"

    def _append(self, path: Path, batch: bytes) -> int:
        """How many octets of the batch are in the file now. Opened each time, so that the file may be moved away."""
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
            try:
                if os.geteuid() == 0:  # processes of a lesser account, the folder's, write into the same file
                    owner = path.parent.stat()
                    os.fchown(descriptor, owner.st_uid, owner.st_gid)
                return os.write(descriptor, batch)
            finally:
                os.close(descriptor)
        return 0


def open_log(
    folder: str,
    now: Callable[[], datetime],
    worker: str = "",
    lost: Callable[[int], None] = lambda _count: None,
    keeper: Keeper | None = None,
) -> EventLog | None:
    """The event log in a folder, which is made where it is missing; None where it is "" and there is no keeper."""
    if not folder:
        return None if keeper is None else EventLog(None, now, worker, lost, keeper)
    with contextlib.suppress(OSError):
        Path(folder).mkdir(mode=0o750, parents=True, exist_ok=True)
    return EventLog(Path(folder), now, worker, lost, keeper)


def _by_day(waiting: list[_Waiting]) -> dict[date, list[_Waiting]]:
    if waiting and (day := waiting[0][0].date()) == waiting[-1][0].date():
        return {day: waiting}  # as nearly always
    days: dict[date, list[_Waiting]] = {}
    for event in waiting:
        days.setdefault(event[0].date(), []).append(event)
    return days


# Values of other types than texts, numbers and lists of them take the longer way.
_PLAIN = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS


def _about(row: EventRow) -> bytes:
    predecessors = f',"source":"SMTPSVC","id":{row.ident}' if row.ident else ""
    return f'Z","event":"{row.name}","severity":"{row.severity.value}"{predecessors}'.encode("ascii")


_ABOUT = {row.name: _about(row) for row in EVENT_ROWS}
# A control character that JSON lets stand, and terminals may not.
_DELETE = b"\x7f"


def _line(origin: bytes, at: datetime, row: EventRow, fields: Mapping[str, object]) -> bytes:
    if "pid" in fields or "worker" in fields:
        origin = b""  # the event is about a process, and names it
    try:
        written = orjson.dumps(fields, None, _PLAIN)
    except TypeError:
        written = _DELETE
    if len(written) > TEXT_LIMIT or not written.isascii() or _DELETE in written:
        written = _carefully(fields)
    rest = (b",", written[1:], b"\n") if len(written) > len("{}") else (b"}\n",)
    return b"".join((b'{"time":"', to_the_millisecond(at), _ABOUT.get(row.name) or _about(row), origin, *rest))


def _carefully(fields: Mapping[str, object]) -> bytes:
    """The fields as JSON of ASCII, however odd they are, with long texts cut."""
    written = ",".join([f'"{name}":{_value(value)}' for name, value in fields.items()])
    return f"{{{written}}}".encode("ascii").replace(_DELETE, b"\\u007f")


def _value(value: object) -> str:  # noqa: PLR0911 (a table by type, the commonest first)
    if isinstance(value, str):
        return _text(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Enum):
        return _value(value.value)
    if isinstance(value, datetime):
        return f'"{value.isoformat(timespec="milliseconds")}"'
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{','.join([_value(item) for item in value])}]"
    if isinstance(value, bytes):
        return _text(value.decode("utf-8", "backslashreplace"))
    return _text(str(value))


def _text(text: str) -> str:
    """A JSON string of ASCII: no line break, control or direction sign of a stranger reaches a terminal."""
    return encode_basestring_ascii(text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT] + "...")
