"""The command that tells what became of messages: from the files of the trace, whether the service runs or not."""

import argparse
from datetime import datetime
from pathlib import Path
from typing import Any

from mailroot.cli import screen
from mailroot.cli.commands import refuse
from mailroot.edge.clock import utc_now
from mailroot.edge.settingsfile import SettingsFile
from mailroot.edge.trace.searching import ALWAYS, TraceSearch, Window
from mailroot.edge.trace.segments import milliseconds
from mailroot.mail.faults import Misconfigured
from mailroot.service.trace.stories import Found, Wanted, find
from mailroot.service.trace.story import Story
from mailroot.service.trace.words import words
from mailroot.settings.problem import Problems
from mailroot.settings.service import Settings
from mailroot.settings.spelling import duration

_COLUMNS = ("time", "entry", "message_id", "sender", "to", "fate")
_DURATION = duration()


def run(arguments: argparse.Namespace, file: SettingsFile) -> int:
    """Tell the story; 1 where nothing by that name is in the trace."""
    settings = file.load()
    if isinstance(settings, Problems):
        return refuse(settings, arguments)
    wanted = Wanted(arguments.what, window(arguments.since, arguments.until), arguments.server, max(arguments.limit, 1))
    with opened(settings) as search:
        found = find(search, wanted)
    if arguments.json:
        print(screen.as_json({"messages": [story.facts() for story in found.stories], "more": found.more}))
    else:
        _show(found, arguments)
    if not found.stories:
        screen.complain(f"mailroot trace: nothing{' by that name' if wanted.name else ''} is in the trace")
    return 0 if found.stories else 1


def opened(settings: Settings) -> TraceSearch:
    """The trace of these settings. Raises `Misconfigured` where there is none, or it may not be read."""
    folder = settings.service.trace.folder
    if not folder:
        raise Misconfigured('no trace is kept: service.trace.folder is ""')
    try:
        return TraceSearch(Path(folder))
    except PermissionError as fault:
        raise Misconfigured(f"{folder}: {fault.strerror}; use the account that the service runs under") from fault


def window(since: str, until: str) -> Window:
    """The time from one moment to another; "" : without an end. Raises `ValueError`."""
    return Window(
        milliseconds(moment(since)) if since else ALWAYS.since,
        milliseconds(moment(until)) if until else ALWAYS.until,
    )


def moment(text: str) -> datetime:
    """A moment: "15m" before now, or "2026-11-28", "2026-11-28T09:30", of the machine's zone where it names none."""
    try:
        return utc_now() - _DURATION.parse(text)  # type: ignore[no-any-return]
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise ValueError(f'{text}: a time such as "15m", "2d" or "2026-11-28T09:30" is wanted') from None


def _show(found: Found, arguments: argparse.Namespace) -> None:
    if len(found.stories) == 1:
        show_story(found.stories[0])
    elif found.stories:
        rows: list[dict[str, Any]] = [story.summary() for story in found.stories]
        screen.show_rows(_COLUMNS, rows, json_wanted=False)
    if found.more:
        screen.complain(f"There are more than {arguments.limit}; --limit, --since and --until choose others.")


def show_story(story: Story, margin: str = "") -> None:
    """A message's life, event by event."""
    facts = story.summary()
    title = f"Message {facts['message_id'] or '(without an ID)'}" if story.entry else "A message that was refused"
    entry = f", entry {story.entry}" if story.entry else ""
    screen.show(f"{margin}{title}{entry}, server {facts['server']}: {facts['fate']}")
    for event in story.events:
        screen.show(f"{margin}  {str(event.get('time', '')).replace('T', ' ')}  {words(event)}")
    for report in story.reports:
        screen.show(f"\n{margin}  The report on it:")
        show_story(report, f"{margin}  ")
