"""The command line: finds the command, and turns what goes wrong into a sentence and an exit code.

0: done. 1: the operation failed. 2: the command or the settings are wrong. What a command needs is imported when it is
called, so that `mailroot --help` is there at once.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mailroot.cli import screen
from mailroot.cli.arguments import parsed
from mailroot.cli.entry import DEFAULT_FILE
from mailroot.cli.service import address_in, service_for
from mailroot.mail.faults import Conflict, Fault, Misconfigured

# Each has a `run`.
_MODULES = {
    "account": "mailroot.cli.accounts",
    "certificate": "mailroot.cli.certificates",
    "config": "mailroot.cli.config",
    "dkim": "mailroot.cli.dkim",
    "doctor": "mailroot.cli.doctor",
    "domain": "mailroot.cli.domains",
    "explain": "mailroot.cli.explain",
    "ldap": "mailroot.cli.directory",
    "smarthost": "mailroot.cli.smarthost",
    "top": "mailroot.cli.top",
    "trace": "mailroot.cli.trace",
}
# Besides operations, what can be asked of a service elsewhere, and what works on its settings (`cli.elsewhere`).
_FOR_ALL = ("top", "completion")
_SETTINGS = ("get", "set", "domain", "config")


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out what was typed."""
    address, words = address_in(sys.argv[1:] if argv is None else argv)
    arguments = parsed(words)
    arguments.elsewhere = address
    arguments.json = getattr(arguments, "json", False)
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough; what the interpreter flushes at its end must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _run(arguments: argparse.Namespace) -> int:
    try:
        return _command(arguments)
    except Conflict as fault:
        screen.complain(f"mailroot: {fault}")
        return 1
    except (Misconfigured, ValueError) as fault:
        screen.complain(f"mailroot: {fault}")
        return 2
    except Fault as fault:
        screen.complain(f"mailroot: {fault}")
        return 1


def _command(arguments: argparse.Namespace) -> int:
    named = getattr(arguments, "file", None) or getattr(arguments, "config", None)
    path = Path(named or DEFAULT_FILE)
    if hasattr(arguments, "operation"):
        from mailroot.cli import remote  # noqa: PLC0415

        return remote.run(arguments, service_for(arguments.elsewhere, path))
    if arguments.elsewhere and arguments.command in _SETTINGS:
        from mailroot.cli import elsewhere  # noqa: PLC0415

        return elsewhere.run(arguments, service_for(arguments.elsewhere, path))
    if arguments.elsewhere and arguments.command not in _FOR_ALL:
        raise Misconfigured(f"mailroot {arguments.command} works on the machine itself, without an address")
    from mailroot.cli import commands  # noqa: PLC0415

    if arguments.command == "completion":
        return commands.completion(arguments)
    from mailroot.edge.settingsfile import SettingsFile  # noqa: PLC0415

    file = SettingsFile(path, quick_start=named is None and not path.exists() and arguments.command != "check-config")
    if arguments.command in _MODULES:
        return int(importlib.import_module(_MODULES[arguments.command]).run(arguments, file))
    settings_commands = {
        "serve": commands.serve,
        "check-config": commands.check_config,
        "get": commands.show_option,
        "set": commands.set_option,
    }
    return settings_commands[arguments.command](arguments, file)


if __name__ == "__main__":
    sys.exit(main())
