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
    ADMINISTER = "administer"


class Scope(enum.Enum):
    """How an operation stands to virtual servers, for those who are operators of some of them only.

    It names one by its argument `server`; its answer says of which each row is, and is limited to those; it is about
    the service as a whole, and not for them. What is not said is the last.
    """

    SERVER = "server"
    ANSWER = "answer"
    SERVICE = "service"


class Kind(enum.Enum):
    """What an argument is.

    A name that must or may be given, a flag, text behind a word, which may be demanded, or a secret, which is asked for
    or read from standard input and never typed on the command line. A table is names with their values: an object in
    JSON, NAME=VALUE words on the command line.
    """

    NAME = "name"
    OPTIONAL = "optional"
    FLAG = "flag"
    OPTION = "option"
    DEMANDED = "demanded"
    SECRET = "secret"  # noqa: S105
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an operation. `value` is what people read for the text behind the word of an option."""

    name: str
    kind: Kind
    sentence: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    `name` is that of the control protocol; its parts are the words of the command line. `columns` are the keys of the
    result's rows in the order in which people read them; none where the result is one table of facts. `counted` is the
    key of the result that is 0 where nothing was found to act on. With `paged`, the result is
    `{"rows": [...], "next": cursor}`, and the operation takes "after" and "limit" too; one that also gives "previous"
    takes that as "before". With `bulk`, it works for a second at most and is to be asked again with "after" until
    `next` is ""; its numbers add up. One that is `selective` does nothing unless an argument says to what. One that is
    `watched` can be shown anew again and again. One that gives `pieces` takes "after" and "limit" in octets; its result
    is `{"size": ..., "offset": ..., "data": base64, "next": where to go on}`. One that `reads`
    changes nothing, whatever it needs permission for. Where it `answers_by_server`, its rows or its facts tell the
    virtual server as `server` (or `key`), and it only reads.
    """

    name: str
    sentence: str
    permission: Permission
    arguments: tuple[Argument, ...] = ()
    columns: tuple[str, ...] = ()
    counted: str = ""
    paged: bool = False
    watched: bool = False
    bulk: bool = False
    selective: bool = False
    pieces: bool = False
    reads: bool = False
    answers_by_server: bool = False

    @property
    def scope(self) -> Scope:
        """How it stands to virtual servers."""
        if self.permission is not Permission.ADMINISTER and any(one.name == "server" for one in self.arguments):
            return Scope.SERVER
        return Scope.ANSWER if self.answers_by_server else Scope.SERVICE

    @property
    def words(self) -> tuple[str, ...]:
        """What is typed for it."""
        return tuple(self.name.split("."))

    @property
    def changes(self) -> bool:
        """Whether it changes anything, so that it is recorded."""
        return self.permission is not Permission.READ and not self.reads

    @property
    def local(self) -> bool:
        """Whether it is for the machine itself alone, because an argument names a folder there."""
        return any(argument.value == "FOLDER" for argument in self.arguments)


_SERVER = Argument("server", Kind.NAME, "a virtual server, by its short name or its display name")
_OF_SERVER = Argument("server", Kind.OPTIONAL, "only those of this virtual server")
_ENTRY = Argument("key", Kind.NAME, "the key of a queue entry")
_READ, _OPERATE, _ADMINISTER = Permission.READ, Permission.OPERATE, Permission.ADMINISTER

_NAMED = Argument("name", Kind.NAME, "the name of an operator")
_TOKEN = Argument("name", Kind.NAME, "the name of a token")
_ROLE = Argument("role", Kind.DEMANDED, "what is allowed: administrator, operator or viewer", "ROLE")
_FOR_SERVERS = Argument(
    "server", Kind.OPTION, "only these virtual servers, by their short names, with commas between", "SERVER"
)
_PASSWORD = Argument("password", Kind.SECRET, "the password; it is asked for, or read from standard input")

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
    "held",
    "via",
    "message_id",
)
_DESTINATION_COLUMNS = (
    "server",
    "destination",
    "recipients",
    "messages",
    "oldest",
    "next",
    "attempts",
    "last",
    "held",
)
_DESCENDING = Argument("descending", Kind.FLAG, "the other way round")
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
_TOKEN_COLUMNS = ("name", "role", "servers", "created", "expires", "expired")
_FILTERS = (
    Argument("key", Kind.OPTIONAL, "the key of a queue entry"),
    Argument("server", Kind.OPTION, "only those of this virtual server", "SERVER"),
    Argument(
        "sender", Kind.OPTION, 'whose sender fits: * stands for anything, ? for one sign, "<>" for none', "PATTERN"
    ),
    Argument("recipient", Kind.OPTION, "who fits, with * and ?", "PATTERN"),
    Argument("domain", Kind.OPTION, 'of this domain; "*.example.com" are those below it', "DOMAIN"),
    Argument("older", Kind.OPTION, "whose message came longer ago, such as 90s, 15m, 12h, 2d", "TIME"),
    Argument("larger", Kind.OPTION, "whose message is larger, such as 100KB, 5MB", "SIZE"),
    Argument("status", Kind.OPTION, 'whose latest attempt ended so, such as 4.4.1 or "4.4.*"', "CODE"),
    Argument("text", Kind.OPTION, "whose sender, recipient, Message-ID or latest outcome has this text in it", "TEXT"),
    Argument("frozen", Kind.FLAG, "whom an operator froze"),
    Argument("held", Kind.FLAG, "who is held, by an operator or until the server of the domain asks"),
)
_AT_SERVER = Argument("server", Kind.OPTION, "the virtual server, where there are several", "SERVER")
_OF_DOMAIN = Argument("domain", Kind.OPTION, "a local domain, where they have folders of their own", "DOMAIN")
_IN_FOLDER = (
    Argument("text", Kind.OPTION, "whose name has this text in it", "TEXT"),
    Argument("newest", Kind.FLAG, "the last that came first"),
)
_STEM = Argument("name", Kind.NAME, "the name of a message, without its ending")
_FILE = Argument("name", Kind.NAME, "the name of a file")
_SELECTION = (*_FILTERS, Argument("all", Kind.FLAG, "everybody"))


def _bulk(word: str, sentence: str, *arguments: Argument, permission: Permission = Permission.OPERATE) -> "Operation":
    """An operation on all recipients that a selection means."""
    named = (*_SELECTION, *arguments)
    return Operation(f"queue.{word}", sentence, permission, named, counted="recipients", bulk=True, selective=True)


OPERATIONS: tuple[Operation, ...] = (
    Operation("status", "Show the service, its workers and its virtual servers.", _READ, answers_by_server=True),
    Operation("server.list", "List the virtual servers.", _READ, columns=_SERVER_COLUMNS, answers_by_server=True),
    Operation("server.start", "Start a virtual server.", _OPERATE, (_SERVER,)),
    Operation("server.stop", "Stop a virtual server; its connections are closed.", _OPERATE, (_SERVER,)),
    Operation("server.pause", "Take no new connections; those that are there go on.", _OPERATE, (_SERVER,)),
    Operation("server.continue", "Take connections again.", _OPERATE, (_SERVER,)),
    Operation("session.list", "List the sessions that are open.", _READ, (_OF_SERVER,), columns=_SESSION_COLUMNS),
    Operation(
        "session.end",
        "End a session, or all.",
        _OPERATE,
        (
            Argument("session", Kind.OPTIONAL, "the name of a session"),
            Argument("server", Kind.OPTION, "only those of this virtual server", "SERVER"),
            Argument("all", Kind.FLAG, "all of them"),
        ),
        counted="ended",
    ),
    Operation(
        "queue.list",
        "List recipients that wait, each one.",
        _READ,
        (*_FILTERS, Argument("sort", Kind.OPTION, "by arrived, due or attempts", "COLUMN"), _DESCENDING),
        columns=_QUEUE_COLUMNS,
        paged=True,
    ),
    Operation(
        "queue.destinations",
        "List what waits by its destination: a domain, a smart host or a Drop folder.",
        _READ,
        (
            _OF_SERVER,
            Argument("text", Kind.OPTION, "whose name has this text in it", "TEXT"),
            Argument("sort", Kind.OPTION, "by recipients, oldest, due, attempts or destination", "COLUMN"),
            _DESCENDING,
        ),
        columns=_DESTINATION_COLUMNS,
        paged=True,
    ),
    Operation(
        "queue.show",
        "Show an entry with all its recipients, and when they are tried.",
        _READ,
        (_ENTRY,),
        answers_by_server=True,
    ),
    _bulk("retry", "Try now; who is held stays held."),
    _bulk("freeze", "Hold back: no attempt is made until thawed; senders are told of the delay, and of the end."),
    _bulk("thaw", "Hold back no longer, and try now."),
    _bulk(
        "reroute",
        "Send by another smart host from the next attempt on, which is now.",
        Argument(
            "to", Kind.DEMANDED, 'such as "relay.example:587" or "[192.0.2.1]"; "" is the usual way again', "HOST"
        ),
    ),
    _bulk(
        "bounce",
        "Give up now, and report that to the sender.",
        Argument("words", Kind.OPTION, "what the sender is told", "TEXT"),
    ),
    _bulk("remove", "Remove; the sender gets no report."),
    _bulk(
        "export",
        "Write messages as files, KEY.eml, each with its envelope, KEY.json; they stay in the queue.",
        Argument("to", Kind.DEMANDED, "the folder, which the service's account may write to", "FOLDER"),
        permission=_READ,
    ),
    Operation(
        "message.show",
        "Open a message of the queue: its header, its text, what is attached.",
        _READ,
        (_ENTRY,),
    ),
    Operation("message.raw", "Read a message of the queue as it is, piece after piece.", _READ, (_ENTRY,), pieces=True),
    Operation(
        "badmail.list",
        "List what is in Badmail, and why.",
        _READ,
        (_AT_SERVER, *_IN_FOLDER),
        columns=("server", "name", "arrived", "size", "sender", "recipients", "reason", "state"),
        paged=True,
    ),
    Operation("badmail.show", "Open a message in Badmail.", _READ, (_STEM, _AT_SERVER)),
    Operation(
        "badmail.raw", "Read a message in Badmail as it is, piece after piece.", _READ, (_STEM, _AT_SERVER), pieces=True
    ),
    Operation(
        "badmail.remove",
        "Remove a message from Badmail, or all.",
        _OPERATE,
        (
            Argument("name", Kind.OPTIONAL, "the name of a message, without its ending"),
            _AT_SERVER,
            Argument("all", Kind.FLAG, "all of them"),
        ),
        counted="removed",
        bulk=True,
    ),
    Operation("badmail.resubmit", "Put a message of Badmail back into Pickup.", _OPERATE, (_STEM, _AT_SERVER)),
    Operation("drop.folders", "List the Drop folders.", _READ, (_AT_SERVER,), columns=("server", "domain", "folder")),
    Operation(
        "drop.list",
        "List what is in a Drop folder.",
        _READ,
        (_AT_SERVER, _OF_DOMAIN, *_IN_FOLDER),
        columns=("server", "name", "arrived", "size", "sender", "recipients"),
        paged=True,
    ),
    Operation("drop.show", "Open a message in a Drop folder.", _READ, (_FILE, _AT_SERVER, _OF_DOMAIN)),
    Operation(
        "drop.raw",
        "Read a message in a Drop folder as it is, piece after piece.",
        _READ,
        (_FILE, _AT_SERVER, _OF_DOMAIN),
        pieces=True,
    ),
    Operation("overview", "Show the service at a glance: figures, destinations, refusals.", _READ, (_OF_SERVER,)),
    Operation(
        "history",
        "Show past figures as series that can be drawn.",
        _READ,
        (
            Argument(
                "counter",
                Kind.OPTIONAL,
                "a counter, or throughput, recipients, octets, connections, queue, latency, destinations, refusals",
            ),
            Argument("server", Kind.OPTION, "only of this virtual server", "SERVER"),
            Argument("destination", Kind.OPTION, "with destinations: only this one", "NAME"),
            Argument("from", Kind.OPTION, "since when: a moment, or how long ago, such as 2h (1h)", "TIME"),
            Argument("to", Kind.OPTION, "until when (now)", "TIME"),
            Argument("points", Kind.OPTION, "how many points at most (360)", "COUNT"),
        ),
    ),
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
    Operation(
        "collect",
        "Ask another server for the mail that it holds for us (ETRN, ATRN).",
        _OPERATE,
        (
            Argument("name", Kind.NAME, "a name under `collect` in the settings"),
            Argument("server", Kind.OPTIONAL, "the virtual server, where several collect from one by this name"),
        ),
    ),
    Operation("settings.reload", "Read the settings file again and apply it.", Permission.CONFIGURE),
    Operation(
        "operator.list",
        "List who may administer.",
        _ADMINISTER,
        columns=("name", "kind", "role", "servers"),
        reads=True,
    ),
    Operation(
        "operator.add", "Let somebody sign in as an operator.", _ADMINISTER, (_NAMED, _ROLE, _FOR_SERVERS, _PASSWORD)
    ),
    Operation(
        "operator.password",
        "Change an operator's password; who is signed in is not any more.",
        _ADMINISTER,
        (_NAMED, _PASSWORD),
    ),
    Operation("operator.role", "Change what an operator may do.", _ADMINISTER, (_NAMED, _ROLE, _FOR_SERVERS)),
    Operation("operator.remove", "Let an operator sign in no more.", _ADMINISTER, (_NAMED,)),
    Operation("token.list", "List the tokens.", _ADMINISTER, columns=_TOKEN_COLUMNS, reads=True),
    Operation(
        "token.create",
        "Make a token for a program; it is shown once.",
        _ADMINISTER,
        (
            _TOKEN,
            _ROLE,
            _FOR_SERVERS,
            Argument(
                "expires", Kind.OPTION, "how long it counts, such as 90d; for ever where this is left out", "TIME"
            ),
        ),
    ),
    Operation("token.revoke", "Let a token count no more.", _ADMINISTER, (_TOKEN,)),
    Operation(
        "audit.list",
        "Show who changed what, the newest first.",
        _ADMINISTER,
        (
            Argument("who", Kind.OPTION, "only changes of this operator, token or account", "NAME"),
            Argument("what", Kind.OPTION, "only this operation, such as queue.remove", "OPERATION"),
        ),
        columns=("time", "who", "face", "address", "operation", "arguments", "outcome"),
        paged=True,
        reads=True,
    ),
    Operation("audit.check", "Tell whether the record of changes is as it was written.", _ADMINISTER, reads=True),
)

CHANGES = frozenset(operation.name for operation in OPERATIONS if operation.changes)
SECRETS = frozenset(
    (operation.name, argument.name)
    for operation in OPERATIONS
    for argument in operation.arguments
    if argument.kind is Kind.SECRET
)
BY_NAME: Mapping[str, Operation] = {operation.name: operation for operation in OPERATIONS}
