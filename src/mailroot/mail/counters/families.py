"""Families of counts: one count for each value of a label, from a set that is known before. And histograms of time.

No label comes from outside as it is: what is in no set counts under the last value, "other".
"""

from collections.abc import Mapping
from dataclasses import dataclass

OTHER = "other"


@dataclass(frozen=True, slots=True)
class Family:
    """Counts by one label. `values` has the meaning of each value; the last one is "other"."""

    name: str
    label: str
    unit: str
    feed: str
    sentence: str
    values: Mapping[str, str]

    @property
    def metric(self) -> str:
        """Its name in the exposition."""
        return f"mailroot_{self.name}_total"


# RFC 3463 section 4: the second number of an enhanced status code says what it is about.
SUBJECTS: Mapping[str, str] = {
    "0": "undefined",
    "1": "address",
    "2": "mailbox",
    "3": "system",
    "4": "network",
    "5": "protocol",
    "6": "content",
    "7": "policy",
}
_SUBJECT_VALUES = {
    "address": "x.1.y: an address.",
    "mailbox": "x.2.y: a mailbox.",
    "system": "x.3.y: a mail system.",
    "network": "x.4.y: network and routing, time-outs included.",
    "protocol": "x.5.y: the protocol.",
    "content": "x.6.y: the content.",
    "policy": "x.7.y: policy and security.",
    "undefined": "x.0.y.",
    OTHER: "Anything else.",
}

REFUSALS = Family(
    "refusals",
    "cause",
    "refusals",
    "events `refused`, `connection_refused`, `protocol_fault`",
    "What clients were refused.",
    {
        "connection": "A client was not let in.",
        "protocol": "A client broke the protocol; an address that cannot be read counts here (501).",
        "relay": "A client may not relay there (550 5.7.1).",
        "sign_in": "The client must sign in first, or use TLS (530, 454 5.7.3).",
        "address": "An address is not here, or several have it (5.1.x).",
        "quota": "A Drop folder has reached its quota (452 4.2.2).",
        "recipients": "Too many recipients (452 4.5.3).",
        "size": "The message or its session is too large (552).",
        "hops": "The message went through too many servers (554 5.4.6).",
        "content": "The message is malformed (5.6.x).",
        "room": "The disk is full, or the queue cannot be written (4.3.x).",
        "uncertain": "A name that decides could not be looked up (4.7.25).",
        OTHER: "Anything else.",
    },
)
SIGN_INS = Family(
    "sign_ins",
    "result",
    "attempts",
    "events `signed_in`, `sign_in_failed`, `too_many_guesses`",
    "Attempts of clients to sign in.",
    {"done": "The client signed in.", "failed": "It did not.", "limited": "It was refused unseen.", OTHER: "Never."},
)
SESSIONS = Family(
    "sessions_ended",
    "tls",
    "sessions",
    "event `disconnected`",
    "Sessions of clients that ended, by their version of TLS.",
    {"none": "In clear text.", "TLSv1.2": "", "TLSv1.3": "", OTHER: "An older or newer version."},
)
TRANSACTIONS = Family(
    "transactions",
    "tls",
    "transactions",
    "event `attempt`",
    "Transactions with other servers, by their version of TLS.",
    {"none": "In clear text.", "TLSv1.2": "", "TLSv1.3": "", OTHER: "An older or newer version."},
)
FAILURES = Family(
    "failures", "subject", "recipients", "event `failed`", "Recipients that were given up, by subject.", _SUBJECT_VALUES
)
DEFERRALS = Family(
    "deferrals",
    "subject",
    "attempts",
    "event `deferred`",
    "Attempts that are repeated later, by subject.",
    _SUBJECT_VALUES,
)

FAMILIES: tuple[Family, ...] = (REFUSALS, SIGN_INS, SESSIONS, TRANSACTIONS, FAILURES, DEFERRALS)


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a message's life whose time is measured."""

    name: str
    sentence: str


STAGES: tuple[Stage, ...] = (
    Stage("receive", "From MAIL to the end of the message: the client's pace."),
    Stage("commit", "From the end of the message until it is on disk and the client has its 250."),
    Stage("wait", "From the message's arrival until its first attempt begins."),
    Stage("attempt", "One attempt: a transaction with a server, or a group of files in Drop."),
    Stage("total", "From the message's arrival until a delivery of it is settled for good."),
)
STAGE_METRIC = "mailroot_stage_seconds"

# Upper bounds in seconds; what takes longer than the last counts in a bucket of its own.
BOUNDS: tuple[float, ...] = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0,
)  # fmt: skip
