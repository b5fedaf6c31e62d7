"""The protocol logs of one worker: one for each virtual server, with the sink that its settings ask for."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from mailroot.edge.protocollog.files import FilePlan, FileSink
from mailroot.edge.protocollog.forms import Site, form_of
from mailroot.edge.protocollog.log import FAREWELL, LogWriter, ProtocolLog, Sink
from mailroot.edge.protocollog.odbc import OdbcSink, database_of, require_odbc
from mailroot.mail.events import EVENTS, Emit, EventRow
from mailroot.settings.log import Log, LogFormat
from mailroot.settings.service import Settings

# What of our Message-IDs is the same in all that a worker makes (`mail.header`).
_MARK = 9


class ProtocolLogs:
    """Makes the logs and keeps them as the settings have them. `filler` is in every Message-ID of this worker."""

    def __init__(self, settings: Settings, filler: str, emit: Emit) -> None:
        self._loop = asyncio.get_running_loop()
        self._emit = emit
        self._writer = LogWriter()
        self._kept: dict[str, tuple[Site, Log]] = {}
        self._logs: dict[str, ProtocolLog] = {}
        for key in settings.servers:
            log = self._logs[key] = ProtocolLog(filler[:_MARK], self._telling(key, EVENTS.log_lost))
            self._writer.add(log)

    def __getitem__(self, key: str) -> ProtocolLog:
        return self._logs[key]

    def check(self, settings: Settings) -> None:
        """Raises `Fault` where a log cannot be kept as these settings have it."""
        if any(server.general.log.format is LogFormat.ODBC for server in settings.servers.values()):
            require_odbc()

    async def apply(self, settings: Settings) -> None:
        """Keep the logs as these settings have it, from now on; what was said before is written as it was to be."""
        for key, wanted in self._wanted(settings).items():
            sink = _sink(*wanted, self._telling(key, EVENTS.log_waits))
            await self._loop.run_in_executor(None, self._logs[key].use, sink)

    async def close(self, patience: float = FAREWELL) -> None:
        """Write what waits, and end; a database has `patience` seconds for it, and no more than usual.

        On return all losses have been told of: the loop hears of things in their turn.
        """
        await self._loop.run_in_executor(None, self._writer.close, min(patience, FAREWELL))

    def _wanted(self, settings: Settings) -> Mapping[str, tuple[Site, Log]]:
        """Where and how each server is logged, of those for which that has changed."""
        machine = socket.gethostname().partition(".")[0] or "localhost"
        found = {
            key: (Site(instance, machine, key), settings.servers[key].general.log)
            for key, instance in settings.instances.items()
            if key in self._logs
        }
        changed = {key: wanted for key, wanted in found.items() if self._kept.get(key) != wanted}
        self._kept.update(changed)
        return changed

    def _telling(self, key: str, row: EventRow) -> Callable[[int, str], None]:
        """Tells of a number of lines and a cause, in the loop."""

        def happened(count: int, cause: str) -> None:
            def tell() -> None:
                self._emit(row, server=key, count=count, cause=cause)

            try:
                self._loop.call_soon_threadsafe(tell)
            except RuntimeError:  # the loop has ended
                tell()

        return happened


def _sink(site: Site, log: Log, waits: Callable[[int, str], None]) -> Sink | None:
    if not log.enabled:
        return None
    if log.format is LogFormat.ODBC:
        return OdbcSink(database_of(log), site, waits)
    plan = FilePlan(
        folder=Path(log.directory) / site.instance,
        period=log.period,
        local=log.local_time,
        limit=log.size,
        keep_days=log.keep_days,
        keep_files=log.keep_files,
    )
    return FileSink(form_of(log.format, log.fields, site), plan)
