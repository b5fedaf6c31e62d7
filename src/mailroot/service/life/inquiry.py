"""What operators ask a worker: rows of sessions and of the queue, in values that JSON can hold."""

import asyncio
import base64
import os
from collections.abc import Awaitable, Callable, Mapping
from operator import itemgetter
from typing import Any

from mailroot.edge.files.contents import FileContent
from mailroot.edge.files.durable import translated
from mailroot.mail.message import Content
from mailroot.queue.ordering import By, Ordered, Ordering
from mailroot.queue.selection import Selection
from mailroot.service.deliver.destinations import placed
from mailroot.service.life.bulk import change
from mailroot.service.life.shown import entry_facts, moment_text, opening_facts, row_of
from mailroot.service.life.world import World

_SOON = 0.1  # seconds that a list of destinations waits for a look of this moment


async def refusals(world: World) -> list[dict[str, object]]:
    """The latest refusals of this worker."""
    return world.refusals.rows()


def session_rows(world: World, worker: int) -> list[dict[str, object]]:
    """The open sessions of all virtual servers."""
    return [
        {
            "session": session.ident,
            "server": key,
            "worker": worker,
            "address": session.address,
            "hello": session.hello,
            "user": session.user,
            "tls": session.secured.version if session.secured is not None else "",
            "since": moment_text(session.since),
            "state": session.state,
            "messages": session.messages,
        }
        for key, server in world.servers.items()
        for session in server.parts.sessions
    ]


async def ordered(
    world: World, server: str, selected: Selection, ordering: Ordering, cursors: Mapping[str, str], limit: int
) -> dict[str, object]:
    """A part of an ordered list of each shard of this worker, and how many recipients they hold together.

    `cursors` has the shards from whose position to go on; a shard that is not in it is begun. A shard whose `end` is ""
    has nothing beyond.
    """
    parts = world.servers[server].parts
    shards, selected = parts.shards, placed(selected, parts.current.rules.plan)
    # All are asked in one go, so that they share the store's next transaction.
    depths = [shard.store.depth() for shard in shards]
    pages = [shard.store.ordered(ordering, cursors.get(shard.name, ""), limit, selected.key) for shard in shards]
    found = await asyncio.gather(*pages)
    told = [
        {"shard": shard.name, **_part(server, selected, ordering, page)}
        for shard, page in zip(shards, found, strict=True)
    ]
    return {"shards": told, "depth": sum(await asyncio.gather(*depths))}


def _part(server: str, selected: Selection, ordering: Ordering, found: Ordered) -> dict[str, object]:
    rows = [
        {
            "value": listed.arrived.timestamp() if ordering.by is By.ARRIVED else place.value,
            "position": str(place),
            "before": str(ordering.before(place)),
            "row": row_of(server, listed),
        }
        for place, listed in found.rows
        if selected.means(listed)
    ]
    last = "" if found.end is None else str(ordering.before(found.end) if ordering.backwards else found.end)
    return {"rows": rows, "end": last}


async def destinations(
    world: World, server: str, text: str, column: int, reverse: bool, most: int
) -> dict[str, object] | None:
    """What waits for whom on a virtual server, where a name has this text in it; see `measure.looks`.

    Only the first `most` rows by a column; `count` is how many there are.
    """
    seen = await world.looks.seen(server, _SOON)
    if seen is None:
        return None
    rows: list[list[Any]] = [
        [name, one.depth, one.messages, one.oldest, one.due, one.attempts, one.said, one.held]
        for name, one in seen.destinations.items()
        if text in name.lower()
    ]
    rows.sort(key=itemgetter(column), reverse=reverse)
    return {"rows": rows[:most], "count": len(rows), "begun": seen.begun, "whole": seen.whole}


async def show(world: World, key: str) -> dict[str, object] | None:
    """An entry with every waiting recipient; None where this worker does not have it."""
    for server, at_work in world.servers.items():
        for shard in at_work.parts.shards:
            entry = await shard.store.entry(key)
            if entry is not None:
                return entry_facts(server, entry, at_work.parts.current.rules)
    return None


async def content(world: World, key: str, offset: int, limit: int) -> dict[str, object] | None:
    """A piece of an entry's content, in base64, and whose it is; None where this worker does not have it."""
    for server, at_work in world.servers.items():
        for shard in at_work.parts.shards:
            entry = await shard.store.entry(key)
            if entry is not None:
                octets = await asyncio.to_thread(_piece, entry.content, offset, limit)
                return {**opening_facts(server, entry), "data": base64.b64encode(octets).decode()}
    return None


def _piece(content: Content, offset: int, limit: int) -> bytes:
    """A piece of a content. Blocks where that is a file, which may be gone by now. Raises `Unavailable`."""
    if isinstance(content, FileContent):
        with translated("reading a message's content"), content.path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), limit, offset)
    return b"".join(content.pieces())[offset : offset + limit]


QUEUE_INQUIRIES: dict[str, Callable[..., Awaitable[object]]] = {
    "queue.ordered": ordered,
    "queue.destinations": destinations,
    "queue.show": show,
    "queue.content": content,
    "refusals": refusals,
    "queue.change": change,
}
