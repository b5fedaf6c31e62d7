"""`mailroot top`: the service on the whole screen, anew every second, until q; with --json an object a second."""

import argparse
import contextlib
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from mailroot.cli import screen
from mailroot.cli.service import service_for
from mailroot.cli.topview import Facts, heading, sheets, with_rates
from mailroot.edge.settingsfile import SettingsFile
from mailroot.mail.faults import Misconfigured, Unavailable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_EVERY = 1.0
_PATIENCE = 10  # answers in a row that may be missing before it is given up: a service that is restarted comes back


def run(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Show the service until somebody has seen enough. Raises `Fault` where it does not answer."""
    service = service_for(arguments.elsewhere, file.path)
    answers = _answers(lambda: service.ask("overview", {}))
    with contextlib.suppress(KeyboardInterrupt):
        if arguments.json:
            _write(answers, arguments.count)
        elif sys.stdout.isatty() and sys.stdin.isatty():
            _draw(answers)
        else:
            raise Misconfigured("top needs a terminal; --json is for programs")
    return 0


def _answers(overview: Callable[[], Any]) -> Iterator[dict[str, Any]]:
    """The service as it is, whenever that is asked for."""
    before: Facts | None = None
    missing = 0
    while True:
        try:
            now = overview()
            missing = 0
        except Unavailable:
            missing += 1
            if before is None or missing >= _PATIENCE:
                raise
            now = before
        yield with_rates(now, before)
        before = now


def _write(answers: Iterator[dict[str, Any]], count: int) -> None:
    """An object a line; `count` of them, or without end for 0."""
    for number, shown in enumerate(answers, 1):
        print(screen.as_json(shown), flush=True)
        if number == count:
            return
        time.sleep(_EVERY)


def _draw(answers: Iterator[dict[str, Any]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - its import takes longer than most commands
    from rich.live import Live  # noqa: PLC0415

    console = Console(highlight=False)
    with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        for shown in answers:
            live.update(_picture(shown, console), refresh=True)
            if pressed(_EVERY):
                return


def _picture(shown: Facts, console: "Console") -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    width, height = console.size
    parts: list[RenderableType] = [Text(heading(shown), style="bold", no_wrap=True, overflow="ellipsis")]
    for sheet in sheets(shown, width, height):
        table = Table(box=None, pad_edge=False, header_style="dim", title=sheet.title, title_justify="left")
        for column in sheet.columns:
            justify = "right" if column.right else "left"
            table.add_column(column.name, min_width=column.width, no_wrap=True, overflow="ellipsis", justify=justify)  # type: ignore[arg-type]
        for row in sheet.rows:
            table.add_row(*map(Text, row))
        parts.append(table)
    return Group(*parts)


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], bool]]:
    """Waits so many seconds for q, without Enter. The terminal is afterwards as it was."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield lambda seconds: _pressed(descriptor, seconds)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _pressed(descriptor: int, seconds: float) -> bool:
    """Whether q was pressed within this time, or nothing can be pressed any more."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        readable, _, _ = select.select([descriptor], [], [], left)
        if readable:
            typed = os.read(descriptor, 64)
            if not typed or b"q" in typed.lower() or b"\x03" in typed:
                return True
    return False
