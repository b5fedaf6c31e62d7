"""Findings of the doctor, and whom it examines."""

import enum
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mailroot.edge.probes.rights import Account
from mailroot.service.doctor.lookups import Lookups
from mailroot.settings.service import Settings


class State(enum.Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: about what, how it is, and what to do where it is not well."""

    subject: str
    state: State
    said: str
    mend: str = ""


def ok(subject: str, said: str) -> Finding:
    """All is well."""
    return Finding(subject, State.OK, said)


def warning(subject: str, said: str, mend: str) -> Finding:
    """It works, and it might not one day, or does not do all that is expected."""
    return Finding(subject, State.WARNING, said, mend)


def fault(subject: str, said: str, mend: str) -> Finding:
    """Mail is not taken, not delivered, not safe, or taken from people who should not be heard."""
    return Finding(subject, State.FAULT, said, mend)


Ask = Callable[[str, Mapping[str, object]], Any]
"""Asks the running service an operation; raises `Fault`."""


@dataclass(frozen=True, slots=True)
class Patient:
    """The service that is examined. `status` is its own answer to `status`, None where it does not run."""

    settings: Settings
    account: Account
    status: Mapping[str, Any] | None
    ask: Ask
    now: datetime
    lookups: Lookups = field(default_factory=Lookups)

    @property
    def bindings(self) -> list[tuple[str, int]]:
        """Every address and port on which the service listens."""
        servers = self.settings.servers.values()
        return [(one.address, one.port) for server in servers for one in server.general.listening]

    def listeners(self, key: str) -> list[str]:
        """Where a virtual server listens, as the running service says; none where it does not run or is stopped."""
        rows = self.status["servers"] if self.status is not None else []
        return [text for row in rows if row["key"] == key and row["state"] == "started" for text in row["bindings"]]


Check = Callable[[Patient], AsyncIterator[Finding]]
