"""Schemathesis reads the description of REST and tries a real service with it: what fits and what does not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.administering import administering

# Not asked of it: that all which fits the description is accepted. Whether a name is free, a filter has a sense or a
# duration is one, no schema says; the answer is 422 with a row for each, which is described.
_UNASKED = "positive_data_acceptance"
# What would take the service from under the tests: other settings, with which it listens elsewhere; a server that is
# stopped; the token that asks.
_LEFT_OUT = (
    *("config.import", "settings.change", "settings.undo", "service.stop", "service.restart"),
    *("server.stop", "server.delete", "token.revoke"),
)
# These wait for a second, to have figures of it: many cases would take minutes.
_SLOW = ("counters", "overview")


@pytest.mark.timeout(900)
def test_schemathesis_finds_no_fault(tmp_path: Path) -> None:
    with administering(tmp_path) as site:
        left_out = [word for name in _LEFT_OUT + _SLOW for word in ("--exclude-operation-id", name)]
        run = subprocess.run(
            [
                *(str(Path(sys.executable).with_name("schemathesis")), "run"),
                f"http://127.0.0.1:{site.port}/api/v1/openapi.json",
                *("--header", f"Authorization: Bearer {site.token}"),
                *("--checks", "all", "--exclude-checks", _UNASKED, "--phases", "coverage,fuzzing"),
                *("--max-examples", "2", "--request-retries", "3", "--request-timeout", "60"),
                *("--seed", "1", "--generation-deterministic", "--no-color"),
                *("--no-shrink", "--warnings", "off", *left_out),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=800,
            check=False,
        )
        assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
        assert "Test cases:" in run.stdout
        assert site.ask("GET", "/api/v1/status")[0] == 200
        assert site.service.errors() == ""
        assert site.service.events("task_failed") == []
