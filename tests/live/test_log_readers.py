"""Programs that read the logs of the predecessor read ours: lars, lnav, GoAccess, webalizer; and a database."""

import json
import sqlite3
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from lars import iis

from tests.edge.protocollog.test_odbc import TABLE, driver  # noqa: F401 - a fixture
from tests.live.outside import outside, relaying
from tests.live.running import Service, running, until
from tests.live.test_protocol_log import FULL, lines, log
from tests.peers.smtp import Peer

VERBS = ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]


@pytest.fixture(scope="module", params=["w3c", "ncsa"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, int]]:
    """The form, a file with both directions and odd values, and the number of its lines."""
    with ExitStack() as stack:
        peer = stack.enter_context(outside()).enter(Peer())
        route = f'[servers.default.domains."next.example"]\ntype = "remote"\nroute = "[127.0.0.1]:{peer.port}"\n'
        more = log(f'format = "{request.param}"\nfields = {json.dumps(FULL)}\nperiod = "unlimited"') + route
        service = stack.enter_context(relaying(tmp_path_factory.mktemp("readers"), more=more))
        with service.connect() as client:
            client.sendmail("a@local.test", ["b@next.example", "ann@local.test"], "Subject: x\r\n\r\nHello.\r\n")
        with service.connect() as client:
            for value in (b'XYZZY "a b", c', b"#Fields: x", b"\xff\xfe x", "NOOP ä".encode()):
                client.send(value + b"\r\n")
                client.getreply()
        until(lambda: said(service, "221+") and said(service, "QUIT") >= 3, "the last lines of all connections")
        (path,) = (service.folder / "Logs" / "SMTPSVC1").iterdir()
        yield request.param, path, len(lines(service))


def said(service: Service, word: str) -> int:
    return sum(word in line for line in lines(service))


@pytest.mark.parametrize("site", ["w3c"], indirect=True)
def test_lars_reads_every_line(site: tuple[str, Path, int]) -> None:
    _, path, count = site
    with warnings.catch_warnings():
        warnings.simplefilter("error", iis.IISWarning)
        with path.open() as file, iis.IISSource(file) as source:
            rows = list(source)
    assert len(rows) == count
    assert [row.cs_method for row in rows[:1]] == ["EHLO"]
    assert {row.cs_version for row in rows} == {"SMTP"}


def test_lnav_reads_every_line(site: tuple[str, Path, int], program: Callable[[str], str], tmp_path: Path) -> None:
    form, path, count = site
    table, verb = {"w3c": ("w3c_log", "cs_method"), "ncsa": ("access_log", "cs_method")}[form]
    question = f";SELECT {verb} AS verb, count(*) AS lines FROM {table} GROUP BY {verb}"
    answer = subprocess.run(
        [program("lnav"), "-n", "-c", question, "-c", ":write-json-to -", str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={"HOME": str(tmp_path), "TERM": "dumb", "LANG": "C.UTF-8"},
    )
    found = {row["verb"]: row["lines"] for row in json.loads(answer.stdout)}
    assert sum(found.values()) == count
    assert all(found[verb] for verb in VERBS)


GOACCESS = {
    "w3c": [
        "--log-format=%d %t %h %e %^ %^ %^ %^ %U %^ %q %s %^ %b %^ %L %^ %^ %^ %^ %^",
        "--date-format=%Y-%m-%d",
        "--time-format=%H:%M:%S",
    ],
    "ncsa": ['--log-format=%h %^ %e [%d:%t %^] "%U %^" %s %b', "--date-format=%d/%b/%Y", "--time-format=%H:%M:%S"],
}


def test_goaccess_counts_the_commands(
    site: tuple[str, Path, int], program: Callable[[str], str], tmp_path: Path
) -> None:
    form, path, count = site
    report = tmp_path / "report.json"
    subprocess.run(
        [
            program("goaccess"),
            str(path),
            "--no-global-config",
            *GOACCESS[form],
            "--no-strict-status",
            "-o",
            str(report),
        ],
        capture_output=True,
        timeout=120,
        check=True,
        env={"HOME": str(tmp_path), "TERM": "dumb"},
    )
    found = json.loads(report.read_bytes().decode("utf-8", "replace"))  # it undoes %FF
    asked = {row["data"]: row["hits"]["count"] for row in found["requests"]["data"]}
    assert found["general"]["valid_requests"] + found["general"]["failed_requests"] >= count
    assert found["general"]["failed_requests"] == 0
    assert sum(hits for verb, hits in asked.items() if verb.lstrip("/").split("?")[0] in VERBS) >= len(VERBS)


def test_webalizer_counts_the_lines(site: tuple[str, Path, int], program: Callable[[str], str], tmp_path: Path) -> None:
    form, path, count = site
    answer = subprocess.run(
        [program("webalizer"), "-F", {"w3c": "w3c", "ncsa": "clf"}[form], "-o", str(tmp_path), str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        cwd=tmp_path,
        env={"LANG": "C"},
    )
    directives = 4 if form == "w3c" else 0
    ignored = f" ({directives} ignored)" if directives else ""
    assert f"{count + directives} records{ignored} in" in answer.stdout, answer.stdout + answer.stderr
    assert (tmp_path / "index.html").exists()


def test_O08_the_log_of_a_service_in_a_database(tmp_path: Path, driver: str) -> None:  # noqa: F811
    file = tmp_path / "log.db"
    options = f'format = "odbc"\nodbc_source = "Driver={driver};Database={file};Timeout=5000"'
    with running(tmp_path, log(options), workers=2) as service:
        service.send()
        until(service.dropped, "the message: mail goes on without a table")
        (waits,) = until(lambda: service.events("log_waits"), "the word that rows wait")
        assert "no such table" in waits["cause"]
        with closing(sqlite3.connect(file, timeout=120)) as database:
            database.execute(TABLE)
            database.commit()

            def verbs() -> list[str]:
                return [row[0] for row in database.execute("SELECT Operation FROM InternetLog ORDER BY rowid")]

            until(lambda: "QUIT" in verbs(), "the rows that waited")
            assert verbs() == VERBS
            service.send()
            until(lambda: len(verbs()) == 10, "the second message's rows")
        assert not (tmp_path / "Logs" / "SMTPSVC1").exists()


def test_O08_what_no_database_took_is_told_at_the_end(tmp_path: Path, driver: str) -> None:  # noqa: F811
    options = f'format = "odbc"\nodbc_source = "Driver={driver};Database={tmp_path / "log.db"}"'
    with running(tmp_path, log(options), workers=1) as service:
        service.send()
        until(lambda: service.events("log_waits"), "the word that rows wait")
        assert service.events("log_lost") == []
    (lost,) = service.events("log_lost")
    assert lost["count"] == len(VERBS)
    assert "no such table" in lost["cause"]
