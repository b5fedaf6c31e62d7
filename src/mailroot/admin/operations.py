"""The one table of operations: what an administrator can ask of the running service.

The command line is made from it, and so are later faces. The supervisor serves them over the control socket; nothing
here carries them out.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Permission(enum.Enum):
    """What somebody must be allowed to do."""

    READ = "read"
    OPERATE = "operate"
    CONFIGURE = "configure"


class Kind(enum.Enum):
    """What an argument is: a name that must or may be given, or a flag."""

    NAME = "name"
    OPTIONAL = "optional"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an operation."""

    name: str
    kind: Kind
    sentence: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    `name` is that of the control protocol; its parts are the words of the command line. `columns` are the keys of the
    result's rows in the order in which people read them; none where the result is one table of facts. `counted` is the
    key of the result that is 0 where nothing was found to act on. With `paged`, the result is
    `{"rows": [...], "next": cursor}`, and the operation takes "after" and "limit" too. One that is `watched` can be
    shown anew again and again.
    """

    name: str
    sentence: str
    permission: Permission
    arguments: tuple[Argument, ...] = ()
    columns: tuple[str, ...] = ()
    counted: str = ""
    paged: bool = False
    watched: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """What is typed for it."""
        return tuple(self.name.split("."))


_SERVER = Argument("server", Kind.NAME, "a virtual server, by its short name or its display name")
_OF_SERVER = Argument("server", Kind.OPTIONAL, "only those of this virtual server")
_ENTRY = Argument("key", Kind.NAME, "the key of a queue entry")
_READ, _OPERATE = Permission.READ, Permission.OPERATE

_SERVER_COLUMNS = ("key", "name", "state", "trap", "bindings", "sessions", "waiting")
_SESSION_COLUMNS = ("session", "server", "worker", "address", "hello", "user", "tls", "since", "state", "messages")
_QUEUE_COLUMNS = (
    "server",
    "key",
    "sender",
    "recipient",
    "size",
    "arrived",
    "due",
    "attempts",
    "last",
    "message_id",
)
_LDAP_COLUMNS = (
    "server",
    "worker",
    "state",
    "cause",
    "lookups",
    "not_found",
    "ambiguous",
    "expanded",
    "searches",
    "remembered",
)
_RETRY = (
    Argument("key", Kind.OPTIONAL, "the key of a queue entry"),
    Argument("all", Kind.FLAG, "every entry of the queue"),
)

OPERATIONS: tuple[Operation, ...] = (
    Operation("status", "Show the service, its workers and its virtual servers.", _READ),
    Operation("server.list", "List the virtual servers.", _READ, columns=_SERVER_COLUMNS),
    Operation("server.start", "Start a virtual server.", _OPERATE, (_SERVER,)),
    Operation("server.stop", "Stop a virtual server; its connections are closed.", _OPERATE, (_SERVER,)),
    Operation("server.pause", "Take no new connections; those that are there go on.", _OPERATE, (_SERVER,)),
    Operation("server.continue", "Take connections again.", _OPERATE, (_SERVER,)),
    Operation("session.list", "List the sessions that are open.", _READ, (_OF_SERVER,), columns=_SESSION_COLUMNS),
    Operation(
        "session.end",
        "End a session.",
        _OPERATE,
        (Argument("session", Kind.NAME, "the name of a session"),),
        counted="ended",
    ),
    Operation(
        "queue.list", "List every recipient that waits.", _READ, (_OF_SERVER,), columns=_QUEUE_COLUMNS, paged=True
    ),
    Operation("queue.show", "Show an entry with all its recipients.", _READ, (_ENTRY,)),
    Operation("queue.retry", "Try an entry again now.", _OPERATE, _RETRY, counted="recipients"),
    Operation("queue.remove", "Remove an entry; its sender gets no report.", _OPERATE, (_ENTRY,), counted="recipients"),
    Operation(
        "counters",
        "Show every counter of the virtual servers and of all of them together.",
        _READ,
        (_OF_SERVER,),
        columns=("server", "counter", "value", "unit"),
        watched=True,
    ),
    Operation("ldap.status", "Show the directories that are asked.", _READ, (_OF_SERVER,), columns=_LDAP_COLUMNS),
    Operation("ldap.flush", "Forget what directories have said; they are asked anew.", _OPERATE, (_OF_SERVER,)),
    Operation("settings.reload", "Read the settings file again and apply it.", Permission.CONFIGURE),
)

BY_NAME: Mapping[str, Operation] = {operation.name: operation for operation in OPERATIONS}
