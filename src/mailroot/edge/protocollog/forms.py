"""The forms of a protocol log: W3C Extended, Microsoft IIS, NCSA Common, JSON. Entries in, lines out; no files here.

W3C and JSON tell the time in UTC, the other two in the machine's zone, as the predecessor does (facts 6).
"""

import functools
import itertools
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from json.encoder import encode_basestring_ascii
from operator import add, itemgetter
from typing import Any, NamedTuple, Protocol

from mailroot import __version__
from mailroot.edge.protocollog.entry import NOTHING, Entry
from mailroot.settings.log import LogFormat

_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_TEXT_LIMIT = 2048


class Site(NamedTuple):
    """What is the same in all lines of a log: the instance, such as "SMTPSVC1", our machine, the server's key."""

    instance: str
    machine: str
    server: str


class Form(Protocol):
    """How lines look, and what their files are called."""

    prefix: str
    """What the names of files by time begin with."""
    numbered: str
    """What the names of numbered files begin with."""
    local: bool
    """Whether its times are always those of the machine's zone."""
    tells_local: bool
    """Whether our own address stands in its lines."""

    def header(self, at: float) -> str:
        """What a file begins with, and what stands before lines of another form than those above them; "" for none."""

    @abstractmethod
    def line(self, entry: Entry) -> str:
        """The line, without its end."""

    def lines(self, entries: Sequence[Entry]) -> list[str]:
        """The lines of these entries, of which there is at least one."""
        return [self.line(entry) for entry in entries]


# -- W3C Extended

# Each field that differs from line to line: where it stands in an entry with its party behind it.
_PLACES = {
    field: place
    for place, field in enumerate(
        "at party cs-username cs-method cs-uri-query sc-status sc-win32-status sc-bytes cs-bytes time-taken said reply "
        "session c-ip s-ip s-port outbound".split()
    )
}
_MOMENT, _PARTY = itemgetter(0), itemgetter(1)


@functools.lru_cache(maxsize=8)
def _utc(second: int) -> tuple[str, str]:
    moment = time.gmtime(second)
    return time.strftime("%Y-%m-%d", moment), time.strftime("%H:%M:%S", moment)


class W3cForm(Form):
    """W3C Extended, with the fields that were chosen."""

    prefix, numbered, local = "ex", "extend", False

    def __init__(self, fields: Sequence[str], site: Site) -> None:
        self._fields = " ".join(fields)
        self.tells_local = "s-ip" in fields
        # What is the same in all lines stands there; then come the second's own, and at last each line's.
        same = {"s-sitename": site.instance, "s-computername": site.machine, "cs-version": "SMTP"}
        shown = {field: text.replace("%", "%%%%") for field, text in same.items()}
        shown |= {"date": "%(date)s", "time": "%(time)s"} | dict.fromkeys(_PLACES, "%%s")
        self._line = " ".join(shown.get(field, NOTHING) for field in fields)
        self._picked = _picked([_PLACES[field] for field in fields if field in _PLACES])

    def header(self, at: float) -> str:
        """The directives of a file."""
        date = " ".join(_utc(int(at)))
        return f"#Software: Mailroot {__version__}\n#Version: 1.0\n#Date: {date}\n#Fields: {self._fields}\n"

    def line(self, entry: Entry) -> str:
        """The line."""
        return self.lines([entry])[0]

    def lines(self, entries: Sequence[Entry]) -> list[str]:
        """The lines: of all entries of one second at once."""
        moments = list(map(_MOMENT, entries))
        first = int(min(moments))
        if int(max(moments)) == first:
            return self._of_second(first, entries)
        seconds = itertools.groupby(entries, lambda entry: int(entry[0]))
        return [line for second, group in seconds for line in self._of_second(second, list(group))]

    def _of_second(self, second: int, entries: Sequence[Entry]) -> list[str]:
        date, moment = _utc(second)
        line = self._line % {"date": date, "time": moment}
        values: Iterable[tuple[Any, ...]] = map(add, entries, map(_PARTY, entries))
        return list(map(line.__mod__, map(self._picked, values)))


def _picked(places: Sequence[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[place] for place in places)


# -- Microsoft IIS and NCSA Common


@functools.lru_cache(maxsize=8)
def _iis_time(second: int) -> str:
    moment = time.localtime(second)
    date = f"{moment.tm_mon}/{moment.tm_mday}/{moment.tm_year % 100:02d}"
    return f"{date}, {moment.tm_hour}:{moment.tm_min:02d}:{moment.tm_sec:02d}"


class IisForm(Form):
    """Microsoft IIS: the same fields in every line, with commas between them."""

    prefix, numbered, local = "in", "inetsv", True
    tells_local = True

    def __init__(self, site: Site) -> None:
        self._instance = f"{site.instance}, {site.machine}"

    def header(self, at: float) -> str:  # noqa: ARG002
        """None."""
        return ""

    def line(self, entry: Entry) -> str:
        """The line. A comma in a field would end it, so it becomes %2C."""
        at, party, username, method, query, status, win32, sent, received, taken, _, _ = entry
        lead = f"{party.address}, {_escaped(username)}, {_iis_time(int(at))}, {self._instance}, {party.local}"
        counts = f"{taken}, {received}, {sent}, {status}, {win32}"
        return f"{lead}, {counts}, {_escaped(method)}, -, {_escaped(query)},"


def _escaped(text: str) -> str:
    return text.replace(",", "%2C")


@functools.lru_cache(maxsize=8)
def _ncsa_time(second: int) -> str:
    moment = time.localtime(second)
    sign, zone = "-" if moment.tm_gmtoff < 0 else "+", abs(moment.tm_gmtoff) // 60
    date = f"{moment.tm_mday:02d}/{_MONTHS[moment.tm_mon - 1]}/{moment.tm_year}"
    return f"{date}:{time.strftime('%H:%M:%S', moment)} {sign}{zone // 60:02d}{zone % 60:02d}"


class NcsaForm(Form):
    """NCSA Common: what web servers write, with the command where they have the request."""

    prefix, numbered, local = "nc", "ncsa", True
    tells_local = False

    def header(self, at: float) -> str:  # noqa: ARG002
        """None."""
        return ""

    def line(self, entry: Entry) -> str:
        """The line. Quotation marks and backslashes in the request are escaped as octets."""
        at, party, username, method, query, status, _, sent, _, _, _, _ = entry
        asked = "" if query == NOTHING else f"?{query}"
        request = f"{method} -{asked} SMTP".replace("\\", "%5C").replace('"', "%22")
        name = username.replace("[", "%5B").replace("]", "%5D")  # or readers take it for the time
        return f'{party.address} - {name} [{_ncsa_time(int(at))}] "{request}" {status} {sent}'


# -- JSON


class JsonForm(Form):
    """One JSON object a line: what the other forms have, the session, and the reply in full."""

    prefix, numbered, local = "js", "json", False
    tells_local = True

    def __init__(self, site: Site) -> None:
        self._site = f'"server":{_json(site.server)},"site":{_json(site.instance)}'

    def header(self, at: float) -> str:  # noqa: ARG002
        """None."""
        return ""

    def line(self, entry: Entry) -> str:
        """The line. Only ASCII stands in it."""
        at, party, username, method, query, status, win32, sent, received, taken, said, reply = entry
        milliseconds = int(at * 1000)
        moment = "T".join(_utc(milliseconds // 1000))
        direction = "out" if party.outbound else "in"
        parts = [
            f'{{"time":"{moment}.{milliseconds % 1000:03d}Z",{self._site},"direction":"{direction}"',
            f'"session":{_json(party.session)},"address":{_json(party.address)},"port":{party.port}',
            f'"local":{_json(party.local)},"username":{_json(username)},"method":{_json(method)}',
            f'"query":{_json(query)},"status":{status},"win32_status":{win32},"sent":{sent},"received":{received}',
            f'"taken":{taken},"command":{_json(_text(said))},"reply":{_json(_text(reply))}}}',
        ]
        # The one control character that JSON lets stand.
        return ",".join(parts).replace("\x7f", "\\u007f")


def _text(octets: bytes) -> str:
    """What was said as text; lines of a reply have a line feed between them."""
    text = octets[:_TEXT_LIMIT].decode("utf-8", "backslashreplace").removesuffix("\r\n")
    return text.replace("\r\n", "\n")


_json = encode_basestring_ascii


def form_of(log_format: LogFormat, fields: Sequence[str], site: Site) -> Form:
    """The form that settings ask for; ODBC has none."""
    forms: dict[LogFormat, Callable[[], Form]] = {
        LogFormat.W3C: lambda: W3cForm(fields, site),
        LogFormat.IIS: lambda: IisForm(site),
        LogFormat.NCSA: NcsaForm,
        LogFormat.JSON: lambda: JsonForm(site),
    }
    return forms[log_format]()
