"""How a service starts: what it says, how soon it is there, and how it says why it cannot start."""

import os
import pwd
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mailroot.edge.control import control_path
from tests.live.running import Service, _environment, free_port, running, service, until

is_root = os.geteuid() == 0
as_root = pytest.mark.skipif(not is_root, reason="needs root")


def run_serve(folder: Path, *words: str, account: str = "") -> "subprocess.CompletedProcess[str]":
    """What `mailroot serve` says; under another account from the first step on that has to do with the settings."""
    code = "import encodings.utf_8_sig, os, pwd, sys\n"  # what another account may not read comes before
    code += "import mailroot.service.life.supervisor, mailroot.cli.commands, mailroot.cli.main as cli\n"
    code += f"os.setuid(pwd.getpwnam({account!r}).pw_uid)\n" if account else ""
    code += "sys.exit(cli.main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, "serve", *words],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_first_banner_comes_within_a_second_and_a_half(tmp_path: Path) -> None:
    """The figure with a wide margin for a busy machine; the benchmark has the measured one."""
    made = service(tmp_path)
    began = time.monotonic()
    made.start(ready=False)
    try:
        until(made.listening, "the line `listening`")
        with made.connect() as client:
            assert client.noop()[0] == 250
        assert time.monotonic() - began < 60
    finally:
        made.stop()


def test_every_binding_is_told_when_all_is_ready(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    more = f"""
[servers.second]
name = "The second"
home = "Second"
general.bindings = ["127.0.0.1:{ports[0]}", "[::1]:{ports[1]}"]

[servers.third]
home = "Third"
start = "manual"
general.bindings = ["127.0.0.1:{free_port()}"]
"""
    with running(tmp_path, more, workers=2) as made:
        until(lambda: len(made.listening()) == 3, "three lines")
        assert made.listening() == [
            f"listening 127.0.0.1:{made.port} smtp Default SMTP Virtual Server",
            f"listening 127.0.0.1:{ports[0]} smtp The second",
            f"listening [::1]:{ports[1]} smtp The second",
        ]
        for address, port in (("127.0.0.1", ports[0]), ("::1", ports[1])):
            with socket.create_connection((address, port), 120) as client:
                assert client.recv(100).startswith(b"220 ")


def test_port_0_shows_the_port_that_was_given(tmp_path: Path) -> None:
    made = service(tmp_path)
    made.settings = made.settings.replace(f"127.0.0.1:{made.port}", "127.0.0.1:0")
    made.start()
    try:
        port = int(made.listening()[0].split()[1].rpartition(":")[2])
        assert port > 0
        with socket.create_connection(("127.0.0.1", port), 120) as client:
            assert client.recv(100).startswith(b"220 ")
        assert made.ask("server", "list")[0]["bindings"] == [f"127.0.0.1:{port}"]
    finally:
        made.stop()


def test_workers_0_is_one_per_core(tmp_path: Path) -> None:
    with running(tmp_path, workers=0) as made:
        assert len(made.workers()) == len(os.sched_getaffinity(0))
        assert len(made.ask("status")["workers"]) == len(made.workers())


def test_threads_that_serve_the_loop_do_not_interrupt_it(tmp_path: Path) -> None:
    with running(tmp_path) as made:
        made.send()
        until(made.dropped, "the message")
        (worker,) = made.workers()
        threads = [int(one.name) for one in Path(f"/proc/{worker}/task").iterdir()]
        waiting = [one for one in threads if os.sched_getscheduler(one) == os.SCHED_BATCH]
        # the queue's writer, the syncs of Drop, the protocol log, the event log
        assert len(waiting) == 4
        assert worker not in waiting


def test_the_quick_start_runs_in_an_empty_folder_and_says_how_to_send(tmp_path: Path) -> None:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 2525)) == 0:
            pytest.skip("port 2525 is in use here")
    with (tmp_path / "out").open("w") as out:
        command = [sys.executable, "-m", "mailroot", "serve"]
        process = subprocess.Popen(command, cwd=tmp_path, env=_environment(), stdout=out, text=True)
    try:
        said = until(lambda: "It is then in" in (text := (tmp_path / "out").read_text()) and text, "the first steps")
        assert said.startswith("listening 127.0.0.1:2525 smtp Default SMTP Virtual Server\n")
        (line,) = [line.strip() for line in said.splitlines() if "smtplib" in line]
        subprocess.run(["sh", "-c", line], check=True, timeout=120)
        drop = tmp_path / "Mailroot" / "Drop"
        until(lambda: list(drop.glob("*.eml")), "the first message in Drop")
    finally:
        process.terminate()
        assert process.wait(120) == 0


def test_a_settings_file_in_the_folder_is_taken_before_the_quick_start(tmp_path: Path) -> None:
    (tmp_path / "mailroot.toml").write_text("[servers.default.general]\nbinding = []\n")
    ended = run_serve(tmp_path)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "mailroot.toml: line 2: servers.default.general.binding: unknown key; did you mean" in ended.stderr


def test_a_port_that_is_taken_is_named_with_the_mend(tmp_path: Path) -> None:
    made = service(tmp_path)
    with socket.create_server(("127.0.0.1", made.port)):
        made.file.write_text(made.settings)
        ended = run_serve(tmp_path)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr == (
        f"mailroot: cannot listen on 127.0.0.1:{made.port}: Address already in use; "
        "stop what listens there, or change general.bindings\n"
    )


def test_a_second_service_is_kept_out(tmp_path: Path) -> None:
    with running(tmp_path) as made:
        ended = run_serve(tmp_path)
        assert ended.returncode == 1
        assert f"home {made.home} is in use by another service (process {made.process.pid})" in ended.stderr
        # The same settings file with another home would take the running service's control socket.
        made.file.write_text(made.settings.replace('"Mailroot"', '"Other"').replace(str(made.port), str(free_port())))
        ended = run_serve(tmp_path)
        assert ended.returncode == 1
        assert "a service runs for these settings already" in ended.stderr
        assert made.ask("status")["pid"] == made.process.pid


@as_root
def test_what_only_root_may_do_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    made = service(tmp_path)
    made.file.write_text(made.settings)
    made.file.chmod(0o644)
    (tmp_path / "Logs").mkdir(mode=0o777)
    (tmp_path / "Mailroot").mkdir(mode=0o755)
    ended = run_serve(tmp_path, account="nobody")
    assert ended.returncode == 1
    assert f"the home {made.home} cannot be used" in ended.stderr
    assert "Traceback" not in ended.stderr
    made.home.chmod(0o777)
    made.file.write_text(made.settings.replace("workers = 1", 'workers = 1\nrun_as = "daemon"'))
    ended = run_serve(tmp_path, account="nobody")
    assert "only root can run workers as 'daemon'" in ended.stderr


def test_an_unknown_account_is_named(tmp_path: Path) -> None:
    made = service(tmp_path)
    made.file.write_text(made.settings.replace("workers = 1", 'workers = 1\nrun_as = "no-such-account"'))
    ended = run_serve(tmp_path)
    assert ended.returncode == 1
    mend = "make it (useradd --system no-such-account) or name another"
    said = f"there is no account 'no-such-account' on this machine; {mend}"
    assert ended.stderr == f"mailroot: service.run_as: {said}\n"


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    made = service(tmp_path)
    (tmp_path / "file").write_text("")
    made.file.write_text(made.settings + f'drop = "{tmp_path}/file/Drop"\n')
    ended = run_serve(tmp_path)
    assert ended.returncode == 1
    assert f"{tmp_path}/file/Drop" in ended.stderr
    assert "before it was ready" in ended.stderr or "cannot be used" in ended.stderr
    assert "Traceback" not in ended.stderr


@as_root
def test_workers_run_as_another_account_and_all_folders_are_theirs(tmp_path: Path) -> None:
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(0o755)
    made = service(tmp_path)
    made.settings = made.settings.replace("workers = 1", 'workers = 2\nrun_as = "daemon"')
    made.settings = made.settings.replace('type = "default"', 'type = "default"\ndrop = "Elsewhere/Drop"')
    made.settings += '\n[servers.default.messages]\nbadmail = "Elsewhere/Badmail"\n'
    made.settings += '[servers.default.general.log]\ndirectory = "Other"\n'
    made.start()
    try:
        owner = pwd.getpwnam("daemon").pw_uid
        for pid in made.workers():
            fields = Path(f"/proc/{pid}/status").read_text()
            assert f"\nUid:\t{owner}\t{owner}\t{owner}\t{owner}\n" in fields
            assert "\nCapEff:\t0000000000000000" in fields
        made.send()
        until(lambda: list((tmp_path / "Elsewhere" / "Drop").glob("*.eml")), "the message in Drop")
        (tmp_path / "bad.eml").write_bytes(b"\r\nno header\r\n")
        (tmp_path / "bad.eml").chmod(0o666)
        (tmp_path / "bad.eml").rename(made.home / "Pickup" / "bad.eml")
        until(lambda: list((tmp_path / "Elsewhere" / "Badmail").glob("*.BAD")), "the bad file in Badmail")
        control = control_path(made.file).stat()
        assert (control.st_uid, stat.S_IMODE(control.st_mode)) == (0, 0o600)
        until(lambda: made.events("delivered") and made.events("service_started"), "events of both accounts")
        until(lambda: list((tmp_path / "Other" / "SMTPSVC1").glob("ex*.log")), "a log in a folder that was given too")
        # Without their supervisor the workers end, although a change of account takes back the wish to die with it.
        made.kill()
        made.start()
        made.send()
        until(lambda: len(list((tmp_path / "Elsewhere" / "Drop").glob("*.eml"))) == 2, "the second message")
    finally:
        made.stop()


def test_help_is_there_at_once() -> None:
    """80 ms on an idle machine, of which Python needs 20. Here: what makes a start slow must not be imported."""
    code = (
        "import sys\nfrom mailroot.cli.entry import main\nsys.argv[1:] = ['--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "slow = {'pydantic', 'asyncio', 'ssl', 'rich', 'tomlkit', 'cryptography', 'apsw'}\n"
        "print('LOADED', *(slow & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=_environment(), capture_output=True, text=True, check=True)
    assert "usage: mailroot" in done.stdout
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_a_service_in_a_folder_with_a_long_path_can_be_asked(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 6)
    made: Service
    with running(folder) as made:
        assert len(str(control_path(made.file))) > 108
        assert made.ask("status")["pid"] == made.process.pid


def test_a_socket_of_a_dead_service_is_replaced(tmp_path: Path) -> None:
    made = service(tmp_path).start()
    made.kill()
    assert control_path(made.file).is_socket()
    ended = made.run("status", check=False)
    assert ended.returncode == 1
    assert "No service runs for" in ended.stderr
    made.start()
    try:
        assert made.ask("status")["pid"] == made.process.pid
    finally:
        made.stop()
    assert not control_path(made.file).exists()
