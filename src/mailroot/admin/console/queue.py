"""The queue of a virtual server: by destination and by recipient, searched, live, and what is done to what waits."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from fastapi.responses import Response

from mailroot.admin.console.messages import message_page, raw_file
from mailroot.admin.console.visit import Row, Visit
from mailroot.admin.console.visiting import Visiting, pages
from mailroot.admin.operations import BY_NAME
from mailroot.service.measure.look import OTHERS

router = pages()

_ROWS = 100
_LOOKS = 8  # at a queue of which no row was found yet
# What people search by: the filter's name in the table of operations, its label, and an example.
_FILTERS = (
    ("text", "Search", "anything"),
    ("recipient", "Recipient", "*@example.com"),
    ("sender", "Sender", "app@example.com"),
    ("domain", "Domain", "example.com"),
    ("destination", "Destination", "relay.example:587"),
    ("older", "Older than", "2h"),
    ("status", "Status", "4.4.*"),
)
_FLAGS = (("frozen", "Frozen"), ("held", "Held"))
_DONE = {
    "retry": "tried now",
    "freeze": "frozen",
    "thaw": "thawed",
    "bounce": "given up, with a report to the sender",
    "remove": "removed, without a report",
}
_OF_ENTRY = (
    ("retry", "Retry now", "", ""),
    ("freeze", "Freeze", "", ""),
    ("thaw", "Thaw", "", ""),
    ("bounce", "Remove with report", "All its recipients are given up now; the sender gets a report.", ""),
    ("remove", "Remove without report", "All its recipients are removed; the sender gets no report.", "danger"),
)


def _taken(operation: str) -> frozenset[str]:
    return frozenset(argument.name for argument in BY_NAME[operation].arguments)


@router.get("/servers/{key}/queue")
async def listed(key: str, visit: Visiting) -> Response:
    """What waits."""
    server, query = await visit.server(key), dict(visit.request.query_params)
    by = "destination" if query.get("by") == "destination" and visit.may("queue.destinations") else "message"
    operation = "queue.destinations" if by == "destination" else "queue.list"
    taken = _taken(operation)
    flags = [{"name": name, "label": label, "flag": True} for name, label in _FLAGS if name in taken]
    texts = [
        {"name": name, "label": label, "example": example, "flag": False}
        for name, label, example in _FILTERS
        if name in taken
    ]
    filters = [{**one, "value": query.get(str(one["name"]), "")} for one in (*texts, *flags)]
    wanted = {str(one["name"]): _value(one) for one in filters if one["value"]}
    rows, more = await _page_of(visit, operation, {**wanted, "server": key}, query.get("after", ""))
    back = visit.path + (f"?{visit.request.url.query}" if visit.request.url.query else "")
    return await visit.page(
        "queue.html",
        "Queue",
        crumbs=[("This computer", "/"), (server["name"], server["link"])],
        server=server,
        by=by,
        others=OTHERS,
        rows=rows,
        filters=filters,
        filtered=bool(wanted),
        here_query=back,
        first=_link(query, after="") if query.get("after") else "",
        more=_link(query, after=more) if more else "",
    )


def _value(filter_: Mapping[str, Any]) -> object:
    return True if filter_["flag"] else filter_["value"]


def _link(query: Mapping[str, str], **changed: str) -> str:
    kept = {name: value for name, value in {**query, **changed}.items() if value}
    return f"?{urlencode(kept)}"


async def _page_of(visit: Visit, operation: str, wanted: Mapping[str, Any], after: str) -> tuple[list[Row], str]:
    """A page of rows; the service may look through many shards before it has found one, and says so by a cursor."""
    rows: list[Row] = []
    for _ in range(_LOOKS):
        answer = await visit.ask(operation, **wanted, after=after, limit=_ROWS - len(rows))
        if isinstance(answer, list):
            return answer, ""
        rows += answer["rows"]
        after = answer["next"]
        if len(rows) >= _ROWS or not after:
            break
    return rows, after


@router.post("/servers/{key}/queue/do")
async def act(key: str, visit: Visiting) -> Response:
    """Do one thing to all that were chosen."""
    server, form = await visit.server(key), await visit.form()
    word = form.get("what", "")
    back = form.get("back", "")
    place = back if back.startswith(f"{server['link']}/queue") else f"{server['link']}/queue"
    if word not in _DONE:
        return visit.go(place)
    count = 0
    # What is searched for among destinations is their names: no search of recipients means the same.
    every = form.get("every") and ("by", "destination") not in parse_qsl(place.partition("?")[2])
    for selected in [_searched(place)] if every else map(_row_of, await visit.chosen()):
        if selected is not None:
            count += await _all(visit, f"queue.{word}", {**selected, "server": key})
    return visit.go(place, f"{count} {'recipient' if count == 1 else 'recipients'} {_DONE[word]}.")


def _row_of(chosen: str) -> dict[str, Any] | None:
    """The recipient, or the destination, that was chosen in a list."""
    return {name: value for name, value in parse_qsl(chosen) if name in ("key", "recipient", "destination")} or None


def _searched(place: str) -> dict[str, Any]:
    """All that the search of a list means."""
    taken = _taken("queue.list") - {"sort", "descending"}
    flags = {name for name, _ in _FLAGS}
    query = parse_qsl(place.partition("?")[2])
    return {name: True if name in flags else value for name, value in query if name in taken}


async def _all(visit: Visit, operation: str, selected: Mapping[str, Any]) -> int:
    count, after = 0, ""
    while True:
        answer = await visit.ask(operation, **selected, after=after)
        count += int(answer["recipients"])
        after = answer["next"]
        if not after:
            return count


# -- one entry


@router.get("/servers/{key}/queue/{entry}")
async def entry_page(key: str, entry: str, visit: Visiting) -> Response:
    """An entry with all its recipients."""
    server, shown = await visit.server(key), await visit.ask("queue.show", key=entry)
    facts = [(name, value) for name, value in shown.items() if not _is_table(value) and value not in ("", None)]
    tables = [(name, _columns(value), value) for name, value in shown.items() if _is_table(value)]
    crumbs = [("This computer", "/"), (server["name"], server["link"]), ("Queue", f"{server['link']}/queue")]
    actions = [one for one in _OF_ENTRY if visit.may(f"queue.{one[0]}")]
    return await visit.page(
        "entry.html",
        f"Message {entry}",
        crumbs=crumbs,
        here=f"{server['link']}/queue",
        server=server,
        key=entry,
        facts=facts,
        tables=tables,
        actions=actions,
    )


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _columns(rows: list[Row]) -> list[str]:
    """Those that have something to say; what is long stands last."""
    names = dict.fromkeys(name for row in rows for name, value in row.items() if value not in ("", None, []))
    return sorted(names, key=lambda name: name == "coming")


@router.get("/servers/{key}/queue/{entry}/message")
async def message(key: str, entry: str, visit: Visiting) -> Response:
    """The message of an entry, opened safely."""
    server, shown = await visit.server(key), await visit.ask("message.show", key=entry)
    link = f"{server['link']}/queue"
    place = f"{link}/{quote(entry, safe='')}"
    computer = ("This computer", "/")
    crumbs = [computer, (server["name"], server["link"]), ("Queue", link), (f"Message {entry}", place)]
    raw = f"{place}/raw" if visit.may("message.raw") else ""
    return await message_page(visit, f"Content of {entry}", shown, crumbs=crumbs, here=link, raw=raw)


@router.get("/servers/{key}/queue/{entry}/raw")
async def raw(key: str, entry: str, visit: Visiting) -> Response:
    """The message of an entry as a file."""
    await visit.server(key)
    return await raw_file(visit, "message.raw", f"{entry}.eml", key=entry)
