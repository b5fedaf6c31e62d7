"""What operators ask a worker about directories: rows in values that JSON can hold."""

from collections.abc import Awaitable, Callable

from mailroot.mail.events import EVENTS
from mailroot.service.life.world import World
from mailroot.service.resolve.directory import Directory


async def status(world: World) -> list[dict[str, object]]:
    """The directory of each virtual server that has one, as this worker sees it."""
    return [
        {
            "server": key,
            "worker": world.number,
            "state": "no answer" if directory.down else "answers",
            "cause": directory.down,
            "lookups": directory.tally.lookups,
            "not_found": directory.tally.not_found,
            "ambiguous": directory.tally.ambiguous,
            "expanded": directory.tally.expanded,
            "searches": directory.tally.searches,
            "remembered": len(directory.memory),
        }
        for key, directory in _directories(world)
    ]


async def flush(world: World, server: str) -> int:
    """Forget what the directories said, of one virtual server or of all; how many answers those were."""
    forgotten = 0
    for key, directory in _directories(world):
        if server in ("", key):
            count = directory.flush()
            forgotten += count
            world.emit(EVENTS.directory_flushed, server=key, count=count)
    return forgotten


def _directories(world: World) -> list[tuple[str, Directory]]:
    found = ((key, server.parts.current.rules.directory) for key, server in world.servers.items())
    return [(key, directory) for key, directory in found if directory is not None]


DIRECTORY_INQUIRIES: dict[str, Callable[..., Awaitable[object]]] = {"ldap.status": status, "ldap.flush": flush}
