"""`mailroot explain --against`: recorded messages, or one that is made up, under settings that are not in force yet."""

import argparse
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from mailroot.cli import screen
from mailroot.cli.commands import refuse
from mailroot.cli.trace import opened, window
from mailroot.edge.clock import utc_now
from mailroot.edge.settingsfile import SettingsFile
from mailroot.service.explain.against import Comparison, compare
from mailroot.service.explain.case import Case
from mailroot.service.explain.explained import entered
from mailroot.service.explain.recorded import Recorded, recorded_in
from mailroot.settings.problem import Problems
from mailroot.settings.service import Settings

_MOST = 10_000
_COLUMNS = ("messages", "server", "client", "auth", "from", "to", "before", "after")


def run(arguments: argparse.Namespace, file: SettingsFile, settings: Settings, case: Case | None) -> int:
    """Show whose fate changes; 0, whoever it is."""
    other = SettingsFile(Path(arguments.against))
    new = other.check(other.text(), file.folder)
    if isinstance(new, Problems):
        return refuse(new, arguments)
    if case is not None:
        key, case, _ = entered(settings, arguments.server, arguments.binding, case)
        result = compare(settings, new, [Recorded(key, case)], utc_now())
    else:
        most = arguments.limit or _MOST
        with opened(settings) as search:
            events = search.during(window(arguments.since, arguments.until))
            result = compare(settings, new, _of_server(recorded_in(events, most), arguments.server), utc_now())
    _show(result, arguments)
    return 0


def _of_server(cases: Iterable[Recorded], server: str) -> Iterable[Recorded]:
    return (one for one in chain(cases) if not server or one.server == server)


def _show(result: Comparison, arguments: argparse.Namespace) -> None:
    rows = [changed.facts() for changed in result.changed]
    if arguments.json:
        counts = {"messages": result.messages, "kinds": result.kinds, "open": result.open}
        print(screen.as_json({**counts, "changed": rows}))
        return
    affected = sum(changed.messages for changed in result.changed)
    screen.show(
        f"{result.messages} messages of {result.kinds} kinds; with {arguments.against} {affected} would change."
    )
    if result.open:
        screen.show(f"{result.open} hang on the name of their client, which was not looked up.")
    if rows:
        screen.show_rows(_COLUMNS, rows, json_wanted=False)
