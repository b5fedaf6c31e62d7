"""The protocol logs of a worker: nothing is lost without a word, at the end neither."""

from pathlib import Path
from typing import Any

import pytest

from mailroot.edge.settingsfile import SettingsFile
from mailroot.mail.events import EventRow
from mailroot.service.life.protocollogs import ProtocolLogs
from mailroot.settings.service import Settings
from tests.edge.protocollog.test_odbc import driver  # noqa: F401 - a fixture
from tests.live.running import SETTINGS


class Emitted(list[tuple[str, dict[str, Any]]]):
    """The events, in their order."""

    def __call__(self, row: EventRow, **fields: object) -> None:
        self.append((row.name, dict(fields)))


def settings(folder: Path, log: str = "") -> Settings:
    file = folder / "mailroot.toml"
    file.write_text(SETTINGS.format(workers=1, port=2525) + f"\n[servers.default.general.log]\n{log}\n")
    file.chmod(0o600)
    loaded = SettingsFile(file).load()
    assert isinstance(loaded, Settings), loaded
    return loaded


async def said_and_ended(made: Settings) -> Emitted:
    """What is emitted until the logs have ended, which is when the events end too."""
    emitted = Emitted()
    logs = ProtocolLogs(made, "FILLER", emitted)
    await logs.apply(made)
    visit = logs["default"].visit("s1", "192.0.2.1", str)
    visit.tell(b"220 x\r\n")
    for _ in range(3):
        visit.journal.append(b"NOOP")
        visit.tell(b"250 OK\r\n")
    await logs.close()
    return emitted.copy()  # type: ignore[return-value]


async def test_lines_that_no_file_takes_are_told_of_before_the_end(tmp_path: Path) -> None:
    (tmp_path / "Logs").mkdir()
    (tmp_path / "Logs" / "SMTPSVC1").touch()
    ((name, fields),) = await said_and_ended(settings(tmp_path))
    assert (name, fields["server"], fields["count"]) == ("log_lost", "default", 3)
    assert fields["cause"].endswith("SMTPSVC1: Not a directory")


@pytest.mark.parametrize("source", ["Driver={driver};Database={folder}/log.db", "no such source"])
async def test_rows_that_no_database_takes_are_told_of_before_the_end(
    tmp_path: Path,
    driver: str,  # noqa: F811
    source: str,
) -> None:
    place = source.format(driver=driver, folder=tmp_path)
    told = await said_and_ended(settings(tmp_path, f'format = "odbc"\nodbc_source = "{place}"'))
    name, fields = told[-1]
    assert (name, fields["server"], fields["count"]) == ("log_lost", "default", 3)
    assert "no such table" in fields["cause"] or "Data source name not found" in fields["cause"]
