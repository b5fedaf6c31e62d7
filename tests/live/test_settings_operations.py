"""Settings as operations of a running service: one writer, revisions with authors, conflicts, the way back."""

import getpass
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from mailroot.edge.control import Refused, ask
from tests.live.running import Service, running, service, until

SIZE, SESSION = "servers.default.messages.size_limit", "servers.default.messages.session_limit"


def change(service: Service, values: dict[str, object], **more: object) -> dict[str, Any]:
    result: dict[str, Any] = ask(service.file, "settings.change", {"values": values, **more})
    return result


def value(service: Service, path: str) -> object:
    rows = service.ask("settings", "get", path)
    return rows[0]["value"]


def test_several_options_change_in_one_step_and_the_file_keeps_its_comments(tmp_path: Path) -> None:
    with running(tmp_path, "\n# a word at the end\n", workers=2) as service:
        answer = change(service, {SIZE: "20MB", SESSION: "40MB"})
        assert sorted(answer["applied"]) == sorted([SIZE, SESSION])
        assert "# a word at the end" in service.file.read_text()
        with service.connect() as client:
            client.ehlo()
            assert client.esmtp_features["size"] == str(20 << 20)
        assert service.ask("status")["revision"] == answer["revision"] == 2


def test_all_problems_come_at_once_beside_their_paths(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        before = service.file.read_text()
        with pytest.raises(Refused) as refused:
            change(service, {SIZE: "many", "service.workers": "x"})
        assert {row["path"] for row in refused.value.problems} == {SIZE, "service.workers"}
        with pytest.raises(Refused) as refused:
            change(service, {SIZE: "99MB"})
        assert [row["path"] for row in refused.value.problems] == [SESSION]
        typed = service.run("set", SIZE, "99MB", "--json", check=False)
        assert typed.returncode == 2
        assert [row["path"] for row in json.loads(typed.stdout)["problems"]] == [SESSION]
        assert service.file.read_text() == before


def test_every_way_to_change_the_file_is_a_revision_with_its_author(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.run("set", SIZE, "3MB")
        service.run("domain", "add", "a.example", "type=alias")
        service.file.write_text(service.file.read_text() + "\n[servers.default.pickup]\nenabled = false\n")
        service.run("settings", "reload")
        rows = service.ask("settings", "history")
        me = getpass.getuser()
        assert [(row["revision"], row["by"], row["operation"]) for row in rows] == [
            (4, me, "edit"),
            (3, me, "domain.add"),
            (2, me, "settings.change"),
            (1, "somebody with an editor", "edit"),
        ]
        assert rows[0]["changed"] == ["servers.default.pickup.enabled"]
        assert rows[2]["changed"] == [SIZE]
        (difference,) = service.ask("settings", "difference", "2")
        assert difference == {"path": SIZE, "old": '"2048KB"', "new": '"3072KB"', "counts": "new sessions"}


def test_a_newer_change_of_the_same_is_refused_with_its_author_and_time(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        base = ask(service.file, "settings.get", {"key": SIZE})["revision"]
        change(service, {SIZE: "3MB"}, base=base)
        with pytest.raises(Refused) as refused:
            change(service, {SIZE: "4MB"}, base=base)
        assert refused.value.kind == "conflict"
        assert f"in revision {base + 1}, by {getpass.getuser()} at 20" in str(refused.value)
        assert value(service, SIZE) == "3MB"
        change(service, {SESSION: "50MB"}, base=base)  # nobody changed that


def test_an_undo_puts_back_what_one_revision_changed_and_nothing_else(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        change(service, {SIZE: "3MB"})
        service.run("domain", "add", "a.example")
        assert service.ask("settings", "undo", "2")["applied"] == [SIZE]
        assert "size_limit" not in service.file.read_text()
        assert "a.example" in service.file.read_text()
        change(service, {SIZE: "5MB"})
        refused = service.run("settings", "undo", "4", check=False)
        assert refused.returncode == 1
        assert "in revision 5" in refused.stderr
        assert service.ask("settings", "undo")["revision"] == 6
        assert service.ask("settings", "undo", "3")["changed"]
        assert "a.example" not in service.file.read_text()


def test_writers_at_the_same_moment_lose_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        names = [f"d{number}.example" for number in range(6)]
        threads = [threading.Thread(target=service.run, args=("domain", "add", name)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        rows = service.ask("domain", "list")
        assert set(names) <= {row["domain"] for row in rows}
        assert [row["revision"] for row in service.ask("settings", "history")] == [7, 6, 5, 4, 3, 2, 1]


def test_no_secret_is_in_any_answer_or_record(tmp_path: Path) -> None:
    more = '\n[servers.default.delivery.security]\npassword = "first-secret"\n'
    with running(tmp_path, more) as service:
        security = "servers.default.delivery.security"
        change(service, {f"{security}.password": "second-secret", f"{security}.username": "me"})
        change(service, {"delivery.security.password": "third-secret"}, server="default")
        said = [
            service.run(*words).stdout
            for words in (
                ("settings", "get"),
                ("settings", "get", "--json"),
                ("settings", "history", "--json"),
                ("settings", "difference", "3", "--from", "1"),
                ("audit", "list", "--json"),
            )
        ]
        # Octets: among the files are traces and past figures.
        written = [path.read_bytes() for path in (tmp_path / "Logs").rglob("*") if path.is_file()]
        text = b"".join([*(one.encode() for one in said), *written])
        assert not [secret for secret in (b"first-secret", b"second-secret", b"third-secret") if secret in text]
        assert "third-secret" in service.file.read_text()


def test_a_domain_is_changed_by_name_and_its_list_tells(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        ask(service.file, "domain.add", {"name": "b.example", "options": {"relay": True, "route": "mx.example:26"}})
        row = ask(service.file, "domain.list", {})[1]
        assert (row["domain"], row["type"], row["goes_to"], row["options"]) == (
            "b.example",
            "remote",
            "mx.example:26",
            ["relay=true"],
        )
        ask(service.file, "domain.change", {"name": "b.example", "options": {"relay": "false"}})
        ask(service.file, "domain.rename", {"name": "b.example", "new": "c.example"})
        ask(service.file, "domain.remove", {"name": "c.example"})
        assert [row["domain"] for row in ask(service.file, "domain.list", {"server": "default"})] == ["local.test"]
        with pytest.raises(Refused, match="no such domain"):
            ask(service.file, "domain.remove", {"name": "c.example"})


def test_a_configuration_is_taken_by_a_running_service_and_can_be_undone(tmp_path: Path) -> None:
    other = service(tmp_path / "other", '\n[servers.default.domains."more.test"]\ntype = "alias"\n')
    other.file.write_text(other.settings)
    copy = tmp_path / "copy.toml"
    other.run("config", "export", str(copy))
    with running(tmp_path / "here") as one:
        before = one.file.read_text()
        refused = one.run("config", "import", str(copy), check=False)
        assert refused.returncode == 1
        assert "there are settings already" in refused.stderr
        answer = one.ask("config", "import", str(copy), "--force", "--adapt", "service.workers=2")
        assert answer["restarted"] is True
        assert [row["path"] for row in answer["adapted"]] == ["service.workers"]
        assert len(one.workers()) == 2
        one.port, first = other.port, one.port
        one.send("x@more.test")
        until(one.dropped, "a message to the domain that came along")
        assert one.ask("settings", "history")[0]["operation"] == "config.import"
        one.run("settings", "undo")
        assert one.file.read_text() == before
        one.run("service", "restart")
        one.port = first
        one.send()
        until(lambda: len(one.dropped()) == 2, "a message to the former port")


def test_the_status_can_be_asked_without_a_file(tmp_path: Path) -> None:
    with running(tmp_path) as one:
        one.run("settings", "change", "service.workers=2")
        assert one.ask("status")["needs_restart"] == ["service.workers"]
        one.file.rename(tmp_path / "away.toml")
        assert one.ask("status")["needs_restart"] == []
        (tmp_path / "away.toml").rename(one.file)
