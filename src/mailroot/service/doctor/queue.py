"""The queue: how long mail waits. And Badmail: whether something lies there."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from mailroot.service.doctor.finding import Finding, Patient, ok, warning

_OLD = 4 * 3600.0
_LONG = "./mailroot queue list shows why; mend it, then ./mailroot queue retry --all"


async def check(patient: Patient) -> AsyncIterator[Finding]:
    """The age of each queue, and what lies in Badmail."""
    for key, server in patient.settings.servers.items():
        if patient.status is not None:
            yield await _waiting(patient, key)
        kept = sum(1 for path in Path(server.messages.badmail).glob("*.BAD") if path.suffix == ".BAD")
        if kept:
            said = f"{kept} message(s) lie in {server.messages.badmail}"
            yield warning(
                f"{key} Badmail", said, "read the .BDR beside each; remove them, or send them again by Pickup"
            )


async def _waiting(patient: Patient, key: str) -> Finding:
    rows: list[dict[str, Any]] = await asyncio.to_thread(patient.ask, "counters", {"server": key})
    values = {row["counter"]: row["value"] or 0 for row in rows}
    depth, age = values["queue_depth"], float(values["queue_age_seconds"])
    if not depth:
        return ok(key, "nothing waits")
    said = f"{depth} recipient(s) wait, the oldest since {age / 3600:.1f} hours"
    return warning(key, said, _LONG) if age > _OLD else ok(key, said)
