"""The benchmark counts what it says, and asks Mailroot for settings that exist."""

import smtplib
import subprocess
import sys
import time

import pytest

from bench import account, main, servers, spread, table, workloads, yardsticks
from bench.workloads import Bench, Figures


def test_cpu_of_processes_that_have_ended_is_counted_by_walking(tmp_path, monkeypatch):
    monkeypatch.setattr(account, "_new_group", lambda: None)
    counted = account.Account()
    burn = "import time\nwhile time.process_time() < 0.2: pass"
    script = (
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])\nprint('done', flush=True)\ninput()"
    )
    command = counted.command([sys.executable, "-c", script])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        counted.root = process.pid
        assert process.stdout.readline() == b"done\n"
        assert 0.15 < counted.cpu() < 2
        assert counted.memory() > 1_000_000
        process.stdin.close()


def test_the_table_shows_median_spread_and_ratio():
    ours, theirs = Figures("Mailroot"), Figures("Postfix")
    for value in (3000, 1000, 2000):
        ours.add("msg/s", value)
    theirs.add("msg/s", 500)
    head, first, second, ratio = table.rows([ours, theirs])
    assert head.split() == ["msg/s", "(min-max)"]
    assert first.split() == ["Mailroot", "2,000", "(1,000-3,000)"]
    assert second.split() == ["Postfix", "500"]
    assert ratio.split() == ["ratio", "4.00", "x"]


@pytest.mark.parametrize(("value", "shown"), [(1234.4, "1,234"), (100, "100"), (12.34, "12.3"), (0.123, "0.12")])
def test_figures_have_three_digits(value, shown):
    assert table.number(value) == shown


def test_every_workload_has_its_own_name(tmp_path):
    names = [workload.name for workload in workloads.workloads(Bench(tmp_path, (), 1, 100, 10, 10))]
    assert len(names) == len(set(names)) == 16


def test_an_unknown_workload_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(SystemExit, match="no workload is called nothing; there are drop-one"):
        main.chosen_workloads(Bench(tmp_path, (), 1, 100, 10, 10), ["nothing"])


def test_mailroot_is_asked_for_settings_that_exist(tmp_path):
    server = servers.Mailroot(tmp_path / "Mailroot", relay_port=2526)
    try:
        check = [sys.executable, "-m", "mailroot", "check-config", str(server.config)]
        environment = {"PYTHONPATH": str(servers.ROOT / "src")}
        done = subprocess.run(check, capture_output=True, text=True, check=False, env=environment)
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        server.close()


def test_a_thousand_destinations_stand_in_the_tables_of_both_servers(tmp_path, monkeypatch):
    ports = spread.Outside(alive=2526, refusing=2527, silent=2528)
    table = tuple(spread.Destinations(ports, dead=True).table())
    assert len({(name, address) for name, address, _ in table}) == spread.DOMAINS
    assert [port for _, _, port in table].count(2527) == [port for _, _, port in table].count(2528) == 5
    assert {port for _, _, port in spread.Destinations(ports).table()} == {2526}
    server = servers.Mailroot(tmp_path / "Mailroot", 2526, servers.Door(routes=table))
    try:
        text = server.config.read_text()
        assert '[servers.default.domains."d250.relay.example"]\ntype = "remote"\nroute = "[127.1.1.1]:2528"' in text
    finally:
        server.close()


def test_what_arrives_of_a_spread_load_is_what_goes_to_the_living():
    assert spread.SpreadLoad(1000).living == 990
    assert spread.SpreadLoad(50).living == 50 and spread.SpreadLoad(2051).living == 2030


@pytest.mark.parametrize("secured", [False, True], ids=["clear", "tls"])
def test_the_bare_server_commits_what_it_says_it_has(tmp_path, secured):
    port = servers.free_port()
    pem = ["--pem", str(servers.make_certificate(tmp_path))] if secured else []
    program = [sys.executable, str(servers.ROOT / "bench" / "bareserver.py"), str(port), str(tmp_path), *pem]
    with subprocess.Popen(program, start_new_session=True) as process:
        try:
            client = _connected(port)
            with client:
                if secured:
                    client.starttls()
                for _ in range(3):
                    client.sendmail("a@one.example", ["b@two.example"], b"Subject: x\r\n\r\n" + b"text\r\n" * 5_000)
            assert sum(map(yardsticks.rows_in, tmp_path.glob("*.db"))) == 3
        finally:
            process.terminate()


def _connected(port):
    until = time.monotonic() + 60
    while True:
        try:
            return smtplib.SMTP("127.0.0.1", port, timeout=60)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
