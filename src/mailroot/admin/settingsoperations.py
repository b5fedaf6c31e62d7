"""The rows of the table of operations that are about the service, its virtual servers, their settings and domains."""

from mailroot.admin.operation import Argument, Kind, Operation, Permission

_READ, _OPERATE = Permission.READ, Permission.OPERATE
_SERVER = Argument("server", Kind.NAME, "a virtual server, by its short name or its display name")
# A restart ends the workers in good order, which settings give 8 seconds for, and opens every queue.
_RESTART_SECONDS = 55.0
_CONFIGURE = Permission.CONFIGURE
_CHANGES = (
    Argument("base", Kind.OPTION, "the revision that the change was made from; newer ones are not undone", "REVISION"),
)
_DOMAIN = Argument("name", Kind.NAME, 'a domain, such as example.com, or "*.example.com"')
_OF_ONE = Argument("server", Kind.OPTION, "a virtual server, where there are several", "SERVER")
_PROPERTIES = Argument(
    "options",
    Kind.TABLE,
    "an option of domains with its value, such as type=alias, relay=true, route=mx.example:587",
)


def _service(word: str, sentence: str, permission: Permission = _OPERATE) -> Operation:
    return Operation(f"service.{word}", sentence, permission, seconds=_RESTART_SECONDS)


def _domain(word: str, sentence: str, *arguments: Argument) -> Operation:
    named = (_DOMAIN, *arguments, _OF_ONE, *_CHANGES)
    return Operation(f"domain.{word}", sentence, _CONFIGURE, named, typed_otherwise=True)


SETTINGS_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "settings.get",
        "Show every option of a table, with its value and what is declared of it.",
        _READ,
        (
            Argument("key", Kind.OPTIONAL, "an option or a table; with a virtual server, below that"),
            _OF_ONE,
        ),
        columns=("path", "value", "set", "default", "counts"),
    ),
    Operation(
        "settings.change",
        "Change options in one step: all of them, or none.",
        _CONFIGURE,
        (
            Argument("values", Kind.TABLE, "dotted keys with their values; in JSON, null is the default again"),
            _OF_ONE,
            *_CHANGES,
        ),
    ),
    Operation(
        "settings.history",
        "List the revisions of the settings: who changed what, and when.",
        _READ,
        (Argument("limit", Kind.OPTION, "how many, the newest first (100)", "COUNT"),),
        columns=("revision", "at", "by", "face", "address", "operation", "changed"),
    ),
    Operation(
        "settings.difference",
        "Show what differs between two revisions.",
        _READ,
        (
            Argument("to", Kind.OPTIONAL, "a revision; the newest where none is named", "REVISION"),
            Argument("from", Kind.OPTION, "the older one; the one before it where none is named", "REVISION"),
        ),
        columns=("path", "old", "new", "counts"),
    ),
    Operation(
        "settings.undo",
        "Put back what a revision changed, where nobody changed that since.",
        _CONFIGURE,
        (Argument("revision", Kind.OPTIONAL, "a revision; the newest where none is named", "REVISION"),),
    ),
    Operation("settings.reload", "Read the settings file again and apply it.", _CONFIGURE),
    Operation(
        "domain.list",
        "List the domains, and where mail for each goes.",
        _READ,
        (_OF_ONE,),
        columns=("server", "domain", "type", "goes_to", "options"),
        typed_otherwise=True,
    ),
    Operation(
        "config.export",
        "Give the configuration in a form for another machine, without secrets.",
        Permission.ADMINISTER,
        typed_otherwise=True,
        reads=True,
    ),
    Operation(
        "config.import",
        "Take a configuration from another machine, adapt what was that machine's own, and restart the workers.",
        Permission.ADMINISTER,
        (
            Argument("text", Kind.DEMANDED, "the text that was exported", "CONFIGURATION"),
            Argument("adapt", Kind.TABLE, "options with other values on this machine"),
            Argument("force", Kind.FLAG, "even where there are settings already"),
        ),
        typed_otherwise=True,
        seconds=_RESTART_SECONDS,
    ),
    _domain("add", "Add a domain; a remote one unless its type says otherwise.", _PROPERTIES),
    _domain("change", "Change options of a domain.", _PROPERTIES),
    _domain("remove", "Remove a domain."),
    _domain(
        "rename",
        "Give a domain another name; what waits for a local one goes on.",
        Argument("new", Kind.NAME, "its new name"),
    ),
    _domain("default", "Make an alias the default domain; the old one becomes an alias."),
)

SERVICE_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "server.create",
        "Make a virtual server; the workers are restarted.",
        _CONFIGURE,
        (
            Argument("name", Kind.NAME, "the name that people read"),
            Argument("bindings", Kind.DEMANDED, "address and port, such as 0.0.0.0:25", "ADDRESS:PORT"),
            Argument("home", Kind.OPTION, "the folder for Pickup, Queue, Drop, Badmail and SortTemp", "PATH"),
            Argument("domain", Kind.OPTION, "its default domain; the machine's name where none is given", "DOMAIN"),
            Argument("key", Kind.OPTION, "its short name; made of the name where none is given", "KEY"),
        ),
        seconds=_RESTART_SECONDS,
    ),
    Operation(
        "server.rename",
        "Give a virtual server another display name; its short name stays.",
        _CONFIGURE,
        (_SERVER, Argument("name", Kind.NAME, "the name that people read")),
    ),
    Operation(
        "server.delete",
        "Delete a virtual server; its folders stay, and the workers are restarted.",
        _CONFIGURE,
        (_SERVER, Argument("waiting", Kind.FLAG, "even where mail waits in its queue; that stays in its folder")),
        seconds=_RESTART_SECONDS,
    ),
    _service("start", "Start the service: the virtual servers that ran before."),
    _service("stop", "Stop the service: all its virtual servers; their connections are closed."),
    _service("pause", "Take no new connections; those that are there go on, and the queues too."),
    _service("continue", "Take connections again."),
    _service("restart", "Restart all workers, with settings that only then count; states stay.", _CONFIGURE),
)
