"""What operators do to all recipients that a selection means, in one shard of this worker: a page at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from mailroot.edge.files.export import export as export_entry
from mailroot.mail.events import EVENTS
from mailroot.mail.status import Disposition, Status
from mailroot.queue import selection
from mailroot.queue.entry import FROZEN, Listed
from mailroot.queue.schedule import held_until
from mailroot.queue.selection import Change, Order, Selection
from mailroot.queue.store import Changed, QueueStore
from mailroot.service.deliver.destinations import placed
from mailroot.service.life.atwork import Shard
from mailroot.service.life.shown import entry_facts
from mailroot.service.life.world import World
from mailroot.service.rules import Rules

# Recipients that one transaction looks at, and that one page brings into memory.
_LOOKED_AT = 500
_TAKEN = 100
# Recipients whose sums are made in one go; and seconds that are spent on those before a page.
_PART, _SKIPPING = 250, 0.3

Page = dict[str, object]
_NOBODY: Page = {"recipients": 0, "in_delivery": 0, "next": ""}


async def change(world: World, server: str, number: int, order: Order, after: str) -> Page:
    """Carry one page of an operation out. The result says how many shards this worker has."""
    shards = world.servers[server].parts.shards
    if number >= len(shards):
        return {**_NOBODY, "shards": len(shards)}
    parts = world.servers[server].parts
    if order.word == "retry" and not after:
        parts.carriers.remote.try_again()
    order = replace(order, selected=placed(order.selected, parts.current.rules.plan))
    begin, more = await _beginning(shards[number].store, order.selected, after)
    if not more:
        return {**_NOBODY, "next": begin, "shards": len(shards)}
    page = await _OPERATIONS[order.word](world, server, shards[number], order, begin)
    return {**page, "shards": len(shards)}


async def _beginning(store: QueueStore, selected: Selection, after: str) -> tuple[str, bool]:
    """The cursor from which on there may be somebody who is meant, and whether there is.

    Of those for one destination, the parts in which nobody goes there are known by their sums, which take a third of
    the processor's time that rows take, mostly without the interpreter's lock.
    """
    if not selected.destination or selected.key:
        return after, True
    until = time.monotonic() + _SKIPPING
    while True:
        part = await store.summed(after, _PART)
        if any(selected.goes_there(one.domain, one.via) for one in part.sums):
            return after, True
        if not part.next or time.monotonic() > until:
            return part.next, False
        after = part.next


async def _changed(world: World, server: str, shard: Shard, order: Order, wanted: Change, after: str) -> Page:
    page = await shard.store.change(order.selected, wanted, after, _LOOKED_AT)
    if page.recipients:
        shard.dispatcher.wake()
    _tell(world, server, order, page)
    return {"recipients": page.recipients, "in_delivery": page.in_delivery, "next": page.next}


def _tell(world: World, server: str, order: Order, page: Changed) -> None:
    """One event for each entry; one for a page where everything was meant."""
    entries = {"all": page.recipients} if order.selected.everything and page.recipients else page.entries
    for entry, count in entries.items():
        world.emit(EVENTS.queue_changed, server=server, entry=entry, operation=order.word, recipients=count)


async def _retry(world: World, server: str, shard: Shard, order: Order, after: str) -> Page:
    return await _changed(world, server, shard, order, selection.retry(world.now()), after)


async def _remove(world: World, server: str, shard: Shard, order: Order, after: str) -> Page:
    return await _changed(world, server, shard, order, selection.remove, after)


async def _freeze(world: World, server: str, shard: Shard, order: Order, after: str) -> Page:
    rules = world.servers[server].parts.current.rules
    freeze = selection.freeze(FROZEN, lambda row: _next_word(rules, row))
    return await _changed(world, server, shard, order, freeze, after)


def _next_word(rules: Rules, row: Listed) -> datetime:
    plan = rules.retry_for(row.recipient.rpartition("@")[2])
    return held_until(row.delay_reported, row.arrived, plan)


async def _thaw(world: World, server: str, shard: Shard, order: Order, after: str) -> Page:
    return await _changed(world, server, shard, order, selection.thaw(world.now()), after)


async def _reroute(world: World, server: str, shard: Shard, order: Order, after: str) -> Page:
    return await _changed(world, server, shard, order, selection.reroute(order.value, world.now()), after)


async def _bounce(world: World, server: str, shard: Shard, order: Order, after: str) -> Page:
    page = await shard.store.take(order.selected, after, _TAKEN)
    said = f"An operator of this mail server returned the message{f': {order.value}' if order.value else '.'}"
    entries = [lease.entry for lease in page.leases]
    await shard.dispatcher.give_up(entries, Status(Disposition.FAILED, "5.0.0", said))
    for entry in entries:
        count = len(entry.pending)
        world.emit(EVENTS.queue_changed, server=server, entry=entry.key, operation="bounce", recipients=count)
    count = sum(len(entry.pending) for entry in entries)
    return {"recipients": count, "in_delivery": page.in_delivery, "next": page.next}


async def _export(world: World, server: str, shard: Shard, order: Order, after: str) -> Page:
    """Entry by entry, each with all its recipients; an entry that two pages show is written twice."""
    rows = await shard.store.page(after, _TAKEN, order.selected.key)
    meant = [row for row in rows if order.selected.means(row)]
    rules = world.servers[server].parts.current.rules
    for key in dict.fromkeys(row.key for row in meant):
        entry = await shard.store.entry(key)
        if entry is not None:  # it may have been delivered meanwhile
            facts = entry_facts(server, entry, rules)
            await asyncio.to_thread(export_entry, Path(order.value), key, entry.content, facts)
    following = f"{rows[-1].key}/{rows[-1].recipient_number}" if len(rows) == _TAKEN else ""
    return {"recipients": len(meant), "in_delivery": 0, "next": following}


_OPERATIONS: dict[str, Callable[[World, str, Shard, Order, str], Awaitable[Page]]] = {
    "retry": _retry,
    "remove": _remove,
    "freeze": _freeze,
    "thaw": _thaw,
    "reroute": _reroute,
    "bounce": _bounce,
    "export": _export,
}
