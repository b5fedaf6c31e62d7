"""The machine: its clock, and what it allows a process."""

import os
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from mailroot.edge.probes.clockstate import clock_state
from mailroot.edge.process import most_descriptors
from mailroot.service.doctor.finding import Finding, Patient, fault, ok, warning

# No message was ever sent by this version before it was written.
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
_MOST_APART, _MOST_ERROR = 2.0, 5.0
_SPARE = 256


async def clock(patient: Patient) -> AsyncIterator[Finding]:
    """The clock, by itself, by the system and by the disk."""
    keep = "install and start a time service: chrony, systemd-timesyncd, ntpsec"
    if patient.now < _EARLIEST:
        yield fault("clock", f"it says {patient.now:%Y-%m-%d}, which is past; reports and TLS go wrong", keep)
        return
    state = clock_state()
    if state is None:
        yield warning("clock", "the system does not tell whether it is synchronised", keep)
    elif not state.synchronised:
        yield warning("clock", "nothing keeps it right, as far as the system knows (adjtimex)", keep)
    elif state.error > _MOST_ERROR:
        yield warning("clock", f"it is synchronised, but may be wrong by {state.error:.0f} seconds", keep)
    else:
        yield ok("clock", f"synchronised, wrong by {state.error:.3f} seconds at most")
    for key, server in patient.settings.servers.items():
        apart = _apart(server.home)
        if apart is not None and apart > _MOST_APART:
            said = f"the file system of {server.home} is {apart:.0f} seconds apart from the machine"
            yield warning(key, said, "synchronise the clock of the file server with this machine's")


def _apart(folder: str) -> float | None:
    """By how much the clock of a file system differs; None where no file can be made there."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
            before = time.time()
            os.utime(file.fileno())
            touched = Path(file.name).stat().st_mtime
            return max(before - touched, touched - time.time(), 0.0)
    except OSError:
        return None


async def limits(patient: Patient) -> AsyncIterator[Finding]:
    """Open files: a connection in or out needs one."""
    most = most_descriptors()
    for key, server in patient.settings.servers.items():
        wanted = server.general.connection_limit + server.delivery.connection_limit + _SPARE
        if most < wanted:
            said = f"a worker may open {most} files, the limits of its connections add up to {wanted}"
            yield warning(key, said, f"raise it: ulimit -n {wanted}, or LimitNOFILE={wanted} in the unit")
        else:
            yield ok(key, f"a worker may open {most} files")
