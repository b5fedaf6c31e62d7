"""What is handed from the sessions to the writer: records wait in one list, whose size is bounded.

The event loop appends, the writer's thread takes; neither waits for the other.
"""

from typing import Any, Protocol

from mailroot.edge.protocollog.entry import Entry

# Records that wait to be written; beyond it they are lost and counted. Each has the octets of a command and a reply.
WAITING_LIMIT = 50_000
# Octets of memory that groups of commands may take beside that: one record may have 64 KiB of them. What a client can
# make us keep that never reads its replies, and what goes into a batch of the writer at once.
GROUPS_LIMIT = 2 * 1024 * 1024
# What a command takes in memory besides its octets.
COMMAND_SIZE = 100


class Speaker(Protocol):
    """One connection, as the writer knows it."""

    def read(self, record: "Record", entries: list[Entry]) -> None:
        """Add to the entries what a record tells."""


# The connection; the moment, and an earlier one or 0.0; what was written, None at the end; what that was about.
Record = tuple[Speaker, float, float, bytes | None, Any]


class Recorder:
    """Keeps records until they are written."""

    __slots__ = ("_freed", "_groups", "refused", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Record] = []
        # Each counter is written by one thread only: the first two by the recorder, the third by the writer.
        self.refused = 0
        """Records that found no room."""
        self._groups = 0
        self._freed = 0

    def take(self, record: Record, octets: int = 0) -> None:
        """Keep a record, of a group of so many octets. Never blocks, never fails."""
        waiting = self.waiting
        if len(waiting) >= WAITING_LIMIT or (octets and self._groups - self._freed > GROUPS_LIMIT):
            self.refused += 1
            return
        self._groups += octets
        waiting.append(record)

    def taken(self) -> list[Record]:
        """All that waits, for the writer."""
        # One list for ever: a recorder may be between looking it up and appending to it.
        waiting, groups = self.waiting, self._groups
        records = waiting[:]
        del waiting[: len(records)]
        self._freed = groups
        return records
