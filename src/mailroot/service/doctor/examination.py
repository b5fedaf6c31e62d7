"""The examination: one table of checks, each bounded in time, each on its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass

from mailroot.mail.faults import Fault
from mailroot.service.doctor import disk, folders, identity, listening, logs, machine, openness, queue, sound, ways
from mailroot.service.doctor.finding import Check, Finding, Patient, State, fault, warning


@dataclass(frozen=True, slots=True)
class Row:
    """One check: its name, what it looks at, and how long it may take in seconds."""

    name: str
    sentence: str
    check: Check
    patience: float = 20.0


CHECKS: tuple[Row, ...] = (
    Row("settings", "What the settings name can be used: certificates, accounts, files.", sound.check),
    Row("service", "The service runs, with all its workers and virtual servers.", listening.service),
    Row("ports", "Every binding answers with a greeting, or is free for the service to take.", listening.ports),
    Row(
        "names", "The server's name is one that other servers can look up, and its address has a name.", identity.names
    ),
    Row("certificates", "Certificates are for the right names, and last.", identity.certificates),
    Row("clock", "The clock is right, and something keeps it so.", machine.clock),
    Row("limits", "The process may open as many files as its connections need.", machine.limits),
    Row("folders", "The service's account may use its folders, and not everybody may.", folders.check),
    Row("logs", "The database of a protocol log is reached, and has the table.", logs.check),
    Row("disk", "The queue lies where a sync holds, and a sync takes as long as one does.", disk.check),
    Row("room", "There is room for mail, logs and files.", disk.rooms),
    Row("dns", "Names of other domains can be looked up.", ways.dns),
    Row("smart hosts", "Every smart host takes us: connection, TLS, sign-in, a transaction.", ways.smart_hosts, 120.0),
    Row("reach", "Servers of other domains can be reached on their port.", ways.reach, 60.0),
    Row("relay", "Strangers cannot relay, by no trick that is known.", openness.check, 60.0),
    Row("queue", "Mail does not wait for long, and nothing lies in Badmail.", queue.check),
)


async def examine(patient: Patient, only: Collection[str], tell: Callable[[str, Finding], None]) -> bool:
    """Make all checks, or `only` those of these names; whether there was no fault. Each finding is told at once."""
    sound = True
    try:
        for row in CHECKS:
            if only and row.name not in only:
                continue
            async for finding in _findings(row, patient):
                sound = sound and finding.state is not State.FAULT
                tell(row.name, finding)
    finally:
        await patient.lookups.close()
    return sound


async def _findings(row: Row, patient: Patient) -> AsyncIterator[Finding]:
    """The findings of a check; what stops it is one too."""
    checking = row.check(patient)
    until = asyncio.get_running_loop().time() + row.patience
    while True:
        try:
            async with asyncio.timeout_at(until):
                finding = await anext(checking)
        except StopAsyncIteration:
            return
        except TimeoutError:
            yield warning(row.name, f"it did not end within {row.patience:g} seconds", "try again when less is to do")
            return
        except Fault as found:
            yield fault(row.name, str(found), "mend that, and try again")
            return
        except Exception as mistake:  # the outermost frame of a check: the others are made all the same
            yield warning(row.name, f"it could not be made: {mistake!r}", "please report this mistake of the program")
            return
        yield finding
