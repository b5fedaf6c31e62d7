"""`mailroot top`: what it shows of two answers, in any room; on a terminal until q, in JSON for programs."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mailroot.cli.main import main
from mailroot.cli.topview import heading, sheets, span, with_rates
from tests.cli.fakeservice import fake_service

ROOT = Path(__file__).parents[2]


def server(name: str = "default", **other: Any) -> dict[str, Any]:
    """A virtual server as `overview` tells it."""
    levels = "inbound_connections_current outbound_connections_current queue_depth queue_age_seconds held_current"
    counts = "messages_received messages_delivered messages_sent recipients_deferred recipients_failed"
    return {
        "server": name,
        "state": "started",
        **dict.fromkeys(f"{levels} {counts} bytes_received bytes_sent".split(), 0),
        "refusals": {},
        **other,
    }


def overview(seconds: float, *servers: dict[str, Any], **other: Any) -> dict[str, Any]:
    """An answer."""
    return {
        "at": "2026-01-01T12:00:00.000+00:00",
        "seconds": seconds,
        "servers": list(servers),
        "destinations": [],
        "latest_refusals": [],
        **other,
    }


def test_what_grew_is_told_by_the_second() -> None:
    first = overview(100.0, server(messages_received=1_000))
    second = overview(102.0, server(messages_received=1_500, refusals={"relay": 3, "size": 1}), server("new"))
    assert with_rates(first, None)["servers"][0]["rates"]["in/s"] is None
    (known, new) = with_rates(second, first)["servers"]
    assert known["rates"]["in/s"] == 250.0 and known["rates"]["refused/s"] == 2.0
    assert new["rates"]["in/s"] is None
    assert with_rates(first, second)["servers"][0]["rates"]["in/s"] is None, "the service began anew"


MUCH = with_rates(
    overview(
        1.0,
        *[server(f"server-{number}", queue_depth=10**number) for number in range(9)],
        destinations=[
            {"server": "s", "destination": f"d{number}.example", "recipients": 5, "age_seconds": 7_300}
            for number in range(25)
        ],
        latest_refusals=[
            {
                "at": "2026-01-01T12:00:00",
                "address": "192.0.2.1",
                "recipient": "a\x1b[2Jb",
                "reply": "550 no",
                "sender": "",
            }
        ]
        * 20,
    ),
    None,
)


@pytest.mark.parametrize("width", [20, 40, 79, 80, 120, 300])
@pytest.mark.parametrize("height", [1, 5, 10, 24, 60])
def test_the_tables_fit_into_any_terminal(width: int, height: int) -> None:
    found = sheets(MUCH, width, height)
    assert sum(len(sheet.rows) + 2 for sheet in found) <= max(height, 3)
    for sheet in found:
        assert sum(column.width for column in sheet.columns) + 2 * (len(sheet.columns) - 1) <= max(width, 24)
        assert all(len(row) == len(sheet.columns) for row in sheet.rows)
        assert all(text.isprintable() for row in sheet.rows for text in row)
    assert heading(MUCH).isprintable()


def test_a_usual_terminal_shows_the_most_important() -> None:
    servers, destinations, refusals = sheets(MUCH, 120, 60)
    assert [column.name for column in servers.columns][:6] == [
        "server",
        "in/s",
        "queue",
        "sent/s",
        "drop/s",
        "sessions",
    ]
    assert len(destinations.rows) == 10 and destinations.rows[0][:3] == ("d0.example", "5", "2h")
    assert refusals.rows[0][2] == "a\\x1b[2Jb"
    assert [span(seconds) for seconds in (0, 59, 119, 120, 7_200, 200_000)] == ["0s", "59s", "119s", "2m", "2h", "2d"]


def test_programs_get_an_object_a_second(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mailroot.toml"
    file.write_text("")
    count = iter(range(100))

    def answer(*_: object) -> dict[str, Any]:
        number = next(count)
        return overview(float(number), server(messages_received=7 * number))

    with fake_service(file, answer):
        assert main(["top", "--json", "--count", "2", "--config", str(file)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["servers"][0]["rates"]["in/s"] for line in lines] == [None, 7.0]


def test_without_a_terminal_it_says_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "--config", str(tmp_path / "mailroot.toml")]) == 2
    assert "needs a terminal" in capsys.readouterr().err


def _read(terminal: int, wanted: bytes, seen: bytearray) -> None:
    """Read what is drawn until something stands there."""
    end = time.monotonic() + 40
    while wanted not in seen:
        assert time.monotonic() < end, bytes(seen)
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 65536)


@pytest.mark.parametrize("keys", [b"q", b"xyzQ", b""])
def test_it_is_drawn_until_somebody_ends_it(tmp_path: Path, keys: bytes) -> None:
    file = tmp_path / "mailroot.toml"
    file.write_text("")
    answer: Callable[..., Any] = lambda *_: overview(1.0, server("first-one"))  # noqa: E731
    terminal, theirs = pty.openpty()
    with fake_service(file, answer):
        process = subprocess.Popen(
            [sys.executable, "-m", "mailroot", "top", "--config", str(file)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            # Whoever runs the tests in the background has them ignore it, and so would their children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - one thread here
            env={**os.environ, "TERM": "xterm", "COLUMNS": "60", "LINES": "20", "PYTHONPATH": str(ROOT / "src")},
        )
        try:
            seen = bytearray()
            _read(terminal, b"first-one", seen)
            if keys:
                os.write(terminal, keys)
            else:  # what a terminal sends for Ctrl+C
                process.send_signal(signal.SIGINT)
            _read(terminal, b"\x1b[?1049l", seen)  # back from the whole screen
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait(10)
            os.close(theirs)
            os.close(terminal)
