"""The one table of counters: those of the predecessor's object `SMTP Server` by their names, and ours.

`docs/counters.md` is derived from it, and so are the exposition, `mailroot counters` and the layout in memory.
"""

from collections.abc import Mapping

from mailroot.mail.counters.row import CounterRow, Kind

_ACCEPTED, _SETTLED, _LOOK = "event `accepted`", "settlements", "a look through the queue"


def _count(name: str, shown: str, unit: str, feed: str, sentence: str) -> CounterRow:
    return CounterRow(name, shown, Kind.COUNT, unit, feed, sentence)


def _level(name: str, shown: str, unit: str, feed: str, sentence: str) -> CounterRow:
    return CounterRow(name, shown, Kind.LEVEL, unit, feed, sentence)


def _none(name: str, shown: str, unit: str, sentence: str) -> CounterRow:
    return CounterRow(name, shown, Kind.NONE, unit, "nothing", sentence)


def _rate(shown: str, *of: str) -> CounterRow:
    name = "_".join((of[0] if len(of) == 1 else of[0].rpartition("_")[0], "rate"))
    counts = " + ".join(f"`{one}`" for one in of)
    return CounterRow(name, shown, Kind.RATE, "1/s", counts, f"Growth of {counts}.", of)


def _sum(name: str, shown: str, unit: str, sentence: str, *of: str) -> CounterRow:
    return CounterRow(name, shown, Kind.SUM, unit, " + ".join(f"`{one}`" for one in of), sentence, of)


def _ratio(name: str, shown: str, unit: str, over: str, under: str) -> CounterRow:
    return CounterRow(name, shown, Kind.RATIO, unit, f"`{over}`, `{under}`", f"`{over}` by `{under}`.", (over, under))


_MESSAGES = (
    _count("messages_received", "Messages Received Total", "messages", _ACCEPTED, "Accepted by SMTP or from Pickup."),
    _rate("Message Received/sec", "messages_received"),
    _count("recipients_received", "", "recipients", _ACCEPTED, "Recipients of accepted messages."),
    _ratio(
        "recipients_per_message_received",
        "Avg Recipients/msg Received",
        "recipients",
        "recipients_received",
        "messages_received",
    ),
    _sum(
        "messages_submitted",
        "Total messages submitted",
        "messages",
        "All that came into the queue.",
        "messages_received",
        "reports",
    ),
    _count("messages_delivered", "Messages Delivered Total", "messages", _SETTLED, "Delivered into Drop folders."),
    _rate("Messages Delivered/sec", "messages_delivered"),
    _count("recipients_delivered", "", "recipients", _SETTLED, "Recipients served by Drop folders."),
    _count("delivery_retries", "Message Delivery Retries", "attempts", _SETTLED, "Attempts on Drop after the first."),
    _ratio(
        "retries_per_message_delivered",
        "Avg Retries/msg Delivered",
        "attempts",
        "delivery_retries",
        "messages_delivered",
    ),
    _count("messages_sent", "Messages Sent Total", "messages", _SETTLED, "Taken over by other servers."),
    _rate("Messages Sent/sec", "messages_sent"),
    _count("recipients_sent", "", "recipients", _SETTLED, "Recipients that other servers took over."),
    _ratio("recipients_per_message_sent", "Avg Recipients/msg Sent", "recipients", "recipients_sent", "messages_sent"),
    _count("send_retries", "Message Send Retries", "attempts", _SETTLED, "Attempts on other servers after the first."),
    _ratio("retries_per_message_sent", "Avg Retries/msg Sent", "attempts", "send_retries", "messages_sent"),
    _sum(
        "recipients_served",
        "",
        "recipients",
        "Recipients that were served, by Drop or by servers.",
        "recipients_delivered",
        "recipients_sent",
    ),
    _ratio("recipients_local_percent", "% Recipients Local", "%", "recipients_delivered", "recipients_served"),
    _ratio("recipients_remote_percent", "% Recipients Remote", "%", "recipients_sent", "recipients_served"),
    _count("recipients_deferred", "", "recipients", "event `deferred`", "Recipients that were tried in vain and wait."),
    _count("recipients_failed", "", "recipients", "event `failed`", "Recipients that were given up."),
)

_OCTETS = (
    _count("bytes_received", "Bytes Received Total", "bytes", "connections", "Octets from clients and servers."),
    _rate("Bytes Received/sec", "bytes_received"),
    _count("bytes_sent", "Bytes Sent Total", "bytes", "connections", "Octets to clients and servers."),
    _rate("Bytes Sent/sec", "bytes_sent"),
    _sum("bytes", "Bytes Total", "bytes", "Octets in and out.", "bytes_sent", "bytes_received"),
    _rate("Bytes Total/sec", "bytes_sent", "bytes_received"),
    _count("message_bytes_received", "Message Bytes Received Total", "bytes", _ACCEPTED, "Octets of messages taken."),
    _rate("Message Bytes Received/sec", "message_bytes_received"),
    _count("message_bytes_sent", "Message Bytes Sent Total", "bytes", _SETTLED, "Octets of messages sent on."),
    _rate("Message Bytes Sent/sec", "message_bytes_sent"),
    _sum(
        "message_bytes",
        "Message Bytes Total",
        "bytes",
        "Octets of messages in and out.",
        "message_bytes_sent",
        "message_bytes_received",
    ),
    _rate("Message Bytes Total/sec", "message_bytes_sent", "message_bytes_received"),
)

_CONNECTIONS = (
    _level("inbound_connections_current", "Inbound Connections Current", "connections", "sessions", "Open sessions."),
    _count(
        "inbound_connections",
        "Inbound Connections Total",
        "connections",
        "sessions",
        "Connections of clients, refused ones too.",
    ),
    _level(
        "outbound_connections_current",
        "Outbound Connections Current",
        "connections",
        "connections",
        "Connections to other servers, open or being opened.",
    ),
    _count(
        "outbound_connections",
        "Outbound Connections Total",
        "connections",
        "connections",
        "Connections to other servers that were tried.",
    ),
    _count(
        "outbound_connections_refused",
        "Outbound Connections Refused",
        "connections",
        "event `destination_down`",
        "Connections to other servers that failed, or met with a refusal.",
    ),
    _count(
        "connection_errors",
        "Total Connection Errors",
        "connections",
        "events `tls_failed`, `destination_down`",
        "TLS with a client that failed, and ways to other servers.",
    ),
    _rate("Connection Errors/sec", "connection_errors"),
    _count("dns_queries", "DNS Queries Total", "questions", "resolvers", "Questions that the cache did not answer."),
    _rate("DNS Queries/sec", "dns_queries"),
    _count("routing_lookups", "Routing Table Lookups Total", "deliveries", _SETTLED, "One for each attempt."),
    _rate("Routing Table Lookups/sec", "routing_lookups"),
)

_FOLDERS = (
    _count(
        "pickup_messages",
        "Pickup Directory Messages Retrieved Total",
        "messages",
        _ACCEPTED,
        "Messages from the Pickup folder.",
    ),
    _rate("Pickup Directory Messages Retrieved/sec", "pickup_messages"),
    _sum("directory_drops", "Directory Drops Total", "messages", "Files put into Drop folders.", "messages_delivered"),
    CounterRow(
        "directory_drops_rate",
        "Directory Drops/sec",
        Kind.RATE,
        "1/s",
        "`messages_delivered`",
        "Growth of `messages_delivered`.",
        ("messages_delivered",),
    ),
    _count(
        "badmail_pickup",
        "Badmailed Messages (Bad Pickup File)",
        "messages",
        "event `badmail`",
        "Pickup files that cannot be taken.",
    ),
    _count(
        "badmail_general",
        "Badmailed Messages (General Failure)",
        "messages",
        "event `badmail`",
        "Messages that made the service fail, and those of a storm of reports.",
    ),
    _count(
        "badmail_hops",
        "Badmailed Messages (Hop Count Exceeded)",
        "messages",
        "event `badmail`",
        "Pickup files that went through too many servers.",
    ),
    _count(
        "badmail_report",
        "Badmailed Messages (NDR of DSN)",
        "messages",
        "event `badmail`",
        "Messages without a sender that failed: nobody can be told.",
    ),
    _count(
        "badmail_no_recipients",
        "Badmailed Messages (No Recipients)",
        "messages",
        "event `badmail`",
        "Pickup files without recipients.",
    ),
    _none(
        "badmail_event", "Badmailed Messages (Triggered via Event)", "messages", "There are no event sinks to ask it."
    ),
    _none("mail_files_open", "Number of MailFiles Open", "files", "Messages are not held in open files."),
    _none("queue_files_open", "Number of QueueFiles Open", "files", "The queue is one database for each worker."),
)

_QUEUES = (
    _level("queue_depth", "", "recipients", "the queue", "Recipients in the queue."),
    _level("queue_age_seconds", "", "seconds", _LOOK, "Age of the oldest message in the queue."),
    _level("queue_look_age_seconds", "", "seconds", _LOOK, "Age of what the last whole look saw."),
    _level("local_queue_length", "Local Queue Length", "recipients", _LOOK, "For Drop, before the first try."),
    _level("local_retry_queue_length", "Local Retry Queue Length", "recipients", _LOOK, "For Drop, after a try."),
    _level("remote_queue_length", "Remote Queue Length", "recipients", _LOOK, "For others, before the first try."),
    _level("remote_retry_queue_length", "Remote Retry Queue Length", "recipients", _LOOK, "For others, after a try."),
    _level(
        "local_delivery_current",
        "Current Messages in Local Delivery",
        "recipients",
        _LOOK,
        "For Drop, being served at this moment.",
    ),
    _level(
        "undeliverable_current",
        "Messages Currently Undeliverable",
        "recipients",
        _LOOK,
        "Tried in vain, and waiting for another try.",
    ),
    _level("held_current", "", "recipients", _LOOK, "Held by an operator, or for a domain's server."),
    _none("pending_routing", "Messages Pending Routing", "messages", "A route is found at once: none waits for one."),
    _level("categorizer_queue_length", "Categorizer Queue Length", "recipients", _LOOK, "Waiting for the directory."),
    _count(
        "etrn_messages",
        "ETRN Messages Total",
        "requests",
        "events `queue_asked_for`, `connection_turned`",
        "Calls for held mail by ETRN, ATRN and TURN.",
    ),
    _rate("ETRN Messages/sec", "etrn_messages"),
)

_DIRECTORY = (
    _count("cat_lookups", "Cat: Address lookups", "addresses", "the directory", "Addresses that were looked up."),
    _rate("Cat: Address lookups/sec", "cat_lookups"),
    _count("cat_completions", "Cat: Address lookup completions", "addresses", "the directory", "Those with an answer."),
    _rate("Cat: Address lookup completions/sec", "cat_completions"),
    _count("cat_waited", "", "addresses", "the directory", "Those without: their mail waits for the directory."),
    _count("cat_not_found", "Cat: Address lookups not found", "addresses", "the directory", "Those that nobody has."),
    _count(
        "cat_ambiguous",
        "Cat: Recipients NDRd (ambiguous address)",
        "addresses",
        "the directory",
        "Those that several entries have.",
    ),
    _count("cat_failed", "", "addresses", "the directory", "Those that are returned for another cause."),
    _count("cat_expanded", "", "addresses", "the directory", "Those of groups, which stand for their members."),
    _count("cat_searches", "Cat: LDAP searches", "questions", "the directory", "Questions that memory did not answer."),
    _rate("Cat: LDAP searches/sec", "cat_searches"),
)

_REFUSALS = (
    _count(
        "refused_for_size", "Messages Refused for Size", "messages", "event `refused`", "Too large, or a session's."
    ),
    _count(
        "refused_for_room",
        "Messages Refused for Mail Objects",
        "messages",
        "event `refused`",
        "The disk was full, or the queue could not be written.",
    ),
    _none(
        "refused_for_addresses",
        "Messages Refused for Address Objects",
        "messages",
        "There is no pool of address objects that could be empty.",
    ),
)

_REPORTS = (
    _count("ndrs", "NDRs Generated", "messages", "event `reported`", "Reports of a failure."),
    _count("reports", "", "messages", "event `reported`", "Reports of every kind."),
    _count(
        "reports_missing", "Total DSN Failures", "recipients", "event `not_reported`", "Reports that were not made."
    ),
)

_SERVICE = tuple(
    CounterRow(name, "", kind, unit, feed, sentence, service=True)
    for name, kind, unit, feed, sentence in (
        ("workers", Kind.LEVEL, "processes", "the supervisor", "Worker processes that are at work."),
        ("worker_deaths", Kind.COUNT, "processes", "event `worker_died`", "Workers that ended by themselves."),
        ("memory_bytes", Kind.LEVEL, "bytes", "the system", "Resident memory of all workers."),
        ("start_time_seconds", Kind.LEVEL, "seconds", "the supervisor", "When the service started, since 1970."),
        ("events_lost", Kind.COUNT, "events", "the sinks of events", "Events that no log could take."),
        ("log_lines_lost", Kind.COUNT, "lines", "event `log_lost`", "Lines of protocol logs that were not written."),
        ("mistakes", Kind.COUNT, "tasks", "event `task_failed`", "Mistakes of the program that ended a task."),
        ("store_failures", Kind.COUNT, "failures", "event `store_failed`", "Queues that could not be written or read."),
        ("settings_refused", Kind.COUNT, "files", "event `settings_refused`", "Reloads that changed nothing."),
    )
)

COUNTER_ROWS: tuple[CounterRow, ...] = (
    *_MESSAGES,
    *_OCTETS,
    *_CONNECTIONS,
    *_FOLDERS,
    *_QUEUES,
    *_DIRECTORY,
    *_REFUSALS,
    *_REPORTS,
    *_SERVICE,
)

BY_NAME: Mapping[str, CounterRow] = {row.name: row for row in COUNTER_ROWS}
