"""The one table of events. Logs, counters and traces hang on it, by `mail.fanout`."""

import enum
from dataclasses import dataclass
from typing import Protocol


class Severity(enum.Enum):
    """How much an event matters to an operator."""

    DETAIL = "detail"
    NOTICE = "notice"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class EventRow:
    """One kind of event: its name, the fields it always has (others may come with it), a sentence for the docs.

    `ident` is its id in the predecessor's event log (source SMTPSVC), 0 where it had none or none is known; `words` is
    its text there, with the fields' names in braces.
    """

    name: str
    severity: Severity
    fields: tuple[str, ...]
    sentence: str
    ident: int = 0
    words: str = ""


class Emit(Protocol):
    """Takes an event. Never blocks, never fails; what cannot be kept is counted."""

    def __call__(self, row: EventRow, **fields: object) -> None:
        """Record the event with its fields, at the present moment."""


_D, _N, _W, _E = Severity.DETAIL, Severity.NOTICE, Severity.WARNING, Severity.ERROR

# "server" is the key of the virtual server, "session" names a session, "entry" is the key of a queue entry and
# "message_id" the Message-ID with its brackets.
EVENT_ROWS: tuple[EventRow, ...] = (
    EventRow("service_started", _N, ("version", "pid"), "The service is ready."),
    EventRow("service_stopped", _N, (), "The service has ended in good order."),
    EventRow("settings_applied", _N, ("revision",), "New settings are in force."),
    EventRow("settings_refused", _E, ("problems",), "A settings file was faulty; nothing was changed."),
    EventRow("server_state", _N, ("server", "state"), "A virtual server was started, stopped, paused or continued."),
    EventRow(
        "operation_done",
        _N,
        ("operation", "who", "face", "address", "arguments", "outcome"),
        "Somebody changed something, or was not able to; `arguments` are without secrets.",
    ),
    EventRow("audit_failed", _E, ("cause",), "A change could not be put into the audit record."),
    EventRow("admin_failed", _E, ("address", "cause"), "The administration cannot be served; mail goes on."),
    EventRow("operator_signed_in", _N, ("who", "face", "address"), "An operator signed in."),
    EventRow(
        "operator_refused",
        _W,
        ("who", "face", "address", "cause"),
        "Somebody was not let in to the administration, or not let do what was asked.",
    ),
    EventRow("states_not_kept", _W, ("cause",), "Which virtual servers were stopped could not be kept on disk."),
    EventRow(
        "daily_counts_lost",
        _W,
        ("cause",),
        "What went to destinations today was kept, but could not be read: their daily caps begin anew.",
    ),
    EventRow(
        "daily_counts_not_kept",
        _W,
        ("cause",),
        "What went to destinations today could not be kept on disk; with an end of the service it is forgotten.",
    ),
    EventRow(
        "service_restarted",
        _N,
        ("revision", "seconds"),
        "All workers were ended and started anew, with settings that only then count.",
    ),
    EventRow("restart_failed", _E, ("cause",), "New settings could not be brought into force; the former ones count."),
    EventRow("trap_set", _W, ("server", "trap"), "From now on mail of a virtual server reaches nobody that it is for."),
    EventRow("worker_started", _N, ("worker", "pid"), "A worker process is ready."),
    EventRow("worker_died", _E, ("worker", "pid", "exit"), "A worker process ended by itself; it is replaced."),
    EventRow(
        "shard_recovered", _N, ("server", "shard", "recovered", "swept"), "A queue shard was opened and put in order."
    ),
    EventRow(
        "disconnected",
        _D,
        ("server", "session", "address", "hello", "messages", "reason"),
        "A session ended; `messages` were accepted in it.",
    ),
    EventRow("signed_in", _D, ("server", "session", "address", "user", "mechanism"), "A client signed in."),
    EventRow(
        "sign_in_failed",
        _N,
        ("server", "session", "address", "user", "mechanism", "cause"),
        "A client did not sign in; `user` is the name that it sent, cut where it is long.",
    ),
    EventRow(
        "too_many_guesses",
        _W,
        ("server", "address", "user", "cause"),
        "Failed sign-ins reached a limit; until there are fewer, further ones are refused unseen.",
    ),
    EventRow("connection_refused", _N, ("server", "session", "address", "cause"), "A connection was not let in."),
    EventRow("tls_failed", _N, ("server", "session", "address", "cause"), "A TLS handshake with a client failed."),
    EventRow(
        "certificates_presented",
        _N,
        ("server", "names", "expires"),
        "New certificates are shown to clients from now on.",
    ),
    EventRow(
        "certificate_expires",
        _W,
        ("server", "names", "expires"),
        "A certificate expires within a month, or has expired.",
    ),
    EventRow(
        "certificates_refused", _E, ("server", "cause"), "A certificate that changed cannot be used; the old one stays."
    ),
    EventRow("protocol_fault", _N, ("server", "session", "address", "kind", "cause"), "A client broke the protocol."),
    EventRow(
        "refused",
        _N,
        ("server", "session", "address", "sender", "recipient", "reply", "cause"),
        "A sender, a recipient or a message was refused.",
    ),
    EventRow(
        "accepted",
        _N,
        ("server", "session", "entry", "message_id", "sender", "recipients", "size", "to", "address", "cause"),
        "A message is in the queue, durably. `to` are its recipients, 100 at most, as the client named them; `cause` "
        "says why they were taken; `user` and `tls` are there where the client had them.",
    ),
    EventRow(
        "queue_asked_for",
        _N,
        ("server", "session", "address", "node", "recipients"),
        "A client asked by ETRN for held mail to be sent; `recipients` are held for `node`.",
    ),
    EventRow(
        "connection_turned",
        _N,
        ("server", "session", "address", "user", "domains", "recipients", "cause"),
        "A turned connection (ATRN, TURN) has ended; `recipients` were served, `cause` says what broke it off.",
    ),
    EventRow(
        "collected",
        _N,
        ("server", "source", "method", "messages", "said", "cause"),
        "A server that holds our mail was asked for it; `messages` came on our connection, `cause` is what went wrong.",
    ),
    EventRow(
        "attempt",
        _D,
        ("server", "entry", "message_id", "destination", "remote", "recipients"),
        "A transaction with a remote server or a Drop folder was tried; `tls` is there where it was protected, "
        "`dkim` where the message was signed.",
    ),
    EventRow(
        "delivered",
        _N,
        ("server", "entry", "message_id", "recipient", "remote", "reply"),
        "A recipient was served: in Drop, or taken over by a remote server.",
    ),
    EventRow(
        "deferred",
        _N,
        ("server", "entry", "message_id", "recipient", "status", "reason", "due", "destination", "remote"),
        "A recipient will be tried again. `destination` is where it goes, `remote` the server that was tried last.",
    ),
    EventRow(
        "failed",
        _W,
        ("server", "entry", "message_id", "recipient", "status", "reason", "destination", "remote"),
        "A recipient was given up.",
    ),
    EventRow(
        "reported",
        _N,
        ("server", "entry", "message_id", "about", "recipient", "kind"),
        "A report was put into the queue.",
    ),
    EventRow(
        "not_reported", _N, ("server", "entry", "message_id", "recipient", "cause"), "A report was not made, and why."
    ),
    EventRow(
        "report_storm", _W, ("server", "sender"), "A sender has had the most reports of a minute; more are not made."
    ),
    EventRow(
        "badmail",
        _W,
        ("server", "entry", "message_id", "name", "cause", "kind"),
        "A message was put into Badmail; `kind` is `pickup`, `report` (its sender is null), or `general`.",
    ),
    EventRow(
        "badmail_removed", _N, ("server", "name", "cause"), "A retention limit, or an operator, removed a message."
    ),
    EventRow("badmail_resubmitted", _N, ("server", "name"), "An operator put a message back into Pickup."),
    EventRow("pickup_refused", _W, ("server", "name", "cause"), "A Pickup file could not be taken."),
    EventRow("pickup_failed", _E, ("server", "cause"), "The Pickup folder cannot be used now; it is tried again."),
    EventRow("pickup_open", _W, ("server", "folder"), "Every account of the machine may put messages into Pickup."),
    EventRow("queue_changed", _N, ("server", "entry", "operation", "recipients"), "An operator changed the queue."),
    EventRow(
        "destination_down",
        _W,
        ("server", "destination", "remote", "address", "cause"),
        "A server of a destination cannot be reached, or does not want us.",
        4006,
        "Message delivery to the host '{address}' failed while delivering to the remote domain '{destination}' for the"
        " following reason: {cause}",
    ),
    EventRow(
        "domain_down",
        _W,
        ("server", "destination", "cause"),
        "No server of a destination can be had now; its mail waits, or fails where that is for good.",
        4000,
        "Message delivery to the remote domain '{destination}' failed for the following reason: {cause}",
    ),
    EventRow(
        "bind_failed",
        _E,
        ("server", "address", "cause"),
        "A virtual server cannot listen on one of its bindings, and does not start.",
        115,
        "The service could not bind instance {server} to {address}: {cause}",
    ),
    EventRow(
        "connections_full",
        _W,
        ("server", "cause"),
        "As many clients are connected as may be; told once a minute while more come.",
        402,
        "The maximum number of allowed inbound connections is reached by {server}: {cause}",
    ),
    EventRow(
        "pace_reached",
        _N,
        ("server", "destination", "pace"),
        "Mail for a destination waits in the queue for its turn, as `pace` of the settings has it.",
    ),
    EventRow(
        "tls_fallback",
        _N,
        ("server", "destination", "remote", "address", "cause"),
        "TLS with a server failed; its mail goes in clear text, as `opportunistic` has it.",
    ),
    EventRow(
        "token_failed",
        _W,
        ("source", "cause"),
        "An access token could not be had from an endpoint or a command; mail that needs it waits.",
    ),
    EventRow(
        "signing_failed",
        _E,
        ("server", "domain", "selector", "cause"),
        "A key of DKIM cannot be used; mail goes without its signature.",
    ),
    EventRow(
        "directory_down",
        _W,
        ("server", "cause"),
        "The directory gives no answers; messages that need it wait, and no other virtual server does.",
    ),
    EventRow("directory_flushed", _N, ("server", "count"), "An operator had a directory's answers forgotten."),
    EventRow("directory_back", _N, ("server",), "The directory answers again; what waited for it is tried."),
    EventRow(
        "directory_odd",
        _W,
        ("server", "entry", "values"),
        "An entry of the directory has values that are no addresses; they were left out. Told once for each entry.",
    ),
    EventRow(
        "resolved",
        _N,
        ("server", "entry", "message_id", "recipient", "outcome", "recipients", "cause"),
        "A directory made something else of a recipient: `replaced`, `expanded` into `recipients`, `failed`, or "
        "`waiting` for an answer.",
    ),
    EventRow("store_failed", _E, ("server", "shard", "cause"), "The queue cannot be written; clients get 4xx."),
    EventRow("task_failed", _E, ("server", "task", "cause"), "A programming mistake ended a task."),
    EventRow("events_repeated", _N, ("count",), "In the journal and in syslog: so many events said the same."),
    EventRow(
        "log_waits",
        _W,
        ("server", "count", "cause"),
        "The database of a protocol log takes no rows; so many wait by now. Told once, until it takes rows again.",
    ),
    EventRow("log_lost", _E, ("server", "count", "cause"), "Lines of a protocol log could not be written."),
    EventRow("trace_lost", _E, ("count",), "Events are in this log, but could not be kept in the trace."),
    EventRow("events_lost", _E, ("count",), "Events could not be written and were counted instead."),
)


class _Events:
    """The rows by name: `EVENTS.accepted`."""

    def __init__(self) -> None:
        self.__dict__.update({row.name: row for row in EVENT_ROWS})

    def __getattr__(self, name: str) -> EventRow:
        raise AttributeError(f"the table has no event {name!r}")


EVENTS = _Events()
