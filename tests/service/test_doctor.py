"""The doctor finds what is wrong: for each check, a fault that is made on purpose."""

import os
import socket
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mailroot.edge.probes import rights as rightsprobe
from mailroot.edge.probes import storage
from mailroot.edge.probes.clockstate import ClockState, clock_state
from mailroot.edge.probes.rights import Account, account_named, rights
from mailroot.edge.probes.storage import Mount, Room, mount_of, sync_time, write_cache
from mailroot.edge.settingsfile import SettingsFile
from mailroot.edge.tls.identity import key_pem, new_key, self_signed
from mailroot.mail.faults import Unavailable
from mailroot.service.doctor import (
    disk,
    examination,
    folders,
    identity,
    listening,
    machine,
    openness,
    queue,
    sound,
    ways,
)
from mailroot.service.doctor.examination import CHECKS, Row, examine
from mailroot.service.doctor.finding import Check, Finding, Patient, State, ok
from mailroot.settings.service import Settings
from tests.peers.dns import Names
from tests.peers.smtp import Peer

NOW = datetime.now(UTC)
SOUND = """\
[servers.default]
home = "Mailroot"
[servers.default.general]
bindings = ["127.0.0.1:{port}"]
[servers.default.delivery]
fqdn = "mail.local.test"
{delivery}
[servers.default.domains."local.test"]
type = "default"
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def settings(folder: Path, delivery: str = "", more: str = "", port: int = 0) -> Settings:
    file = folder / "mailroot.toml"
    file.write_text(SOUND.format(delivery=delivery, port=port or free_port()) + more)
    file.chmod(0o600)
    loaded = SettingsFile(file).load()
    assert isinstance(loaded, Settings), loaded
    return loaded


def patient(made: Settings, status: Mapping[str, Any] | None = None, **parts: Any) -> Patient:
    usual = {"account": account_named(""), "ask": lambda *_: [], "now": NOW}
    return Patient(made, status=status, **(usual | parts))


def running(made: Settings, state: str = "started") -> dict[str, Any]:
    """What `status` says of a service of these settings."""
    rows = [
        {"key": key, "state": state, "bindings": [str(one) for one in server.general.listening]}
        for key, server in made.servers.items()
    ]
    return {"version": "1", "pid": 7, "workers": [{"number": 0}], "servers": rows}


async def found(check: Check, who: Patient) -> list[Finding]:
    return [finding async for finding in check(who)]


async def one(check: Check, who: Patient) -> Finding:
    (finding,) = await found(check, who)
    return finding


def is_fault(finding: Finding, words: str) -> bool:
    return finding.state is State.FAULT and words in finding.said and bool(finding.mend)


def is_warning(finding: Finding, words: str) -> bool:
    return finding.state is State.WARNING and words in finding.said and bool(finding.mend)


# -- settings, service, ports


async def test_a_certificate_that_is_missing_is_a_fault(tmp_path: Path) -> None:
    assert (await one(sound.check, patient(settings(tmp_path)))).state is State.OK
    made = settings(tmp_path, more='[servers.default.access]\ncertificate = "absent.pem"\n')
    assert is_fault(await one(sound.check, patient(made)), "absent.pem")


async def test_a_service_that_does_not_run_is_told(tmp_path: Path) -> None:
    assert is_warning(await one(listening.service, patient(settings(tmp_path))), "does not run")


async def test_workers_that_are_missing_and_servers_that_are_stopped_are_told(tmp_path: Path) -> None:
    made = settings(tmp_path, more="[service]\nworkers = 1\n")
    assert (await one(listening.service, patient(made, running(made)))).state is State.OK
    status = running(made, "paused")
    status["workers"] = []
    workers, server = await found(listening.service, patient(made, status))
    assert is_fault(workers, "0 worker(s) of 1")
    assert is_warning(server, "it is paused")


async def test_a_port_that_is_free_or_taken_before_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        made = settings(tmp_path, port=taken.getsockname()[1])
        assert is_fault(await one(listening.ports, patient(made)), "cannot listen")
    assert (await one(listening.ports, patient(made))).state is State.OK


async def test_a_port_that_answers_or_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_WAIT", 0.2)
    made = settings(tmp_path)
    assert is_fault(await one(listening.ports, patient(made, running(made))), "does not answer")
    async with Peer() as peer:
        made = settings(tmp_path, port=peer.port)
        assert "it greets: 220" in (await one(listening.ports, patient(made, running(made)))).said
    with socket.create_server(("127.0.0.1", 0)) as mute:
        made = settings(tmp_path, port=mute.getsockname()[1])
        assert is_fault(await one(listening.ports, patient(made, running(made))), "does not greet")


# -- names, certificates


def with_dns(names: Names) -> str:
    return f'dns = ["127.0.0.1:{names.port}"]'


async def test_a_name_without_a_domain_is_told(tmp_path: Path) -> None:
    made = settings(tmp_path)
    server = made.servers["default"]
    bare = replace(server, delivery=replace(server.delivery, fqdn="mail"))
    assert is_warning(await one(identity.names, patient(replace(made, servers={"default": bare}))), "no domain")


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ({}, "has no address"),
        ({("mail.local.test", "A"): ["192.0.2.5"]}, "no PTR record leads back from 192.0.2.5"),
        (
            {("mail.local.test", "A"): ["192.0.2.5"], ("5.2.0.192.in-addr.arpa", "PTR"): ["other.test."]},
            "no PTR record leads back",
        ),
    ],
)
async def test_a_name_that_does_not_lead_there_and_back_is_told(
    tmp_path: Path, zone: dict[tuple[str, str], list[str]], said: str
) -> None:
    async with Names(zone) as names:
        assert is_warning(await one(identity.names, patient(settings(tmp_path, with_dns(names)))), said)


async def test_a_name_that_leads_there_and_back(tmp_path: Path) -> None:
    zone = {("mail.local.test", "A"): ["192.0.2.5"], ("5.2.0.192.in-addr.arpa", "PTR"): ["MAIL.local.test."]}
    async with Names(zone) as names:
        finding = await one(identity.names, patient(settings(tmp_path, with_dns(names))))
    assert finding == ok("default", "mail.local.test is 192.0.2.5, and back")


@pytest.mark.parametrize(
    ("names", "days", "judge"),
    [
        (("mail.local.test",), 0, lambda finding: finding.state is State.OK),
        (("*.local.test",), 0, lambda finding: finding.state is State.OK),
        (("other.test",), 0, lambda finding: is_warning(finding, "stands for other.test")),
        (("mail.local.test",), 3640, lambda finding: is_warning(finding, "it expires on")),
        (("mail.local.test",), 4000, lambda finding: is_fault(finding, "it expired on")),
    ],
)
async def test_certificates(
    tmp_path: Path, names: tuple[str, ...], days: int, judge: Callable[[Finding], bool]
) -> None:
    path, key = tmp_path / "mail.pem", new_key()
    path.touch(0o600)
    path.write_bytes(key_pem(key) + self_signed(key, names, NOW - timedelta(days=days)))
    made = settings(tmp_path, more='[servers.default.access]\ncertificate = "mail.pem"\n')
    assert judge(await one(identity.certificates, patient(made)))


# -- the machine


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (None, "does not tell"),
        (ClockState(False, 0.0), "nothing keeps it right"),
        (ClockState(True, 60.0), "may be wrong by 60 seconds"),
    ],
)
async def test_a_clock_that_may_be_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: ClockState | None, said: str
) -> None:
    monkeypatch.setattr(machine, "clock_state", lambda: state)
    assert is_warning((await found(machine.clock, patient(settings(tmp_path))))[0], said)


async def test_a_clock_that_is_right_and_one_that_is_long_past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "clock_state", lambda: ClockState(True, 0.01))
    made = settings(tmp_path)
    assert (await one(machine.clock, patient(made))).state is State.OK
    assert is_fault(await one(machine.clock, patient(made, now=datetime(1970, 1, 1, tzinfo=UTC))), "1970-01-01")


async def test_a_file_server_with_another_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "clock_state", lambda: ClockState(True, 0.01))
    made = settings(tmp_path)
    Path(made.servers["default"].home).mkdir()
    assert len(await found(machine.clock, patient(made))) == 1
    monkeypatch.setattr(machine.time, "time", lambda: 0.0)
    assert is_warning((await found(machine.clock, patient(made)))[1], "seconds apart")


def test_the_systems_clock_can_be_asked() -> None:
    state = clock_state()
    assert state is None or state.error >= 0


async def test_too_few_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "most_descriptors", lambda: 1024)
    assert is_warning(await one(machine.limits, patient(settings(tmp_path))), "a worker may open 1024 files")
    monkeypatch.setattr(machine, "most_descriptors", lambda: 65_536)
    assert (await one(machine.limits, patient(settings(tmp_path)))).state is State.OK


# -- folders

STRANGER = Account("stranger", 60_123, frozenset({60_123}))


def made_folders(made: Settings) -> Path:
    home = Path(made.servers["default"].home)
    for name in ("Pickup", "Queue", "SortTemp", "Badmail", "Drop"):
        (home / name).mkdir(parents=True)
    Path(made.service.events).mkdir()
    return home


async def test_folders_that_are_sound_or_not_there_yet(tmp_path: Path) -> None:
    made = settings(tmp_path)
    assert {finding.state for finding in await found(folders.check, patient(made))} == {State.OK}
    made_folders(made)
    assert {finding.state for finding in await found(folders.check, patient(made))} == {State.OK}


async def test_a_folder_that_is_missing_while_the_service_runs(tmp_path: Path) -> None:
    made = settings(tmp_path)
    made_folders(made)
    (Path(made.servers["default"].home) / "Drop").rmdir()
    faults = [one for one in await found(folders.check, patient(made, running(made))) if one.state is State.FAULT]
    assert len(faults) == 1 and is_fault(faults[0], "Drop is missing")


async def test_a_folder_that_the_account_may_not_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = settings(tmp_path)
    home = made_folders(made)
    for parent in (home, *home.parents[: len(tmp_path.parts)]):
        monkeypatch.setattr(rightsprobe, "_stat", _as_if(rightsprobe._stat, str(parent), 0o755))
    findings = await found(folders.check, patient(made, account=STRANGER))
    assert is_fault(findings[0], "stranger may not write in")


def _as_if(look: Callable[[str], Any], path: str, mode: int) -> Callable[[str], Any]:
    """A look at a path that has another mode, owned by root."""

    def changed(wanted: str) -> Any:
        found = look(wanted)
        if found is None or wanted != path:
            return found
        return os.stat_result((stat.S_IFDIR | mode, *tuple(found)[1:4], 0, 0, *tuple(found)[6:]))

    return changed


async def test_folders_that_everybody_may_change(tmp_path: Path) -> None:
    made = settings(tmp_path)
    home = made_folders(made)
    (home / "Queue").chmod(0o777)
    (home / "Pickup").chmod(0o777)
    by = {finding.subject: finding for finding in await found(folders.check, patient(made))}
    assert is_fault(by["default Queue"], "every account of the machine may change mail")
    assert is_warning(by["default Pickup"], "every account of the machine may write there")


def test_rights_go_by_owner_then_group_then_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    folder.chmod(0o070)
    owner = Account("owner", folder.stat().st_uid or 1, frozenset())
    assert rights(str(folder / "absent"), account_named("")).exists is False
    if folder.stat().st_uid:
        assert rights(str(folder), owner).missing
    (tmp_path / "file").touch()
    assert "no folder" in rights(str(tmp_path / "file"), account_named("")).missing


async def by_log(made: Settings, **parts: Any) -> Finding:
    return next(one for one in await found(folders.check, patient(made, **parts)) if "protocol log" in one.subject)


async def test_the_folder_of_a_protocol_log_is_the_one_that_is_written_into(tmp_path: Path) -> None:
    made = settings(tmp_path)
    made_folders(made)
    written = tmp_path / "Logs" / "SMTPSVC1"
    before = await by_log(made, status=running(made))
    assert (before.state, before.said) == (State.OK, f"{written} is not there yet; it is made with the first line")
    written.touch()
    finding = await by_log(made)
    assert is_fault(finding, f"{written} is no folder")
    assert finding.mend == f"move {written} away"
    written.unlink()
    written.mkdir()
    assert await by_log(made) == ok("default protocol log", str(written))


async def test_a_folder_of_a_protocol_log_that_cannot_be_made_or_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = settings(tmp_path)
    logs = tmp_path / "Logs"
    logs.touch()
    assert is_fault(await by_log(made), f"{logs} is no folder")
    logs.unlink()
    (logs / "SMTPSVC1").mkdir(parents=True)
    for parent in (logs / "SMTPSVC1", logs, *logs.parents):
        monkeypatch.setattr(rightsprobe, "_stat", _as_if(rightsprobe._stat, str(parent), 0o755))
    assert is_fault(await by_log(made, account=STRANGER), f"stranger may not write in {logs / 'SMTPSVC1'}")


# -- the disk


MOUNTS = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 22 0:40 / /run/my\040mail rw shared:2 - tmpfs tmpfs rw,size=1g
31 22 8:2 / /srv rw shared:2 - xfs /dev/sda2 rw,nobarrier
32 22 0:41 / /srv/nfs rw shared:2 - nfs4 server:/x rw
33 22 0:42 / /layer rw shared:2 - overlay overlay rw,lowerdir=/a
34 22 8:3 / /frozen ro shared:2 - ext4 /dev/sda3 rw
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "kind", "point"),
    [
        ("/var/mail", "ext4", "/"),
        ("/run/my mail/x", "tmpfs", "/run/my mail"),
        ("/run/my mailbox", "ext4", "/"),
        ("/srv/nfs/x", "nfs4", "/srv/nfs"),
        ("/srv/nfsx", "xfs", "/srv"),
    ],
)
def test_the_mount_of_a_path_is_the_nearest(path: str, kind: str, point: str) -> None:
    mount = mount_of(path, MOUNTS)
    assert mount is not None and (mount.kind, mount.point) == (kind, point)


@pytest.mark.parametrize(
    ("path", "judge"),
    [
        ("/var/mail", lambda finding: finding.state is State.OK and "cannot be seen from here" in finding.said),
        ("/run/my mail", lambda finding: is_fault(finding, "it is memory")),
        ("/srv", lambda finding: is_fault(finding, "nobarrier: a sync does not wait for the disk")),
        ("/srv/nfs", lambda finding: is_fault(finding, "network file system")),
        ("/layer", lambda finding: is_warning(finding, "a layer of a container")),
        ("/frozen", lambda finding: is_fault(finding, "read only")),
    ],
)
def test_what_a_file_system_promises(path: str, judge: Callable[[Finding], bool]) -> None:
    mount = mount_of(path, MOUNTS)
    assert mount is not None
    (finding,) = disk._promise("default", path, mount)
    assert judge(finding)


def test_the_cache_of_a_disk_is_read_where_the_system_tells(tmp_path: Path) -> None:
    (tmp_path / "sda" / "queue").mkdir(parents=True)
    (tmp_path / "sda" / "queue" / "write_cache").write_text("write back\n")
    (tmp_path / "sda" / "sda1").mkdir()
    (tmp_path / "8:1").symlink_to(tmp_path / "sda" / "sda1")
    assert write_cache("8:1", str(tmp_path)) == "write back"
    assert write_cache("9:9", str(tmp_path)) == ""


async def test_the_speed_of_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = Mount("/", "ext4", "/dev/sda1", frozenset(), "8:1")
    for taken, judge in (
        (1e-6, lambda finding: is_warning(finding, "less than any disk needs")),
        (0.002, lambda finding: finding.state is State.OK),
        (0.1, lambda finding: is_warning(finding, "which is slow")),
        (1.0, lambda finding: is_fault(finding, "few messages a second")),
    ):
        monkeypatch.setattr(disk, "sync_time", lambda _folder, taken=taken: taken)
        assert judge(await disk._speed("default", str(tmp_path), mount))


def test_measuring_a_sync_leaves_nothing(tmp_path: Path) -> None:
    assert sync_time(str(tmp_path), 3) > 0
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Exception, match="absent"):
        sync_time(str(tmp_path / "absent"))


async def test_every_home_is_looked_at(tmp_path: Path) -> None:
    made = settings(tmp_path)
    made_folders(made)
    promise, speed = await found(disk.check, patient(made))
    assert "lies on" in promise.said and "a sync of 4 KB takes" in speed.said


@pytest.mark.parametrize(
    ("room", "judge"),
    [
        (Room(10 << 30, 0.5, 10**6, 0.5), lambda finding: finding.state is State.OK),
        (Room(500 << 20, 0.5, 10**6, 0.5), lambda finding: is_warning(finding, "0.5 GB")),
        (Room(10 << 30, 0.01, 10**6, 0.5), lambda finding: is_warning(finding, "(1%)")),
        (Room(1 << 20, 0.5, 10**6, 0.5), lambda finding: is_fault(finding, "mail will be refused")),
        (Room(10 << 30, 0.5, 5, 0.001), lambda finding: is_fault(finding, "only 5 files")),
        (Room(10 << 30, 0.5, 500, 0.03), lambda finding: is_warning(finding, "only 500 files")),
    ],
)
async def test_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: Room, judge: Callable[[Finding], bool]
) -> None:
    monkeypatch.setattr(disk, "room", lambda _path: room)
    assert judge(await one(disk.rooms, patient(settings(tmp_path))))


def test_the_room_of_a_real_folder(tmp_path: Path) -> None:
    assert 0 <= storage.room(str(tmp_path)).octets_share <= 1


# -- the ways out


async def test_resolvers_that_answer_and_that_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Names({("gmail.com", "MX"): ["5 mx.test."]}) as names:
        assert (await one(ways.dns, patient(settings(tmp_path, with_dns(names))))).state is State.OK
    async with Names({}, broken=True) as names:
        assert is_fault(await one(ways.dns, patient(settings(tmp_path, with_dns(names)))), f"127.0.0.1:{names.port}")


async def test_a_smart_host_needs_no_resolver_for_exchangers(tmp_path: Path) -> None:
    made = patient(settings(tmp_path, 'smart_host = "[127.0.0.1]:9"'))
    assert (await one(ways.dns, made)).state is State.OK
    assert (await one(ways.reach, made)).state is State.OK


async def test_smart_hosts_are_walked_to(tmp_path: Path) -> None:
    assert (await one(ways.smart_hosts, patient(settings(tmp_path)))).said == "there are none"
    async with Peer() as peer:
        made = settings(tmp_path, f'smart_host = "[127.0.0.1]:{peer.port}"')
        assert (await one(ways.smart_hosts, patient(made))).state is State.OK
    finding = await one(ways.smart_hosts, patient(made))
    assert is_fault(finding, "connection:")


ROUTE = '[servers.default.domains."{name}"]\ntype = "remote"\nroute = "[127.0.0.1]:{port}"\n'


async def test_a_route_of_all_names_below_a_domain_is_tried_with_one_of_them(tmp_path: Path) -> None:
    async with Peer() as peer:
        made = settings(tmp_path, more=ROUTE.format(name="*.sub.test", port=peer.port))
        finding = await one(ways.smart_hosts, patient(made))
        assert (finding.subject, finding.state) == ("default *.sub.test", State.OK)
        assert "postmaster@any-domain.sub.test would be taken" in finding.said

        dead = 'smart_host = "[127.0.0.1]:9"'
        made = settings(tmp_path, dead, ROUTE.format(name="*.sub.test", port=peer.port))
        by = {finding.subject: finding.state for finding in await found(ways.smart_hosts, patient(made))}
        assert by == {"default default": State.FAULT, "default *.sub.test": State.OK}


async def test_servers_of_others_are_reached_or_not(tmp_path: Path) -> None:
    zone = {("gmail.com", "MX"): ["5 mx.test."], ("mx.test", "A"): ["127.0.0.1"]}
    async with Names(zone) as names, Peer() as peer:
        made = settings(tmp_path, f"{with_dns(names)}\nport = {peer.port}")
        assert "gmail.com answers at 127.0.0.1: 220" in (await one(ways.reach, patient(made))).said
        made = settings(tmp_path, f"{with_dns(names)}\nport = {free_port()}")
        finding = await one(ways.reach, patient(made))
    assert is_fault(finding, "gmail.com at 127.0.0.1:")
    assert "outlook.com has no server that can be looked up" in finding.said


# -- openness

OPEN = '[servers.default.access.relay]\nmode = "all-except"\n'


async def test_strangers_are_refused_by_the_rules(tmp_path: Path) -> None:
    finding = await one(openness.check, patient(settings(tmp_path)))
    assert finding.state is State.OK and "would all be refused" in finding.said


async def test_an_open_relay_is_a_fault(tmp_path: Path) -> None:
    finding = await one(openness.check, patient(settings(tmp_path, more=OPEN)))
    assert is_fault(finding, "strangers may send to anybody through this server: null sender from 203.0.113.77")


def test_every_trick_of_nmap_is_tried() -> None:
    made = {(trick.sender, trick.recipient) for trick in openness.tricks("mail.x", "192.0.2.9", "local.x")}
    there, ours = openness._ELSEWHERE, "spam@[192.0.2.9]"
    assert made >= {
        ("", f"user@{there}"),
        (f"spam@{there}", f"user@{there}"),
        ("spam@mail.x", f"user@{there}"),
        (ours, f"user@{there}"),
        (ours, f"user%{there}@[192.0.2.9]"),
        (ours, f"user%{there}@mail.x"),
        (ours, f'"user@{there}"'),
        (ours, f'"user%{there}"'),
        (ours, f"user@{there}@[192.0.2.9]"),
        (ours, f'"user@{there}"@[192.0.2.9]'),
        (ours, f"user@{there}@mail.x"),
        (ours, f"@[192.0.2.9]:user@{there}"),
        (ours, f"@mail.x:user@{there}"),
        (ours, f"{there}!user"),
        (ours, f"{there}!user@[192.0.2.9]"),
        (ours, f"{there}!user@mail.x"),
    }


async def test_a_listener_that_takes_what_the_settings_refuse_is_a_fault(tmp_path: Path) -> None:
    async with Peer() as peer:  # takes everything
        made = settings(tmp_path, port=peer.port)
        _, trial = await found(openness.check, patient(made, running(made)))
    assert is_fault(trial, "it takes what the settings file refuses: null sender")


async def test_a_listener_that_lets_nobody_in_cannot_be_tried(tmp_path: Path) -> None:
    async with Peer({"GREETING": "554 go away"}) as peer:
        made = settings(tmp_path, port=peer.port)
        _, trial = await found(openness.check, patient(made, running(made)))
    assert is_warning(trial, "does not let this machine in")


# -- the queue


@pytest.mark.parametrize(
    ("depth", "age", "judge"),
    [
        (0, 0.0, lambda finding: finding.said == "nothing waits"),
        (3, 60.0, lambda finding: finding.state is State.OK),
        (3, 5 * 3600.0, lambda finding: is_warning(finding, "3 recipient(s) wait, the oldest since 5.0 hours")),
    ],
)
async def test_mail_that_waits(tmp_path: Path, depth: int, age: float, judge: Callable[[Finding], bool]) -> None:
    made = settings(tmp_path)
    rows = [{"counter": "queue_depth", "value": depth}, {"counter": "queue_age_seconds", "value": age}]
    assert judge(await one(queue.check, patient(made, running(made), ask=lambda *_: rows)))


async def test_badmail_is_told(tmp_path: Path) -> None:
    made = settings(tmp_path)
    home = made_folders(made)
    (home / "Badmail" / "1.BAD").touch()
    assert is_warning(await one(queue.check, patient(made)), "1 message(s) lie in")


# -- the examination


async def test_a_check_that_hangs_fails_or_is_mistaken_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hanging(_who: Patient):  # type: ignore[no-untyped-def]
        import asyncio

        yield ok("first", "done")
        await asyncio.Event().wait()

    async def failing(_who: Patient):  # type: ignore[no-untyped-def]
        raise Unavailable("the disk is gone")
        yield

    async def mistaken(_who: Patient):  # type: ignore[no-untyped-def]
        raise KeyError("oops")
        yield

    async def last(_who: Patient):  # type: ignore[no-untyped-def]
        yield ok("last", "done")

    rows = [Row(name, "", check, 0.05) for name, check in vars().items() if callable(check) and name != "monkeypatch"]
    monkeypatch.setattr(
        examination, "CHECKS", [row for row in rows if row.name in {"hanging", "failing", "mistaken", "last"}]
    )
    told: list[tuple[str, Finding]] = []
    assert not await examine(patient(settings(tmp_path)), (), lambda *said: told.append(said))
    assert [(name, finding.state) for name, finding in told] == [
        ("hanging", State.OK),
        ("hanging", State.WARNING),
        ("failing", State.FAULT),
        ("mistaken", State.WARNING),
        ("last", State.OK),
    ]


async def test_only_what_is_named_is_checked(tmp_path: Path) -> None:
    told: list[str] = []
    assert await examine(patient(settings(tmp_path)), ("limits", "settings"), lambda name, _: told.append(name))
    assert told == ["settings", "limits"]


def test_every_check_has_a_name_of_its_own_and_a_sentence() -> None:
    assert len({row.name for row in CHECKS}) == len(CHECKS)
    assert all(row.sentence.endswith(".") for row in CHECKS)
