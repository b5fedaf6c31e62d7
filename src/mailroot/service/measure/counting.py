"""The sink of events that counts them (`mail.fanout.Sink`); what no event tells is counted where it happens."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from mailroot.mail.counters.families import (
    DEFERRALS,
    FAILURES,
    REFUSALS,
    SESSIONS,
    SIGN_INS,
    SUBJECTS,
    TRANSACTIONS,
    Family,
)
from mailroot.mail.counters.layout import FAMILY_SLOTS, SLOTS, Tally, slot_of
from mailroot.mail.events import EventRow
from mailroot.mail.fanout import Listener
from mailroot.mail.pickup import NO_RECIPIENTS
from mailroot.mail.report import Kind
from mailroot.service.measure.refusals import cause_of

_RECEIVED, _RECIPIENTS_RECEIVED = SLOTS.messages_received, SLOTS.recipients_received
_BYTES_RECEIVED = SLOTS.message_bytes_received

_Fields = Mapping[str, Any]
# What makes the listener of a row for one process.
_Counter = Callable[["Counting"], Listener]


class Counting:
    """Counts events in the tallies of one process, which are given by virtual server; "" is the service itself."""

    def __init__(self, tallies: Mapping[str, Tally]) -> None:
        self._cells = {server: tally.cells for server, tally in tallies.items()}
        self._service = self._cells[""]
        self._report = ""

    def listener(self, row: EventRow) -> Listener | None:
        """What counts events of this row."""
        counter = _COUNTS.get(row.name)
        return None if counter is None else counter(self)

    def close(self) -> None:
        """Nothing waits."""

    def _of(self, fields: _Fields) -> Any:
        return self._cells.get(fields["server"], self._service)

    def _accepted(self, _at: datetime, _row: EventRow, fields: _Fields) -> None:
        cells = self._cells[fields["server"]]
        cells[_RECEIVED] += 1
        cells[_BYTES_RECEIVED] += fields["size"]
        cells[_RECIPIENTS_RECEIVED] += fields["recipients"]
        if not fields["session"]:
            cells[SLOTS.pickup_messages] += 1

    def _reported(self, _at: datetime, _row: EventRow, fields: _Fields) -> None:
        """A report is told of once a recipient, all in a row."""
        if fields["message_id"] == self._report:
            return
        self._report = fields["message_id"]
        cells = self._of(fields)
        cells[SLOTS.reports] += 1
        if fields["kind"] == Kind.FAILURE.value:
            cells[SLOTS.ndrs] += 1

    def _refused(self, _at: datetime, _row: EventRow, fields: _Fields) -> None:
        cells, cause = self._of(fields), cause_of(fields["reply"])
        cells[slot_of(REFUSALS, cause)] += 1
        if cause == "size":
            cells[SLOTS.refused_for_size] += 1
        elif cause == "room":
            cells[SLOTS.refused_for_room] += 1

    def _badmail(self, _at: datetime, _row: EventRow, fields: _Fields) -> None:
        kind = fields["kind"]
        if kind == "pickup" and fields["cause"] == NO_RECIPIENTS:
            kind = "no_recipients"
        elif kind == "pickup" and "delivery.hop_count" in fields["cause"]:  # as `policy.loop` puts it
            kind = "hops"
        self._of(fields)[_BADMAIL[kind]] += 1

    def _destination_down(self, _at: datetime, _row: EventRow, fields: _Fields) -> None:
        cells = self._of(fields)
        cells[SLOTS.outbound_connections_refused] += 1
        cells[SLOTS.connection_errors] += 1

    def _log_lost(self, _at: datetime, _row: EventRow, fields: _Fields) -> None:
        self._service[SLOTS.log_lines_lost] += fields["count"]


_BADMAIL = {
    "general": SLOTS.badmail_general,
    "pickup": SLOTS.badmail_pickup,
    "hops": SLOTS.badmail_hops,
    "report": SLOTS.badmail_report,
    "no_recipients": SLOTS.badmail_no_recipients,
}


def _one(slot: int) -> _Counter:
    """Counts an event of a virtual server."""

    def counter(counting: Counting) -> Listener:
        def count(_at: datetime, _row: EventRow, fields: _Fields) -> None:
            counting._of(fields)[slot] += 1

        return count

    return counter


def _served(slot: int) -> _Counter:
    """Counts an event of the service."""

    def counter(counting: Counting) -> Listener:
        def count(_at: datetime, _row: EventRow, _fields: _Fields) -> None:
            counting._service[slot] += 1

        return count

    return counter


def _tls(family: Family) -> _Counter:
    """Counts an event by its version of TLS."""

    def counter(counting: Counting) -> Listener:
        def count(_at: datetime, _row: EventRow, fields: _Fields) -> None:
            counting._of(fields)[slot_of(family, fields.get("tls") or "none")] += 1

        return count

    return counter


def _subject(slot: int, family: Family) -> _Counter:
    """Counts an event, and by the subject of its enhanced status code."""

    def counter(counting: Counting) -> Listener:
        def count(_at: datetime, _row: EventRow, fields: _Fields) -> None:
            cells = counting._of(fields)
            cells[slot] += 1
            cells[slot_of(family, SUBJECTS.get(fields["status"][2:3], ""))] += 1

        return count

    return counter


def _by(listener: Callable[["Counting", datetime, EventRow, _Fields], None]) -> _Counter:
    """Counts by a method of its own."""
    return lambda counting: partial(listener, counting)


_SIGN_IN = FAMILY_SLOTS[SIGN_INS.name]
_REFUSAL = FAMILY_SLOTS[REFUSALS.name]

_COUNTS: dict[str, _Counter] = {
    "accepted": _by(Counting._accepted),
    "reported": _by(Counting._reported),
    "not_reported": _one(SLOTS.reports_missing),
    "refused": _by(Counting._refused),
    "connection_refused": _one(_REFUSAL["connection"]),
    "protocol_fault": _one(_REFUSAL["protocol"]),
    "disconnected": _tls(SESSIONS),
    "attempt": _tls(TRANSACTIONS),
    "deferred": _subject(SLOTS.recipients_deferred, DEFERRALS),
    "failed": _subject(SLOTS.recipients_failed, FAILURES),
    "badmail": _by(Counting._badmail),
    "destination_down": _by(Counting._destination_down),
    "queue_asked_for": _one(SLOTS.etrn_messages),
    "connection_turned": _one(SLOTS.etrn_messages),
    "log_lost": _by(Counting._log_lost),
    "tls_failed": _one(SLOTS.connection_errors),
    "signed_in": _one(_SIGN_IN["done"]),
    "sign_in_failed": _one(_SIGN_IN["failed"]),
    "too_many_guesses": _one(_SIGN_IN["limited"]),
    "worker_died": _served(SLOTS.worker_deaths),
    "task_failed": _served(SLOTS.mistakes),
    "store_failed": _served(SLOTS.store_failures),
    "settings_refused": _served(SLOTS.settings_refused),
}
