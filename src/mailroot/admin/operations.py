"""The one table of operations: what an administrator can ask of the running service.

The command line is made from it, and so are REST and the pages. The supervisor serves them over the control socket;
nothing here carries them out.
"""

from collections.abc import Mapping

from mailroot.admin.operation import Argument, Kind, Operation, Permission, Scope
from mailroot.admin.settingsoperations import SERVICE_OPERATIONS, SETTINGS_OPERATIONS
from mailroot.admin.viewing import VIEWS

__all__ = ["BY_NAME", "CHANGES", "OPERATIONS", "SECRETS", "Argument", "Kind", "Operation", "Permission", "Scope"]

_SERVER = Argument("server", Kind.NAME, "a virtual server, by its short name or its display name")
_OF_SERVER = Argument("server", Kind.OPTIONAL, "only those of this virtual server")
_ENTRY = Argument("key", Kind.NAME, "the key of a queue entry")
_READ, _OPERATE, _ADMINISTER = Permission.READ, Permission.OPERATE, Permission.ADMINISTER

_NAMED = Argument("name", Kind.NAME, "the name of an operator")
_EITHER = Argument("name", Kind.NAME, "the name of an operator, or with --group of a group")
_GROUP = Argument("group", Kind.FLAG, "it is a group of this machine: its members have the role")
_TOKEN = Argument("name", Kind.NAME, "the name of a token")
_ROLES = ("administrator", "operator", "viewer")
_ROLE = Argument("role", Kind.DEMANDED, "what is allowed: administrator, operator or viewer", "ROLE", _ROLES)
_FOR_SERVERS = Argument(
    "server", Kind.OPTION, "only these virtual servers, by their short names, with commas between", "SERVER"
)
_PASSWORD = Argument("password", Kind.SECRET, "the password; it is asked for, or read from standard input")
_UNLESS_GROUP = Argument(_PASSWORD.name, Kind.SECRET, f"{_PASSWORD.sentence}; a group has none", unless="group")
_PRESENT = Argument("present", Kind.SECRET, "the password that counts now; it is asked for, or read before the new one")

_SERVER_COLUMNS = ("key", "name", "state", "start", "trap", "bindings", "sessions", "waiting")
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
    Argument("destination", Kind.OPTION, "who goes there, as `queue destinations` names it", "DESTINATION"),
    Argument("older", Kind.OPTION, "whose message came longer ago, such as 90s, 15m, 12h, 2d", "TIME"),
    Argument("larger", Kind.OPTION, "whose message is larger, such as 100KB, 5MB", "SIZE"),
    Argument("status", Kind.OPTION, 'whose latest attempt ended so, such as 4.4.1 or "4.4.*"', "CODE"),
    Argument("text", Kind.OPTION, "whose sender, recipient, Message-ID or latest outcome has this text in it", "TEXT"),
    Argument("frozen", Kind.FLAG, "whom an operator froze"),
    Argument("held", Kind.FLAG, "who is held, by an operator or until the server of the domain asks"),
)
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
    *SERVICE_OPERATIONS,
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
    *VIEWS,
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
    *SETTINGS_OPERATIONS,
    Operation(
        "operator.list",
        "List who may administer.",
        _ADMINISTER,
        columns=("name", "kind", "role", "servers"),
        reads=True,
    ),
    Operation(
        "operator.add",
        "Let somebody be an operator, or the members of a group.",
        _ADMINISTER,
        (_EITHER, _GROUP, _ROLE, _FOR_SERVERS, _UNLESS_GROUP),
    ),
    Operation(
        "operator.password",
        "Change an operator's password; who is signed in is not any more.",
        _ADMINISTER,
        (_NAMED, _PASSWORD),
    ),
    Operation(
        "operator.renew",
        "Change one's own password, by the present one; who is signed in with it is not any more.",
        Permission.OWN,
        (_NAMED, _PRESENT, _PASSWORD),
    ),
    Operation(
        "operator.role",
        "Change what an operator, or a group, may do.",
        _ADMINISTER,
        (_EITHER, _GROUP, _ROLE, _FOR_SERVERS),
    ),
    Operation("operator.remove", "Let an operator, or a group, do nothing any more.", _ADMINISTER, (_EITHER, _GROUP)),
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
    # A configuration may hold secrets; its text is a revision, which only the service's account can read.
    if argument.kind is Kind.SECRET or argument.value == "CONFIGURATION"
)
BY_NAME: Mapping[str, Operation] = {operation.name: operation for operation in OPERATIONS}
