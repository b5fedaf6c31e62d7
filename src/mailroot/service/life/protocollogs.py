"""The protocol logs of one worker: one for each virtual server, with the sink that its settings ask for."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from mailroot.edge.protocollog.files import FilePlan, FileSink
from mailroot.edge.protocollog.forms import Site, form_of
from mailroot.edge.protocollog.log import LogWriter, ProtocolLog, Sink
from mailroot.edge.protocollog.odbc import Database, OdbcSink, require_odbc
from mailroot.mail.events import EVENTS, Emit
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
            log = self._logs[key] = ProtocolLog(filler[:_MARK], self._told(key))
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
            await self._loop.run_in_executor(None, self._logs[key].use, _sink(*wanted))

    def close(self) -> None:
        """Write what waits, and end."""
        self._writer.close()

    def _wanted(self, settings: Settings) -> Mapping[str, tuple[Site, Log]]:
        """Where and how each server is logged, of those for which that has changed."""
        machine = socket.gethostname().partition(".")[0] or "localhost"
        found = {
            key: (Site(f"SMTPSVC{number}", machine, key), server.general.log)
            for number, (key, server) in enumerate(settings.servers.items(), 1)
            if key in self._logs
        }
        changed = {key: wanted for key, wanted in found.items() if self._kept.get(key) != wanted}
        self._kept.update(changed)
        return changed

    def _told(self, key: str) -> Callable[[int, str], None]:
        """Tells of losses, in the loop."""

        def lost(count: int, cause: str) -> None:
            def tell() -> None:
                self._emit(EVENTS.log_lost, server=key, count=count, cause=cause)

            try:
                self._loop.call_soon_threadsafe(tell)
            except RuntimeError:  # the loop has ended
                tell()

        return lost


def _sink(site: Site, log: Log) -> Sink | None:
    if not log.enabled:
        return None
    if log.format is LogFormat.ODBC:
        return OdbcSink(Database(log.odbc_source, log.odbc_table, log.odbc_username, log.odbc_password), site)
    plan = FilePlan(
        folder=Path(log.directory) / site.instance,
        period=log.period,
        local=log.local_time,
        limit=log.size,
        keep_days=log.keep_days,
        keep_files=log.keep_files,
    )
    return FileSink(form_of(log.format, log.fields, site), plan)
