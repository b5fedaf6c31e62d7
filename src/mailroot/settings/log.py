"""The protocol log's options."""

import enum
import re
from dataclasses import dataclass
from typing import Annotated

from mailroot.settings.option import Applies, option, strict
from mailroot.settings.spelling import Count, File, Flag, Folder, Size, Spelling, Text, choice, several


class LogFormat(enum.Enum):
    """The form of the protocol log."""

    W3C = "w3c"
    IIS = "iis"
    NCSA = "ncsa"
    ODBC = "odbc"
    JSON = "json"


class LogPeriod(enum.Enum):
    """When a new log file is begun."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    UNLIMITED = "unlimited"
    SIZE = "size"


_PROPERTIES = "General > Properties"
# The predecessor's fields, in its order (facts 6).
FIELDS = (
    "date time c-ip cs-username s-sitename s-computername s-ip s-port cs-method cs-uri-stem cs-uri-query sc-status "
    "sc-win32-status sc-bytes cs-bytes time-taken cs-version cs-host cs(User-Agent) cs(Cookie) cs(Referer)"
).split()


def _parse_field(value: object) -> str:
    if value not in FIELDS:
        raise ValueError(f"one of {', '.join(FIELDS)} is wanted")
    return str(value)


_TABLE_NAME = re.compile(r"(?:[A-Za-z_][A-Za-z0-9_]{0,127}\.){0,2}[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)


def _parse_table(value: object) -> str:
    """A name that can stand in a statement as it is."""
    if not isinstance(value, str) or not _TABLE_NAME.fullmatch(value):
        raise ValueError('the name of a table such as "InternetLog" or "dbo.InternetLog" is wanted')
    return value


_TABLE = Spelling("table", _parse_table, str, '"InternetLog"')
_FIELD = Spelling("field", _parse_field, str, '"c-ip"', ", ".join(f'"{field}"' for field in FIELDS))


@strict
@dataclass(frozen=True, slots=True)
class Log:
    """The protocol log."""

    enabled: Flag = option(
        True,
        "Whether a protocol log is kept.",
        label="Enable logging",
        tab="General",
        metabase="LogType",
        applies=Applies.NEW_SESSIONS,
    )
    format: Annotated[LogFormat, choice(LogFormat)] = option(
        LogFormat.W3C,
        "The form of the log.",
        label="Active log format",
        tab="General",
        metabase="LogPluginClsid",
    )
    directory: Folder = option(
        "Logs",
        "The folder in which SMTPSVC1, SMTPSVC2 and so on hold the files.",
        label="Log file directory",
        tab=_PROPERTIES,
        metabase="LogFileDirectory",
    )
    period: Annotated[LogPeriod, choice(LogPeriod)] = option(
        LogPeriod.DAILY,
        "When a new file is begun.",
        label="New log schedule",
        tab=_PROPERTIES,
        metabase="LogFilePeriod",
    )
    local_time: Flag = option(
        False,
        "Whether files are named and begun by local time instead of UTC.",
        label="Use local time for file naming and rollover",
        tab=_PROPERTIES,
        metabase="LogFileLocaltimeRollover",
    )
    size: Size = option(
        20 << 20,
        'How large a file may grow before a new one is begun, with `period = "size"`.',
        label="When file size reaches",
        tab=_PROPERTIES,
        metabase="LogFileTruncateSize",
    )
    keep_days: Count = option(0, "How many days a file stays after its last line; 0: for ever.")
    keep_files: Count = option(0, "How many files stay; the oldest go first; 0: all.")
    fields: Annotated[tuple[str, ...], several(_FIELD, least=1)] = option(
        ("date", "time", "c-ip", "cs-username", "cs-method", "cs-uri-query", "sc-status"),
        "The fields of a line in W3C format, in their order.",
        label="Extended properties",
        tab=_PROPERTIES,
        metabase="LogExtFileFlags",
    )
    odbc_source: Text = option(
        "HTTPLOG",
        'Where lines go with `format = "odbc"`: the name of a data source, or a connection string.',
        label="ODBC Data Source Name (DSN)",
        tab=_PROPERTIES,
        metabase="LogOdbcDataSource",
    )
    odbc_table: Annotated[str, _TABLE] = option(
        "InternetLog", "The table there.", label="Table", tab=_PROPERTIES, metabase="LogOdbcTableName"
    )
    odbc_username: Text = option(
        "", "The account to sign in with there.", label="User name", tab=_PROPERTIES, metabase="LogOdbcUserName"
    )
    odbc_password: Text = option(
        "",
        'The password, or the name of an environment variable that holds it, as "$NAME".',
        label="Password",
        tab=_PROPERTIES,
        metabase="LogOdbcPassword",
        secret=True,
    )
    odbc_password_file: File = option("", "A file that holds the password instead; its first line is taken.")

    @property
    def folder(self) -> str:
        """The folder of its files; "" where there are none."""
        return self.directory if self.enabled and self.format is not LogFormat.ODBC else ""
