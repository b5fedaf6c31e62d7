"""What operators ask a worker: rows of sessions and of the queue, in values that JSON can hold."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from mailroot.mail.events import EVENTS
from mailroot.queue import selection
from mailroot.queue.entry import Listed, QueueEntry
from mailroot.queue.selection import Change, Selection
from mailroot.service.life.atwork import Shard
from mailroot.service.life.world import World

# What a store gives as the due of a recipient that is in delivery at this moment.
_LEASED = datetime.fromtimestamp(0, UTC)
_AT_ONCE = 500  # recipients that one transaction looks at


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
            "since": _moment(session.since),
            "state": session.state,
            "messages": session.messages,
        }
        for key, server in world.servers.items()
        for session in server.parts.sessions
    ]


async def page(world: World, server: str, shard: int, after: str, limit: int) -> dict[str, object]:
    """A page of the waiting recipients of one shard. `shards` is how many this worker has."""
    shards = world.servers[server].parts.shards
    if shard >= len(shards):
        return {"rows": [], "shards": len(shards), "next": ""}
    listed = await shards[shard].store.page(after, limit)
    full = len(listed) == limit
    cursor = f"{listed[-1].key}/{listed[-1].recipient_number}" if full else ""
    return {"rows": [_row(server, one) for one in listed], "shards": len(shards), "next": cursor}


async def show(world: World, key: str) -> dict[str, object] | None:
    """An entry with every waiting recipient; None where this worker does not have it."""
    for server, shard in _shards(world):
        entry = await shard.store.entry(key)
        if entry is not None:
            return _entry(server, entry)
    return None


async def retry(world: World, key: str) -> int:
    """Make an entry due now, or every one where `key` is ""; how many recipients that are."""
    for each in world.servers.values():
        each.parts.carriers.remote.try_again()
    return await _change(world, Selection(key=key), selection.retry(world.now()), "retry")


async def remove(world: World, key: str) -> int:
    """Remove an entry's recipients that are not being served at this moment; how many."""
    return await _change(world, Selection(key=key), selection.remove, "remove")


async def _change(world: World, selected: Selection, change: Change, word: str) -> int:
    changed = 0
    for server, shard in _shards(world):
        count, after = 0, ""
        while True:
            page = await shard.store.change(selected, change, after, _AT_ONCE)
            count, after = count + page.recipients, page.next
            if not after:
                break
        if count:
            shard.dispatcher.wake()
            key = selected.key or "all"
            world.emit(EVENTS.queue_changed, server=server, entry=key, operation=word, recipients=count)
        changed += count
    return changed


def _shards(world: World) -> list[tuple[str, Shard]]:
    return [(key, shard) for key, server in world.servers.items() for shard in server.parts.shards]


def _row(server: str, listed: Listed) -> dict[str, object]:
    return {
        "server": server,
        "key": listed.key,
        "sender": listed.sender,
        "recipient": listed.recipient,
        "size": listed.size,
        "arrived": _moment(listed.arrived),
        "due": _moment(listed.due),
        "attempts": listed.attempts,
        "last": listed.last,
        "message_id": listed.message_id,
    }


def _entry(server: str, entry: QueueEntry) -> dict[str, object]:
    return {
        "server": server,
        "key": entry.key,
        "sender": entry.envelope.sender_text,
        "message_id": entry.message_id,
        "size": entry.content.size,
        "arrived": _moment(entry.arrived),
        "source": entry.origin.source,
        "client": entry.origin.address,
        "hello": entry.origin.hello,
        "session": entry.origin.session,
        "accepted_recipients": len(entry.envelope.recipients),
        "failures": entry.failures,
        "recipients": [
            {
                "recipient": str(one.recipient.address),
                "due": _moment(one.due) if one.due != _LEASED else "",
                "in_delivery": one.due == _LEASED,
                "attempts": one.attempts,
                "status": one.last.code if one.last else "",
                "last": one.last.words if one.last else "",
                "remote": one.last.remote if one.last else "",
                "delay_reported": one.delay_reported,
            }
            for one in entry.pending
        ],
    }


def _moment(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""


QUEUE_INQUIRIES: dict[str, Callable[..., Awaitable[object]]] = {
    "queue.page": page,
    "queue.show": show,
    "queue.retry": retry,
    "queue.remove": remove,
}
