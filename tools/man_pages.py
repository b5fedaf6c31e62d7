"""Write the man pages into a folder: made from the grammar of the command line and the declarations of settings.

They are not kept in the repository: `setup.py` has them made for the wheel, and tests look at them with mandoc's lint.
The date is that of SOURCE_DATE_EPOCH, so that a build can be repeated to the octet, or today's.
"""

import argparse
import os
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "src"))

from mailroot import __version__  # noqa: E402
from mailroot.cli.arguments import parser  # noqa: E402
from mailroot.settings.declared import declared  # noqa: E402
from mailroot.settings.spelling import toml_text  # noqa: E402

Parser = argparse.ArgumentParser

_DESCRIPTION = """\
Mailroot takes mail from applications by SMTP and from its Pickup folder, and delivers it to other servers or into Drop
folders. One settings file describes the service, its virtual servers and their domains; see mailroot.toml(5).
Most commands ask the service that runs for that file, by a socket beside it which its owner and root may use."""
_SETTINGS = """\
Settings stand in one TOML file, by default mailroot.toml in the working directory. A file needs only what differs from
the defaults. Relative paths are relative to the file. Durations are written "90s", "15m", "12h", "2d"; sizes "2048KB",
"25MB", and 0 for no limit. A secret may be "$NAME", which takes it from the environment. A file with a secret in it
must be readable by its owner only. In names of options, * stands for a name
that you give. mailroot check-config FILE finds every problem of a file at once."""
_COMMON = "The options --config FILE and --json of mailroot(1) count here too."
_EVERYWHERE = ("help", "config", "json")
_EXIT = (("0", "Done."), ("1", "The operation failed."), ("2", "The command or the settings are wrong."))
_FILES = (
    ("mailroot.toml", "The settings, mailroot.toml(5)."),
    (".mailroot.toml.control", "The socket by which commands ask the service; beside the settings."),
    ("mailroot.accounts", "The accounts of those that sign in; beside the settings."),
)


def pages() -> dict[str, str]:
    """All pages by the names of their files."""
    top = parser()
    found = {"mailroot.1": _program(top), "mailroot.toml.5": _settings()}
    for word, command in _commands(top).items():
        found[f"mailroot-{word}.1"] = _command(word, command)
    return found


# -- the pieces of a page (groff's man macros)


def _escaped(text: str) -> str:
    """Text as it is: a minus is no hyphen, and no line is a request."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")


def _filled(text: str) -> Iterator[str]:
    for line in textwrap.wrap(_escaped(text), 100, break_long_words=False, break_on_hyphens=False):
        yield f"\\&{line}" if line.startswith((".", "'")) else line


def _page(name: str, section: int, sentence: str, body: Iterator[str]) -> str:
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())))
    lines = [
        f'.TH "{_escaped(name.upper())}" "{section}" "{date}" "Mailroot {__version__}" "Mailroot"',
        ".SH NAME",
        f"{_escaped(name)} \\- {_escaped(sentence)}",
        *body,
    ]
    return "\n".join(lines) + "\n"


def _tagged(tag: str, text: str) -> Iterator[str]:
    yield from (".TP", f"\\fB{_escaped(tag)}\\fR")
    yield from _filled(text)


def _section(title: str, rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    tagged = [line for tag, text in rows for line in _tagged(tag, text)]
    yield from (f".SH {title}", *tagged) if tagged else ()


# -- commands


def _commands(above: Parser) -> dict[str, Parser]:
    for action in above._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _program(top: Parser) -> str:
    def body() -> Iterator[str]:
        yield from (".SH SYNOPSIS", "\\fBmailroot\\fR [\\fIOPTION\\fR ...] \\fICOMMAND\\fR [\\fIARGUMENT\\fR ...]")
        yield ".SH DESCRIPTION"
        yield from _filled(_DESCRIPTION)
        yield from _section("COMMANDS", ((word, _sentence(one)) for word, one in _commands(top).items()))
        yield from _section("OPTIONS", _arguments(top))
        yield from _section("EXIT STATUS", _EXIT)
        yield from _section("FILES", _FILES)
        yield ".SH SEE ALSO"
        yield ", ".join(f"\\fBmailroot\\-{_escaped(word)}\\fR(1)" for word in _commands(top))
        yield ", \\fBmailroot.toml\\fR(5)"

    return _page("mailroot", 1, "the SMTP service for applications", body())


def _command(word: str, command: Parser) -> str:
    inner = _commands(command)

    def body() -> Iterator[str]:
        yield ".SH SYNOPSIS"
        for number, one in enumerate(inner.values() if inner else (command,)):
            yield from (".br",) if number else ()
            yield _usage(one)
        yield ".SH DESCRIPTION"
        yield from _filled(f"{_sentence(command)} {_COMMON}")
        for name, one in inner.items():
            yield f".SS {_escaped(f'{word} {name}')}"
            yield from _filled(_sentence(one))
            for tag, text in _arguments(one, _EVERYWHERE):
                yield from _tagged(tag, text)
        if not inner:
            yield from _section("ARGUMENTS", tuple(_arguments(command, _EVERYWHERE)))
        yield from _section("EXIT STATUS", _EXIT)
        yield from (".SH SEE ALSO", "\\fBmailroot\\fR(1), \\fBmailroot.toml\\fR(5)")

    return _page(f"mailroot-{word}", 1, _sentence(command).rstrip("."), body())


def _sentence(one: Parser) -> str:
    return one.description or ""


def _usage(one: Parser) -> str:
    words = [f"\\fB{_escaped(one.prog)}\\fR"]
    for action in one._actions:
        if action.dest in _EVERYWHERE or action.help == argparse.SUPPRESS:
            continue
        text = "/".join(action.option_strings[-1:]) + (" " if action.option_strings and action.nargs != 0 else "")
        text = _escaped(text) + (f"\\fI{_escaped(_name(action))}\\fR" if action.nargs != 0 else "")
        text += " ..." if action.nargs in ("+", "*") else ""
        words.append(text if action.required and action.nargs != "?" else f"[{text}]")
    return " ".join(words)


def _arguments(one: Parser, known: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    for action in one._actions:
        if action.dest in known or action.help == argparse.SUPPRESS or isinstance(action, argparse._SubParsersAction):
            continue
        tag = ", ".join(action.option_strings) or _name(action)
        if action.option_strings and action.nargs != 0:
            tag += f" {_name(action)}"
        text = (action.help or "").strip()
        yield tag, text[:1].upper() + text[1:].rstrip(".") + "."


def _name(action: argparse.Action) -> str:
    return action.metavar if isinstance(action.metavar, str) else action.dest.upper()


# -- settings


def _settings() -> str:
    def body() -> Iterator[str]:
        yield ".SH DESCRIPTION"
        yield from _filled(_SETTINGS)
        yield ".SH OPTIONS"
        for found in declared().values():
            option, spelling = found.option, found.spelling
            bounds = f", {spelling.bounds}" if spelling.bounds else ""
            default = toml_text(spelling.text(found.default))
            text = f"{option.sentence} {spelling.name}{bounds}; default {default}. A change counts: "
            yield from _tagged(found.key, f"{text}{option.applies.value}.")
        yield from (".SH SEE ALSO", "\\fBmailroot\\fR(1)")

    return _page("mailroot.toml", 5, "settings of the SMTP service for applications", body())


def main() -> int:
    """Write all pages into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
