"""Commands that copy a configuration to another machine (the predecessor's `iiscnfg /copy`)."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mailroot.cli import screen
from mailroot.cli.change import change_here, raise_as_here, told
from mailroot.cli.commands import refuse
from mailroot.edge.control import NoService, Refused, ask
from mailroot.edge.machine import here, origin
from mailroot.edge.settingsfile import SettingsFile
from mailroot.mail.faults import Misconfigured
from mailroot.settings.copying import Adapted, adapted, exported, problems_of
from mailroot.settings.problem import Problems

_LARGEST = 4 * 1024 * 1024
_SECONDS = 55.0  # a restart inside
_ADAPTED, _LOOK_AT = ("path", "was", "is", "why"), ("path", "value", "why")


def run(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Carry out `config WHAT`. Raises `Fault`, and `ValueError` where a value is none."""
    return _export(arguments, file) if arguments.word == "export" else _import(arguments, file)


def _export(arguments: argparse.Namespace, file: SettingsFile) -> int:
    text, left = exported(file.text(), origin(file), secrets=arguments.secrets)
    return leave(arguments, text, left)


def leave(arguments: argparse.Namespace, text: str, left: Sequence[str]) -> int:
    """Write what was exported, and say which secrets are not in it."""
    if not arguments.to:
        if arguments.secrets:
            raise Misconfigured("secrets go into a file only: name one")
        sys.stdout.write(text)
        return 0
    path = Path(arguments.to)
    _write(path, text, arguments.force)
    if arguments.json:
        print(screen.as_json({"file": str(path), "secrets_left_out": list(left)}))
        return 0
    screen.show(f"{path} is written, readable for its owner only.")
    for one in left:
        screen.show(f"Its secret was left out: {one}")
    return 0


def _write(path: Path, text: str, force: bool) -> None:
    """A private file, which takes no other's place unless that is asked for."""
    how = os.O_TRUNC if force else os.O_EXCL
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | how | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o600)
            file.write(text)
    except FileExistsError:
        raise Misconfigured(f"{path} is there already; name another file, or say --force") from None
    except OSError as fault:
        raise Misconfigured(f"{path}: {fault.strerror or fault}") from fault


def _import(arguments: argparse.Namespace, file: SettingsFile) -> int:
    request = read(arguments)
    text, wanted, place = request["text"], request["adapt"], str(file.path)
    if arguments.dry_run:
        return show_taken(arguments, place, adapted(text, here(file), wanted), None)
    try:
        answer = ask(file.path, "config.import", request, _SECONDS)
    except NoService:
        return _import_here(arguments, file, text, wanted)
    except Refused as fault:
        if not fault.problems:
            raise_as_here(fault)
        screen.complain(f"{file.path} was not changed:")
        screen.show_rows(("path", "value", "wrong", "mend"), fault.problems, json_wanted=arguments.json)
        return 2
    return show_taken(arguments, place, fitted_there(answer), {"running": True, **answer})


def fitted_there(answer: Mapping[str, Any]) -> Adapted:
    """What a service adapted."""
    return Adapted("", tuple(answer["adapted"]), tuple(answer["look_at"]))


def _import_here(arguments: argparse.Namespace, file: SettingsFile, text: str, wanted: dict[str, object]) -> int:
    """Without a service."""
    if file.path.exists() and not arguments.force:
        raise Misconfigured(f"{file.path} is there already; say --force to replace it (it stays a revision)")
    fitted = adapted(text, here(file), wanted)
    problems = problems_of(fitted.look_at)
    fresh = SettingsFile(file.path, quick_start=True)
    changed = (
        Problems(problems, str(file.path)) if problems else change_here(fresh, "config.import", {"text": fitted.text})
    )
    if isinstance(changed, Problems):
        show_taken(arguments, str(file.path), fitted, None)
        return refuse(changed, arguments)
    return show_taken(arguments, str(file.path), fitted, changed.facts)


def show_taken(arguments: argparse.Namespace, place: str, fitted: Adapted, facts: Mapping[str, Any] | None) -> int:
    """Say what was adapted, and what must be looked at; without facts nothing was written."""
    if arguments.json:
        result = {"file": place, "adapted": list(fitted.rows), "look_at": list(fitted.look_at)}
        print(screen.as_json({**(facts or {}), **result, "written": facts is not None}))
        return 0
    if fitted.rows:
        screen.show("Adapted to this machine:")
        screen.show_rows(_ADAPTED, fitted.rows, json_wanted=False)
    if fitted.look_at:
        screen.show("To be looked at:")
        screen.show_rows(_LOOK_AT, fitted.look_at, json_wanted=False)
    if facts is not None:
        screen.show(told(place, {"applied": [], "needs_restart": [], **facts}))
    return 0


def read(arguments: argparse.Namespace) -> dict[str, Any]:
    """What is asked for: the text of a configuration, what is to be adapted in it, and whether by force."""
    adapt = _wanted(arguments.adapt or [])
    return {"text": _read(arguments.source), "adapt": adapt, "force": arguments.force}


def _read(source: str) -> str:
    try:
        if source == "-":
            octets = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with Path(source).open("rb") as file:
                octets = file.read(_LARGEST + 1)
        if len(octets) > _LARGEST:
            raise Misconfigured(f"{source}: larger than {_LARGEST} octets, so no settings")
        return octets.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as fault:
        raise Misconfigured(f"{source}: {fault.strerror or fault}") from fault
    except UnicodeDecodeError as fault:
        raise Misconfigured(f"{source}: octet {fault.start} is not UTF-8") from fault


def _wanted(typed: list[str]) -> dict[str, object]:
    pairs = [one.partition("=") for one in typed]
    for one, (name, sign, _) in zip(typed, pairs, strict=True):
        if not name or not sign:
            raise ValueError(f"--adapt {one}: KEY=VALUE is wanted")
    return {name.strip(): value.strip() for name, _, value in pairs}
