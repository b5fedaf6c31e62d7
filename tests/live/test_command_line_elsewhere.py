"""The command line as a client of REST: a service by its address, and the token from the environment."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.administering import Administered, administering
from tests.live.running import ROOT, until


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Administered]:
    with administering(tmp_path_factory.mktemp("elsewhere")) as made:
        yield made


def mailroot(folder: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a folder that has no settings."""
    whole = {name: value for name, value in os.environ.items() if not name.startswith("MAILROOT")}
    whole |= {"PYTHONPATH": str(ROOT / "src"), **environment}
    command = [sys.executable, "-m", "mailroot", *words]
    return subprocess.run(command, cwd=folder, env=whole, capture_output=True, text=True, timeout=120, check=False)


def test_an_operation_is_asked_of_a_service_elsewhere(site: Administered, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{site.port}"
    here = site.service.ask("server", "list")
    for words in (("--server", address, "server", "list"), ("server", "list", f"--server={address}")):
        done = mailroot(tmp_path, *words, "--json", MAILROOT_TOKEN=site.token)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.strip().replace('"', "").startswith("[{key: default")
    done = mailroot(tmp_path, "--server", address, "server", "list", MAILROOT_TOKEN=site.token)
    assert done.stdout.splitlines()[0].split("\t")[0] == "key"
    assert here[0]["key"] == done.stdout.splitlines()[1].split("\t")[0]


def test_the_token_may_be_in_a_file_and_a_virtual_server_may_be_named_too(site: Administered, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(site.token + "\n")
    words = ("--server", f"http://127.0.0.1:{site.port}", "queue", "list", "--server", "default")
    done = mailroot(tmp_path, *words, MAILROOT_TOKEN_FILE=str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("server\tkey\t")


def test_what_is_done_from_elsewhere_is_recorded_so(site: Administered, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{site.port}"
    done = mailroot(tmp_path, "queue", "remove", "--all", "--server", address, "--json", MAILROOT_TOKEN=site.token)
    assert done.returncode == 0, done.stderr
    row = site.service.ask("audit", "list", "--what", "queue.remove")[0]
    assert (row["who"], row["face"], row["outcome"]) == ("token tests", "rest", "done")
    until(lambda: site.service.events("operation_done"), "the event")


@pytest.mark.parametrize(
    ("words", "token", "code", "said"),
    [
        (["status"], "", 2, "MAILROOT_TOKEN"),
        (["status"], "wrong", 1, "does not count"),
        (["queue", "show", "nothing"], "right", 1, "there is no entry"),
        (["queue", "export", "--all", "--to", "x"], "right", 2, "folder of the machine"),
        (["check-config"], "right", 2, "on the machine itself"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_goes_wrong_is_said(
    site: Administered, tmp_path: Path, words: list[str], token: str, code: int, said: str
) -> None:
    given = {"MAILROOT_TOKEN": site.token if token == "right" else token}
    done = mailroot(tmp_path, "--server", f"http://127.0.0.1:{site.port}", *words, **given)
    assert done.returncode == code
    assert said in done.stderr


def test_a_token_never_goes_in_the_clear_to_another_machine(tmp_path: Path) -> None:
    done = mailroot(tmp_path, "--server", "http://mail.example:8025", "status", MAILROOT_TOKEN="x")
    assert done.returncode == 2
    assert "in the clear" in done.stderr


def test_a_certificate_that_nobody_vouches_for_is_refused_unless_it_is_given(tmp_path: Path) -> None:
    made = tmp_path / "site"
    made.mkdir()
    (made / "mailroot.toml").write_text("")
    file = str(made / "mailroot.toml")
    assert mailroot(made, "certificate", "new", "localhost", "--config", file).returncode == 0
    pem = next((made / "Certificates").glob("*.pem"))
    with administering(made, admin=f'certificate = "{pem}"\n') as site:
        address, given = f"https://localhost:{site.port}", {"MAILROOT_TOKEN": site.token}
        refused = mailroot(tmp_path, "--server", address, "status", **given)
        assert refused.returncode == 1
        assert "certificate" in refused.stderr.lower()
        taken = mailroot(tmp_path, "--server", address, "status", "--json", MAILROOT_AUTHORITIES=str(pem), **given)
        assert (taken.returncode, taken.stderr) == (0, "")
