"""Commands about the settings file, and the one that starts the service."""

import argparse
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from mailroot.admin.operations import CHANGES, SECRETS
from mailroot.cli import screen
from mailroot.cli.change import based_on, change
from mailroot.cli.typed import typed_value
from mailroot.edge.control import control_path
from mailroot.edge.operators import SetupCode
from mailroot.edge.settingsfile import SettingsFile
from mailroot.settings.keys import get, written
from mailroot.settings.problem import Problem, Problems
from mailroot.settings.service import Settings
from mailroot.settings.spelling import toml_text

if TYPE_CHECKING:
    from mailroot.service.life.adminprocess import AdminBirth


def serve(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Run the service until it is told to end."""
    from mailroot.service.configure.ledger import Ledger  # noqa: PLC0415 - the service is large, and only this needs it

    ledger = Ledger(file, screen.complain)
    settings = ledger.load()
    if isinstance(settings, Problems):
        return refuse(settings, arguments)
    from mailroot.admin.access.local import allowed_locally  # noqa: PLC0415 - the same
    from mailroot.edge.systemd.parent import Parent  # noqa: PLC0415 - the same
    from mailroot.service.life.adminprocess import Administration  # noqa: PLC0415
    from mailroot.service.life.audit import Recorded  # noqa: PLC0415
    from mailroot.service.life.supervisor import run  # noqa: PLC0415

    def ready() -> None:
        if file.quick_start:
            print(first_steps(settings), flush=True)

    administration = Administration(_administer, Recorded(CHANGES, SECRETS), allowed_locally)
    return run(settings, ledger, control_path(file.path), ready, administration, Parent.taken(os.environ))


def _administer(birth: "AdminBirth") -> int:
    """The whole life of the process of the administration; what it needs is imported there."""
    from mailroot.admin.process import run  # noqa: PLC0415

    return run(birth)


def first_steps(settings: Settings) -> str:
    """What the quick start says: where things are, and how to send a first message. The lines can be pasted."""
    server = next(iter(settings.servers.values()))
    name = next(iter(server.domains))
    binding = server.general.bindings[0]
    sender, recipient = f"app@{name}", f"you@{name}"
    message = r"Subject: First message\r\n\r\nHello.\r\n"
    envelope = f'"{sender}", ["{recipient}"], "{message}"'
    smtp = f'import smtplib; smtplib.SMTP("{binding.address}", {binding.port}).sendmail({envelope})'
    pickup = shlex.quote(str(Path(server.home, "Pickup", "first.eml")))
    return f"""\
No settings file is here, so this is the quick start: mail is taken from this machine on {binding}.
Send a first message by SMTP:
  python3 -c '{smtp}'
or by the Pickup folder:
  printf 'x-sender: {sender}\\r\\nx-receiver: {recipient}\\r\\n{message}' > {pickup}
It is then in {Path(server.home, "Drop")}. To keep settings of your own: ./mailroot set KEY VALUE (docs/settings.md)
{_console(settings)}"""


def _console(settings: Settings) -> str:
    """How the console is entered for the first time; "" where it is off."""
    if settings.admin.listen is None:
        return ""
    code = SetupCode(Path(settings.admin.operators)).path
    return f"""\
Administer it in a browser at http://{settings.admin.listen}/; the first administrator is made there, with the code in
{code}, or here: ./mailroot operator add NAME --role administrator
"""


def check_config(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Say what is wrong with a settings file; 0 where nothing is."""
    loaded = file.load()
    if not isinstance(loaded, Problems):
        unusable = _unusable(loaded)
        loaded = Problems(unusable, str(file.path)) if unusable else loaded
    if isinstance(loaded, Problems):
        return refuse(loaded, arguments)
    if arguments.json:
        print(screen.as_json({"file": str(file.path), "problems": []}))
    else:
        screen.show(f"{file.path}: no problems; {len(loaded.servers)} virtual server(s)")
    return 0


def _unusable(settings: Settings) -> tuple[Problem, ...]:
    """What sound settings name that cannot be used. The service goes on without; whoever changes it is told."""
    from mailroot.edge import signingkeys  # noqa: PLC0415 - the same
    from mailroot.edge.accounts import problems as accountproblems  # noqa: PLC0415 - slow, and seldom needed
    from mailroot.edge.tls import certificates as certificatefolder  # noqa: PLC0415 - the same
    from mailroot.edge.tls import outgoing as outtls  # noqa: PLC0415 - the same

    looks = (certificatefolder.problems_in, accountproblems.problems_in, outtls.problems_in, signingkeys.problems_in)
    return tuple(problem for look in looks for problem in look(settings))


def refuse(problems: Problems, arguments: argparse.Namespace) -> int:
    """Show what is wrong with the settings file; the exit code of a command that needs it."""
    if arguments.json:
        print(screen.as_json({"file": problems.file, "problems": [*problems.rows()]}))
    else:
        screen.complain(str(problems))
    return 2


def show_option(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Show an option as the file has it, or else its default."""
    settings = file.load()
    if isinstance(settings, Problems):
        return refuse(settings, arguments)
    value = get(settings, arguments.key)
    as_written = written(file.text(), arguments.key)
    value = value if as_written is None else as_written
    if arguments.json:
        print(screen.as_json(value))
    else:
        show_value(value)
    return 0


def show_value(value: object, above: str = "") -> None:
    """The value of an option, or a line for each option of a table."""
    if not isinstance(value, dict):
        screen.show(value if isinstance(value, str) else toml_text(value))
        return
    for name, inner in value.items():
        if isinstance(inner, dict):
            show_value(inner, f"{above}{name}.")
        else:
            screen.show(f"{above}{name} = {toml_text(inner)}")


def set_option(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Change an option in the file, if the result is sound, and let the service apply it."""
    value = typed_value(arguments.key, arguments.value)
    changed = change(file, "settings.change", {"values": {arguments.key: value}, **based_on(arguments)})
    if isinstance(changed, Problems):
        return refuse(changed, arguments)
    result = {
        "file": str(file.path),
        "key": arguments.key,
        "value": get(changed.settings, arguments.key),
        **changed.facts,
    }
    if arguments.json:
        print(screen.as_json(result))
    else:
        screen.show(changed.told(file))
        _warn_beside(arguments.key, changed.settings)
    return 0


def _warn_beside(key: str, settings: Settings) -> None:
    """Say what cannot be used of the table in which an option was changed."""
    table = key.rpartition(".")[0]
    if not any(word in table for word in ("access", "security", "dkim")):
        return
    for problem in _unusable(settings):
        if problem.path.rpartition(".")[0] == table:
            screen.complain(f"But: {problem}")


def completion(arguments: argparse.Namespace) -> int:
    """Print the completion script of a shell."""
    import shtab  # noqa: PLC0415 - only this command needs it

    from mailroot.cli.arguments import parser  # noqa: PLC0415

    print(shtab.complete(parser(), arguments.shell))
    return 0
