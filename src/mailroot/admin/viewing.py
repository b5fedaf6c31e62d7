"""Rows of the table of operations: messages that are opened, folders that are looked into, figures of now and then."""

from mailroot.admin.operation import Argument, Kind, Operation, Permission

_READ, _OPERATE = Permission.READ, Permission.OPERATE
_ENTRY = Argument("key", Kind.NAME, "the key of a queue entry")
_AT_SERVER = Argument("server", Kind.OPTION, "the virtual server, where there are several", "SERVER")
_OF_DOMAIN = Argument("domain", Kind.OPTION, "a local domain, where they have folders of their own", "DOMAIN")
_IN_FOLDER = (
    Argument("text", Kind.OPTION, "whose name has this text in it", "TEXT"),
    Argument("newest", Kind.FLAG, "the last that came first"),
)
_STEM = Argument("name", Kind.NAME, "the name of a message, without its ending")
_FILE = Argument("name", Kind.NAME, "the name of a file")

VIEWS: tuple[Operation, ...] = (
    Operation(
        "message.show",
        "Open a message of the queue: its header, its text, what is attached.",
        _READ,
        (_ENTRY,),
        answers_by_server=True,
    ),
    Operation(
        "message.raw",
        "Read a message of the queue as it is, piece after piece.",
        _READ,
        (_ENTRY,),
        pieces=True,
        answers_by_server=True,
    ),
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
    Operation(
        "overview",
        "Show the service at a glance: figures, destinations, refusals.",
        _READ,
        answers_by_server=True,
        cut=True,
    ),
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
)
