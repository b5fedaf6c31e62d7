"""The record of changes holds no secret, whatever was mistyped, and is read to its end and no further."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mailroot.admin.operations import CHANGES, SECRETS
from mailroot.edge.auditlog import AuditLog
from mailroot.mail.by import By
from mailroot.service.life.audit import Audit, Recorded

SECRET = "sesame-open"
BY = By("ann", "rest", "192.0.2.1")
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def recording(folder: Path) -> tuple[Audit, AuditLog, list[Any]]:
    log, events = AuditLog(str(folder / "audit"), lambda: NOW), []
    audit = Audit(Recorded(CHANGES, SECRETS), lambda: lambda row, **fields: events.append(fields), lambda: log)
    return audit, log, events


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("settings.change", {"values": {"servers.a.outbound.oauth2.client_secret": SECRET}}),
        ("settings.change", {"values": {"servers.a.outbound.pasword": SECRET}}),
        ("settings.change", {"values": {"servers.a.outbound.password ": SECRET}}),
        ("settings.change", {"values": {"servers.a.outbound": {"deep": [{"password": SECRET}]}}}),
        ("settings.change", {"server": "a", "values": {"outbound": {"password": SECRET}}}),
        ("domain.add", {"name": "x.test", "options": {"secrt": SECRET}}),
        ("domain.add", {"name": "x.test", "options": ["type=alias", SECRET]}),
        ("config.import", {"text": f'[servers.a.outbound]\npassword = "{SECRET}"\n', "adapt": {"x": SECRET}}),
        ("operator.add", {"name": "bob", "password": SECRET}),
    ],
)
async def test_no_secret_is_recorded_wherever_it_stands(tmp_path: Path, operation: str, arguments: Any) -> None:
    audit, _, events = recording(tmp_path)
    outcome = f"something = {SECRET!r}: no such option"
    if operation == "config.import":
        outcome = "there are settings already"
    await audit.changed(operation, arguments, BY, outcome)
    (file,) = (tmp_path / "audit").iterdir()
    assert SECRET not in file.read_text()
    assert SECRET not in json.dumps(events)
    assert events[0]["who"] == "ann"


async def test_what_is_no_secret_is_recorded(tmp_path: Path) -> None:
    audit, log, _ = recording(tmp_path)
    values = {"servers.a.general.connection_limit": 5, "servers.a.domains.x": None}
    await audit.changed("settings.change", {"values": values, "base": 3}, BY, "done")
    (row,), following = log.page("", 10, lambda _: True)
    assert row["arguments"] == {"values": values, "base": 3}
    assert following == ""


def test_a_cursor_behind_the_end_is_the_end(tmp_path: Path) -> None:
    log = AuditLog(str(tmp_path), lambda: NOW)
    log.append({"operation": "x"})
    rows, following = log.page(f"202611:{10**18}", 10, lambda _: True)
    assert [row["operation"] for row in rows] == ["x"]
    assert following == ""
