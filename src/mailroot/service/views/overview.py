"""The service at a glance: what somebody sees first, and what `mailroot top` shows again and again."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from mailroot.mail.counters.families import REFUSALS
from mailroot.mail.counters.layout import FAMILY_SLOTS
from mailroot.service.life.queuelisting import AMONG
from mailroot.service.life.state import State
from mailroot.service.measure.reader import reader_of
from mailroot.service.measure.reading import Reading

Arguments = Mapping[str, Any]

# What grows; whoever asks twice knows how fast.
COUNTS = (
    *("messages_received", "messages_delivered", "messages_sent", "recipients_deferred", "recipients_failed", "ndrs"),
    *("bytes_received", "bytes_sent", "inbound_connections", "outbound_connections"),
)
LEVELS = (
    *("inbound_connections_current", "outbound_connections_current", "queue_depth", "queue_age_seconds"),
    *("undeliverable_current", "held_current"),
)
_MOST_DESTINATIONS, _MOST_REFUSALS = 25, 20


class Overview:
    """Serves `overview`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.operations: dict[str, Callable[[Arguments], Awaitable[object]]] = {"overview": self._overview}

    async def _overview(self, arguments: Arguments) -> object:
        """Of these virtual servers alone, where the arguments say among which: what is cut comes after that."""
        state = self._state
        among = arguments.get(AMONG, state.settings.servers)
        servers = [key for key in state.settings.servers if key in among]
        reading = await reader_of(state).read()
        told = [row for answer in await state.ask_all("refusals") for row in answer]
        refusals = told if AMONG not in arguments else [row for row in told if row["server"] in servers]
        refusals.sort(key=lambda row: str(row["at"]), reverse=True)
        return {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "seconds": reading.at,
            "started": state.started.isoformat(timespec="seconds"),
            "workers": len(state.running),
            "servers": [self._server(reading, key) for key in servers],
            "destinations": _destinations(reading, servers),
            "latest_refusals": refusals[:_MOST_REFUSALS],
        }

    def _server(self, reading: Reading, key: str) -> dict[str, object]:
        cells = reading.counts[key]
        return {
            "server": key,
            "name": self._state.settings.servers[key].name,
            "state": self._state.states.get(key, ""),
            **{name: reading.level(key, name) for name in LEVELS},
            **{name: reading.count(key, name) for name in COUNTS},
            "refusals": {value: cells[slot] for value, slot in FAMILY_SLOTS[REFUSALS.name].items() if cells[slot]},
        }


def _destinations(reading: Reading, servers: list[str]) -> list[dict[str, object]]:
    """For whom most waits."""
    rows: list[dict[str, Any]] = [
        {"server": key, "destination": one.destination, "recipients": one.depth, "age_seconds": round(one.age)}
        for key in servers
        for one in reading.waiting.get(key, ())
    ]
    return sorted(rows, key=lambda row: -row["recipients"])[:_MOST_DESTINATIONS]
