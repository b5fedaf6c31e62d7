"""The grammar of the command line, made from the table of operations and the few commands that need no service."""

import argparse
from collections.abc import Sequence

from mailroot import __version__
from mailroot.admin.operations import OPERATIONS, Argument, Kind
from mailroot.cli.asking import add_explain, add_trace
from mailroot.cli.copying import add_config
from mailroot.cli.entry import DEFAULT_FILE

SHELLS = ("bash", "zsh", "tcsh")
ACCOUNT_WORDS = {
    "add": "Add an account; its password is read from standard input.",
    "passwd": "Change an account's password, which is read from standard input.",
    "remove": "Remove an account.",
    "list": "List the accounts, and how each can sign in.",
}
DOMAIN_WORDS = {
    "add": "Add a domain; a remote one unless its type says otherwise.",
    "remove": "Remove a domain.",
    "rename": "Give a domain another name; what waits for a local one goes on.",
    "default": "Make an alias the default domain; the old one becomes an alias.",
    "set": "Change options of a domain.",
    "list": "List the domains, and where mail for each goes.",
}
DKIM_WORDS = {
    "new": "Make a key for a domain, and print the record for DNS.",
    "list": "List the keys, and which of them sign.",
    "record": "Print the records of a domain's keys for DNS.",
}
_GROUPS = {
    "service": "Start, stop, pause and restart the service.",
    "server": "Start, stop, pause, make and delete virtual servers.",
    "session": "See and end sessions.",
    "queue": "See and change what waits.",
    "message": "Open messages of the queue.",
    "badmail": "See, open, remove and resubmit what is in Badmail.",
    "drop": "See and open what is in Drop folders.",
    "settings": "See and change the settings, and who changed them.",
    "operator": "See and change who may administer.",
    "token": "See, make and revoke the tokens of programs.",
    "audit": "See who changed what.",
}


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    """What was typed. A word too many ends the program with the usage of the command that it was typed behind."""
    arguments, beyond = parser().parse_known_args(argv)
    if beyond:
        arguments.grammar.error(f"unrecognized arguments: {' '.join(beyond)}")
    return arguments


def parser() -> argparse.ArgumentParser:
    """The whole grammar."""
    common = _common()
    top = argparse.ArgumentParser(
        prog="mailroot",
        description="The SMTP service for applications.",
        epilog="With --server https://HOST:PORT a command asks the service there, with the token in $MAILROOT_TOKEN.",
        parents=[common],
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"mailroot {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add(commands, common, "serve", "Run the service; without a settings file, a quick start.")
    check = _add(commands, common, "check-config", "Find every problem of a settings file.")
    check.add_argument("file", metavar="FILE", nargs="?", help=f"the settings file (./{DEFAULT_FILE})")
    _add_settings(commands, common)
    _add_certificate(commands, common)
    shell = _add(commands, common, "completion", "Print what a shell needs to complete commands.")
    shell.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    _add_accounts(commands, common)
    _add_domains(commands, common)
    add_config(_add(commands, common, "config", "Copy the configuration to another machine."), common)
    _add_dkim(commands, common)
    _add_smart_host(commands, common)
    doctor = _add(commands, common, "doctor", "Examine the service and its machine; each fault with its mend.")
    doctor.add_argument("check", metavar="CHECK", nargs="*", help="only these checks, such as disk or relay")
    add_explain(_add(commands, common, "explain", "Explain what would become of a message, or became of one."))
    # Its words are read by a grammar of their own (`cli.sendmail`); here it is only named.
    _add(commands, common, "sendmail", "Submit a message from standard input, as sendmail(8) does.")
    watched = _add(commands, common, "top", "Show the service on the whole screen, anew every second; q ends it.")
    watched.add_argument("--count", metavar="COUNT", type=int, default=0, help="with --json: how many objects (no end)")
    add_trace(
        _add(commands, common, "trace", "Tell what became of messages, from their sessions to the reports on them.")
    )
    _add_operations(commands, common)
    return top


def _add_settings(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    read = _add(commands, common, "get", "Show an option of the settings, or a table of them.")
    read.add_argument("key", metavar="KEY", help="a dotted key, such as servers.default.messages.size_limit")
    change = _add(commands, common, "set", "Change an option in the settings file, and apply it.")
    change.add_argument("key", metavar="KEY", help="a dotted key, such as servers.default.messages.size_limit")
    change.add_argument(
        "value",
        metavar="VALUE",
        help="the value, such as 25MB, true, '[\"192.0.2.0/24\"]'; - reads it from standard input",
    )
    _add_base(change)


def _add_base(command: argparse.ArgumentParser) -> None:
    known = "the revision that the change was made from; where the same was changed since, it is refused"
    command.add_argument("--base", metavar="REVISION", type=int, help=known)


def _add_accounts(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    group = _add(commands, common, "account", "See and change the accounts of those that sign in.")
    words = group.add_subparsers(dest="word", metavar="WHAT", required=True)
    for word, sentence in ACCOUNT_WORDS.items():
        command = _add(words, common, word, sentence)
        if word != "list":
            command.add_argument("name", metavar="NAME", help="the name of the account")
        command.add_argument("--server", metavar="KEY", help="a virtual server, where not all have the same accounts")


def _add_domains(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    group = _add(commands, common, "domain", "See and change the domains of virtual servers.")
    words = group.add_subparsers(dest="word", metavar="WHAT", required=True)
    for word, sentence in DOMAIN_WORDS.items():
        command = _add(words, common, word, sentence)
        if word != "list":
            command.add_argument("name", metavar="NAME", help='a domain, such as example.com, or "*.example.com"')
        if word == "rename":
            command.add_argument("new", metavar="NEW", help="its new name")
        if word in ("add", "set"):
            nargs = "+" if word == "set" else "*"
            known = "an option of domains with its value, such as type=alias, relay=true, route=relay.example:587"
            command.add_argument("options", metavar="OPTION=VALUE", nargs=nargs, help=known)
        if word != "list":
            _add_base(command)
        command.add_argument("--server", metavar="SERVER", default="", help="a virtual server, where there are several")


def _add_dkim(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    group = _add(commands, common, "dkim", "Make and see the keys that sign mail (DKIM).")
    words = group.add_subparsers(dest="word", metavar="WHAT", required=True)
    for word, sentence in DKIM_WORDS.items():
        command = _add(words, common, word, sentence)
        if word != "list":
            command.add_argument("name", metavar="DOMAIN", help="the domain in the authors' addresses")
            command.add_argument("--selector", metavar="SELECTOR", default="", help="the key's name in DNS")
        if word == "new":
            command.add_argument("--algorithm", choices=("rsa", "ed25519"), default="rsa", help="the kind of the key")
            waits = "how long until it signs, such as 2d (a domain's first key of a kind: at once; others: 2d)"
            command.add_argument("--after", metavar="DURATION", default="", help=waits)
        command.add_argument("--server", metavar="SERVER", default="", help="a virtual server, where there are several")


def _add_smart_host(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    group = _add(commands, common, "smarthost", "Try the way to other servers.")
    inner = group.add_subparsers(dest="word", metavar="WHAT", required=True)
    sentence = "Try every link to a smart host or a domain, from DNS to a transaction; no message is sent."
    trial = _add(inner, common, "test", sentence)
    trial.add_argument("name", metavar="NAME", help="a virtual server, for its smart host, or a domain")
    trial.add_argument(
        "--server", metavar="SERVER", default="", help="the virtual server whose way to the domain it is"
    )
    trial.add_argument("--sender", metavar="ADDRESS", default="", help="the sender of the transaction")
    trial.add_argument("--recipient", metavar="ADDRESS", default="", help="the recipient of the transaction")


def _add_certificate(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    group = _add(commands, common, "certificate", "Make, request, take and list certificates for TLS.")
    inner = group.add_subparsers(dest="what", metavar="WHAT", required=True)
    hosts = {"metavar": "HOST", "nargs": "+", "help": "the names that clients connect to, such as mail.example.com"}
    for word, sentence in (
        ("new", "Make a certificate that signed itself, with a new key."),
        ("request", "Make a new key, and a request to have a certificate of it signed."),
    ):
        _add(inner, common, word, sentence).add_argument("hosts", **hosts)  # type: ignore[arg-type]
    taken = _add(inner, common, "import", "Take a certificate that was issued, and put its key to it.")
    taken.add_argument("name", metavar="NAME", help="the host that it was requested for")
    taken.add_argument("certificate", metavar="FILE", help="the certificate with its chain, a PEM file")
    taken.add_argument("--key", metavar="FILE", help="its key, where it was not requested here")
    _add(inner, common, "list", "List the certificates that clients are shown, and when they expire.")


def _common() -> argparse.ArgumentParser:
    """The options that every command takes, before or after its words; unset ones must not undo those before."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--config", metavar="FILE", help=f"the settings file (./{DEFAULT_FILE})")
    common.add_argument("--json", action="store_true", help="answer in JSON")
    return common


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    common: argparse.ArgumentParser,
    word: str,
    sentence: str,
) -> argparse.ArgumentParser:
    made = commands.add_parser(word, help=sentence, description=sentence, parents=[common], allow_abbrev=False)
    made.set_defaults(grammar=made)
    return made


def _add_ldap(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    """The group of a command of its own, and of operations."""
    group = _add(commands, common, "ldap", "Try and see the directories that addresses are looked up in.")
    inner = group.add_subparsers(dest="word", metavar="WHAT", required=True)
    trial = _add(inner, common, "test", "Ask the directory about an address, and show each step; no mail is sent.")
    trial.add_argument("address", metavar="ADDRESS", help="an address, such as user@example.com")
    trial.add_argument("--server", metavar="SERVER", default="", help="a virtual server, where several have one")
    return inner


def _add_operations(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser
) -> None:
    groups = {"ldap": _add_ldap(commands, common)}
    for operation in OPERATIONS:
        if operation.typed_otherwise:
            continue
        *above, word = operation.words
        place = commands
        if above:
            group = above[0]
            if group not in groups:
                inner = _add(commands, common, group, _GROUPS[group])
                groups[group] = inner.add_subparsers(dest="word", metavar="WHAT", required=True)
            place = groups[group]
        command = _add(place, common, word, operation.sentence)
        command.set_defaults(operation=operation.name)
        for argument in operation.arguments:
            _add_argument(command, argument)
        if operation.watched:
            command.add_argument("--watch", action="store_true", help="show it again and again, until Ctrl+C")


def _add_argument(command: argparse.ArgumentParser, argument: Argument) -> None:
    if argument.kind is Kind.FLAG:
        command.add_argument(f"--{argument.name}", action="store_true", help=argument.sentence)
    elif argument.kind is Kind.SECRET:
        pass  # it is never typed here
    elif argument.kind is Kind.TABLE:
        command.add_argument(argument.name, metavar="NAME=VALUE", nargs="+", help=argument.sentence)
    elif argument.kind in (Kind.OPTION, Kind.DEMANDED):
        demanded = argument.kind is Kind.DEMANDED
        word, known = f"--{argument.name}", argument.choices or None
        command.add_argument(word, metavar=argument.value, required=demanded, choices=known, help=argument.sentence)
    else:
        nargs = "?" if argument.kind is Kind.OPTIONAL else None
        command.add_argument(argument.name, metavar=argument.name.upper(), nargs=nargs, help=argument.sentence)
