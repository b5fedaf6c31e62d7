"""What operators ask a worker: rows of sessions and of the queue, in values that JSON can hold."""

from collections.abc import Awaitable, Callable

from mailroot.queue.selection import Selection
from mailroot.service.life.bulk import change
from mailroot.service.life.shown import entry_facts, moment_text, row_of
from mailroot.service.life.world import World


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


async def page(
    world: World, server: str, number: int, selected: Selection, after: str, limit: int
) -> dict[str, object]:
    """A page of those of one shard whom a selection means. `shards` is how many this worker has."""
    shards = world.servers[server].parts.shards
    if number >= len(shards):
        return {"rows": [], "shards": len(shards), "next": ""}
    listed = await shards[number].store.page(after, limit, selected.key)
    cursor = f"{listed[-1].key}/{listed[-1].recipient_number}" if len(listed) == limit else ""
    rows = [row_of(server, one) for one in listed if selected.means(one)]
    return {"rows": rows, "shards": len(shards), "next": cursor}


async def show(world: World, key: str) -> dict[str, object] | None:
    """An entry with every waiting recipient; None where this worker does not have it."""
    for server, at_work in world.servers.items():
        for shard in at_work.parts.shards:
            entry = await shard.store.entry(key)
            if entry is not None:
                return entry_facts(server, entry, at_work.parts.current.rules)
    return None


QUEUE_INQUIRIES: dict[str, Callable[..., Awaitable[object]]] = {
    "queue.page": page,
    "queue.show": show,
    "queue.change": change,
}
