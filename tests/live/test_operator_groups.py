"""Groups of the machine as operators at a real service's control socket; rights at servers that are deleted."""

import contextlib
import json
import os
import pwd
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailroot.edge.control import Refused, ask, control_path
from mailroot.mail.faults import Fault
from tests.live.running import Service, free_port, running, until

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another account")

OTHER = """
[servers.other]
name = "Other"
home = "Other"
general.bindings = ["127.0.0.1:{port}"]
delivery.fqdn = "other.local.test"
"""
PASSWORD = "a long enough password"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account may go through, as the one of a service is whose socket others use."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")) as made:
        Path(made).chmod(0o711)
        yield Path(made)


@contextlib.contextmanager
def account(name: str) -> Iterator[None]:
    """Be this account, as far as the system asks."""
    entry = pwd.getpwnam(name)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def as_nobody(service: Service, operation: str, **arguments: object) -> Any:
    """What an account answers with that is in one group only, nogroup."""
    with account("nobody"):
        return ask(service.file, operation, arguments, 60)


def mode(service: Service) -> int:
    return stat.S_IMODE(control_path(service.file).stat().st_mode)


def audit(service: Service) -> list[tuple[str, str]]:
    return [(row["operation"], row["who"]) for row in service.ask("audit", "list")]


@only_root
def test_members_of_a_group_do_what_its_role_may_until_it_is_taken_away(folder: Path) -> None:
    with running(folder, OTHER.format(port=free_port())) as service:
        assert mode(service) == 0o600
        with pytest.raises(Refused, match="a group that is an operator"):
            as_nobody(service, "status")
        service.run("operator", "add", "--group", "nogroup", "--role", "operator", "--server", "default")
        assert mode(service) == 0o666
        assert [row["key"] for row in as_nobody(service, "server.list")] == ["default"]
        as_nobody(service, "server.pause", server="default")
        assert ("server.pause", "nobody (group nogroup)") in audit(service)
        assert service.ask("audit", "list", "--who", "nobody")[0]["operation"] == "server.pause"
        for operation, arguments in (
            ("server.pause", {"server": "other"}),
            ("operator.list", {}),
            ("settings.change", {"values": {}}),
            ("queue.export", {"all": True, "to": str(folder)}),
        ):
            with pytest.raises(Refused) as refused:
                as_nobody(service, operation, **arguments)
            assert refused.value.kind == "forbidden"
        until(lambda: service.events("operator_refused")[3:], "the events")
        assert {row["who"] for row in service.events("operator_refused")} == {"nobody (group nogroup)"}
        listed = [(row["name"], row["kind"], row["role"]) for row in service.ask("operator", "list")]
        assert listed == [("nogroup", "group", "operator")]
        service.run("operator", "role", "--group", "nogroup", "--role", "viewer")
        assert len(as_nobody(service, "server.list")) == 2
        service.run("operator", "remove", "--group", "nogroup")
        assert mode(service) == 0o600
        with pytest.raises(Refused):
            as_nobody(service, "server.list")


@only_root
def test_a_connection_that_is_open_ends_with_the_right(folder: Path) -> None:
    with running(folder) as service, socket.socket(socket.AF_UNIX) as connection:
        service.run("operator", "add", "--group", "nogroup", "--role", "viewer")
        with account("nobody"):
            connection.connect(str(control_path(service.file)))
        connection.settimeout(60)
        lines = connection.makefile("rb")
        request = json.dumps({"operation": "status", "arguments": {}}).encode() + b"\n"
        connection.sendall(request)
        assert json.loads(lines.readline())["ok"]
        service.run("operator", "remove", "--group", "nogroup")
        connection.sendall(request)
        answer = json.loads(lines.readline())
        assert (answer["ok"], answer["kind"]) == (False, "forbidden")


@only_root
def test_who_is_in_no_such_group_is_told_so_and_keeps_nobody_out(folder: Path) -> None:
    with running(folder) as service, contextlib.ExitStack() as held:
        service.run("operator", "add", "--group", "root", "--role", "administrator")
        assert mode(service) == 0o666
        with pytest.raises(Refused, match="no group of it is an operator here") as refused:
            as_nobody(service, "status")
        assert refused.value.kind == "forbidden"
        for _ in range(40):
            idle = held.enter_context(socket.socket(socket.AF_UNIX))
            with account("nobody"), contextlib.suppress(BlockingIOError):
                idle.setblocking(False)
                idle.connect(str(control_path(service.file)))
        with pytest.raises(Fault):
            as_nobody(service, "status")
        assert service.ask("status")["state"] == "started"


def test_a_group_that_the_machine_has_not_is_no_operator(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        added = service.run("operator", "add", "--group", "no-such-group", "--role", "viewer", check=False)
        assert added.returncode == 1
        assert "there is no group 'no-such-group'" in added.stderr
        given = service.run("operator", "add", "bob", "--role", "viewer", typed=f"{PASSWORD}\n")
        assert given.returncode == 0


def test_a_new_server_gives_no_rights_to_those_of_a_deleted_one(tmp_path: Path) -> None:
    with running(tmp_path, OTHER.format(port=free_port())) as service:
        for name, servers in (("bob", "other"), ("eve", "default,other")):
            words = ("operator", "add", name, "--role", "operator", "--server", servers)
            service.run(*words, typed=f"{PASSWORD}\n")
        service.run("token", "create", "monitor", "--role", "viewer", "--server", "other")
        service.run("server", "rename", "other", "Another")
        assert rights(service) == {"bob": ["other"], "eve": ["default", "other"], "monitor": ["other"]}
        service.run("server", "delete", "other")
        left = {"bob": ["(none)"], "eve": ["default"], "monitor": ["(none)"]}
        assert rights(service) == left
        service.run("server", "create", "New", "--bindings", f"127.0.0.1:{free_port()}", "--key", "other")
        assert rights(service) == left
        assert [who for what, who in audit(service) if what == "operator.role"] == ["a deleted virtual server"] * 3
        service.run("operator", "role", "bob", "--role", "operator", "--server", "other")
        assert rights(service)["bob"] == ["other"]


def test_a_server_that_is_gone_from_the_file_at_the_start_is_a_deleted_one(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, OTHER.format(port=port)) as service:
        service.run("operator", "add", "bob", "--role", "viewer", "--server", "other", typed=f"{PASSWORD}\n")
        service.stop()
        both = service.settings
        service.settings = both.replace(OTHER.format(port=port), "")
        service.start()
        service.stop()
        service.settings = both
        service.start()
        assert rights(service) == {"bob": ["(none)"]}


def rights(service: Service) -> dict[str, list[str]]:
    return {row["name"]: row["servers"] for word in ("operator", "token") for row in service.ask(word, "list")}


def test_an_operator_changes_the_own_password_by_the_present_one(tmp_path: Path) -> None:
    with running(tmp_path) as service:
        service.run("operator", "add", "bob", "--role", "viewer", typed=f"{PASSWORD}\n")
        new = "another long password"
        wrong = service.run("operator", "renew", "bob", typed=f"not the one\n{new}\n", check=False)
        assert wrong.returncode == 1
        assert "the present password is wrong" in wrong.stderr
        service.run("operator", "renew", "bob", typed=f"{PASSWORD}\n{new}\n")
        again = service.run("operator", "renew", "bob", typed=f"{PASSWORD}\n{PASSWORD} too\n", check=False)
        assert again.returncode == 1
        kept = b"".join(path.read_bytes() for path in (tmp_path / "Logs").rglob("*") if path.is_file())
        assert b"operator.renew" in kept
        for secret in (PASSWORD, new, "not the one"):
            assert secret.encode() not in kept
        for _ in range(5):
            service.run("operator", "renew", "bob", typed=f"wrong\n{PASSWORD}\n", check=False)
        late = service.run("operator", "renew", "bob", typed=f"{new}\n{PASSWORD}\n", check=False)
        assert "too many wrong passwords" in late.stderr
