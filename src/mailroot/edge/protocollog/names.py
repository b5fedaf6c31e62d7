"""How log files are called (facts 6): by the period in which their lines were written, or by a number."""

import functools
import re
import time

from mailroot.edge.protocollog.forms import Form
from mailroot.settings.log import LogPeriod

_BY_TIME = (LogPeriod.HOURLY, LogPeriod.DAILY, LogPeriod.WEEKLY, LogPeriod.MONTHLY)
# The files of every form, of ours or of an earlier choice.
_OURS = re.compile(r"(?:(?:ex|in|nc|js)\d{4,8}|(?:extend|inetsv|ncsa|json)\d{1,6})\.log", re.ASCII)


def is_by_time(period: LogPeriod) -> bool:
    """Whether files are called by their period; otherwise they have numbers."""
    return period in _BY_TIME


@functools.lru_cache(maxsize=64)
def timed_name(prefix: str, period: LogPeriod, second: int, local: bool) -> str:
    """The file for what was said in a second: `ex26112108.log`, `ex261121.log`, `ex261104.log` or `ex2611.log`.

    A week begins on Sunday; weeks are counted within their month, from 01.
    """
    moment = time.localtime(second) if local else time.gmtime(second)
    month = f"{prefix}{moment.tm_year % 100:02d}{moment.tm_mon:02d}"
    if period is LogPeriod.MONTHLY:
        return f"{month}.log"
    if period is LogPeriod.WEEKLY:
        sunday = (moment.tm_wday + 1) % 7
        return f"{month}{(moment.tm_mday + 5 - sunday) // 7 + 1:02d}.log"
    hour = f"{moment.tm_hour:02d}" if period is LogPeriod.HOURLY else ""
    return f"{month}{moment.tm_mday:02d}{hour}.log"


def numbered_name(form: Form, number: int) -> str:
    """The file with a number, such as `extend1.log`."""
    return f"{form.numbered}{number}.log"


def number_of(form: Form, name: str) -> int:
    """The number in a name; 0 where it is none of this form's."""
    found = re.fullmatch(rf"{form.numbered}(\d{{1,6}})\.log", name, re.ASCII)
    return int(found[1]) if found else 0


def is_ours(name: str) -> bool:
    """Whether a file with this name is a protocol log."""
    return _OURS.fullmatch(name) is not None
