"""What a service manager is told of us: that we are ready, reload, end, and are still alive (sd_notify(3)).

Without such a manager nothing is told, and nothing fails where it does not listen.
"""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import MutableMapping
from dataclasses import dataclass

_OURS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@dataclass(frozen=True, slots=True)
class Notices:
    """The way to the manager that started us; "" where there is none. `patience` is the watchdog's, in seconds."""

    address: str = ""
    patience: float = 0.0

    @classmethod
    def taken(cls, environment: MutableMapping[str, str]) -> "Notices":
        """The way that the environment names; it is taken out of it, for it is not meant for our children."""
        address, microseconds, pid = (environment.pop(name, "") for name in _OURS)
        watched = microseconds.isdigit() and pid in ("", str(os.getpid()))
        return cls(address if address[:1] in ("/", "@") else "", int(microseconds) / 1e6 if watched else 0.0)

    def ready(self, status: str) -> None:
        """All of it works: at the start, and once a reload is done. `status` is a line for people."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """New settings are being read; `ready` comes next."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1", "STATUS=ends: transactions under way are finished")

    async def keep_alive(self) -> None:
        """Say again and again that the event loop turns: a manager that hears nothing for its patience restarts us."""
        while self.patience:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self.patience / 3)

    def _tell(self, *lines: str) -> None:
        if not self.address:
            return
        path = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.setblocking(False)
            one.sendto("\n".join(lines).encode(), path)
