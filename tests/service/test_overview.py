"""The service at a glance for those who may see some virtual servers: what is cut, is cut of theirs."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mailroot.mail.events import EVENTS
from mailroot.service.measure.latest import LatestRefusals
from mailroot.service.measure.reading import Waiting
from mailroot.service.views import overview

BUSY, QUIET = "busy", "quiet"


class Figures:
    """A reading in which one virtual server has far more than all that is shown."""

    at = 1.0
    counts = {BUSY: Counter[int](), QUIET: Counter[int]()}  # noqa: RUF012
    waiting = {  # noqa: RUF012
        BUSY: [Waiting(f"d{number}.example.com", 1000 - number, 1.0) for number in range(100)],
        QUIET: [Waiting("quiet.example.net", 1, 2.0)],
    }

    def level(self, key: str, name: str) -> int:
        return 0

    def count(self, key: str, name: str) -> int:
        return 0

    async def read(self) -> "Figures":
        return self


class Told:
    """The supervisor's memory."""

    settings = SimpleNamespace(servers={BUSY: SimpleNamespace(name="Busy"), QUIET: SimpleNamespace(name="Quiet")})
    started = datetime(2026, 1, 1, tzinfo=UTC)
    running = {0: None}  # noqa: RUF012
    states: dict[str, str] = {}  # noqa: RUF012

    async def ask_all(self, what: str) -> list[list[dict[str, Any]]]:
        rows = [{"server": BUSY, "at": f"2026-01-02T00:00:{number:02}"} for number in range(60)]
        return [[*rows, {"server": QUIET, "at": "2026-01-01T00:00:00"}]]


@pytest.mark.parametrize(
    ("among", "destinations", "refusals", "servers"),
    [
        (None, (BUSY, 25), (BUSY, 20), [BUSY, QUIET]),
        ([QUIET], (QUIET, 1), (QUIET, 1), [QUIET]),
        ([BUSY, QUIET], (BUSY, 25), (BUSY, 20), [BUSY, QUIET]),
        ([], None, None, []),
    ],
)
async def test_what_is_cut_is_cut_of_ones_own_servers(
    monkeypatch: pytest.MonkeyPatch, among: list[str] | None, destinations: Any, refusals: Any, servers: list[str]
) -> None:
    monkeypatch.setattr(overview, "reader_of", lambda _: Figures())
    asked = overview.Overview(Told()).operations["overview"]  # type: ignore[arg-type]
    shown: Any = await asked({} if among is None else {"among": among})
    for name, wanted in (("destinations", destinations), ("latest_refusals", refusals)):
        rows = shown[name]
        assert (rows[0]["server"], len(rows)) == wanted if wanted else rows == []
    assert [row["server"] for row in shown["servers"]] == servers


def test_the_refusals_of_one_virtual_server_do_not_push_out_anothers() -> None:
    kept = LatestRefusals()
    take = kept.listener(EVENTS.refused)
    assert take is not None
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    take(begun, EVENTS.refused, {"server": QUIET})
    for number in range(200):
        take(begun + timedelta(seconds=number + 1), EVENTS.refused, {"server": BUSY, "session": str(number)})
    rows = kept.rows()
    assert len(rows) == 51
    assert (rows[0]["session"], rows[-1]["server"]) == ("199", QUIET)
