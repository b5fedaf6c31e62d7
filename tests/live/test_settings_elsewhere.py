"""`mailroot get`, `set` and `domain` of a service elsewhere: the words and exit codes are those of the machine."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.administering import Administered, administering
from tests.live.test_command_line_elsewhere import mailroot

SIZE = "servers.default.messages.size_limit"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Administered]:
    with administering(tmp_path_factory.mktemp("elsewhere")) as made:
        yield made


class Elsewhere:
    """A folder without settings, from which a service is asked."""

    def __init__(self, site: Administered, folder: Path) -> None:
        self.address = f"http://127.0.0.1:{site.port}"
        self.site, self.folder = site, folder

    def run(self, *words: str, token: str = "") -> "subprocess.CompletedProcess[str]":
        done = mailroot(self.folder, "--server", self.address, *words, MAILROOT_TOKEN=token or self.site.token)
        assert list(self.folder.iterdir()) == []  # whatever it was, nothing is written here
        return done

    def told(self, *words: str) -> str:
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


@pytest.fixture
def elsewhere(site: Administered, tmp_path: Path) -> Elsewhere:
    folder = tmp_path / "empty"
    folder.mkdir()
    return Elsewhere(site, folder)


def test_options_are_read_as_on_the_machine(site: Administered, elsewhere: Elsewhere) -> None:
    for words in (("get", SIZE), ("get", SIZE, "--json"), ("get", "servers.default.general.bindings")):
        assert elsewhere.told(*words) == site.service.run(*words).stdout
    table = elsewhere.told("get", "servers.default.messages").splitlines()
    assert set(site.service.run("get", "servers.default.messages").stdout.splitlines()) == set(table)
    below = json.loads(elsewhere.told("get", "servers.default", "--json"))
    assert below["messages"]["size_limit"] == json.loads(elsewhere.told("get", SIZE, "--json"))


def test_an_option_is_changed_there_and_the_revision_told(site: Administered, elsewhere: Elsewhere) -> None:
    said = elsewhere.told("set", SIZE, "3MB")
    assert f"The settings of {elsewhere.address} are changed: revision " in said and f"Applied: {SIZE}." in said
    assert 'size_limit = "3MB"' in site.service.file.read_text()
    facts = json.loads(elsewhere.told("set", SIZE, "4MB", "--json"))
    assert (facts["value"], facts["applied"], facts["needs_restart"]) == ("4MB", [SIZE], [])
    assert facts["revision"] == site.service.ask("status")["revision"]
    assert "are so already" in elsewhere.told("set", SIZE, "4MB")
    row = site.service.ask("settings", "history")[0]
    assert (row["by"], row["face"], row["operation"]) == ("token tests", "rest", "settings.change")


def test_nobodys_newer_change_is_undone(site: Administered, elsewhere: Elsewhere) -> None:
    seen = json.loads(elsewhere.told("set", SIZE, "5MB", "--json"))["revision"]
    site.service.run("set", SIZE, "6MB")
    before = site.service.file.read_text()
    for run in (
        elsewhere.run("set", SIZE, "7MB", "--base", str(seen)),
        site.service.run("set", SIZE, "7MB", "--base", str(seen), check=False),
    ):
        assert run.returncode == 1
        assert SIZE in run.stderr and f"revision {seen + 1}" in run.stderr
    assert site.service.file.read_text() == before
    elsewhere.told("set", SIZE, "7MB", "--base", str(seen + 1))


def test_domains_are_changed_there(site: Administered, elsewhere: Elsewhere) -> None:
    elsewhere.told("domain", "add", "a.example", "type=alias", "--server", "default")
    facts = json.loads(elsewhere.told("domain", "rename", "a.example", "b.example", "--json"))
    assert (facts["service"], facts["domain"]) == (elsewhere.address, "b.example")
    elsewhere.told("domain", "add", "*.partner.example")
    elsewhere.told("domain", "set", "*.partner.example", "relay=true", "route=relay.example:26")
    assert elsewhere.told("domain", "list") == site.service.run("domain", "list").stdout
    assert "relay.example:26" in elsewhere.told("domain", "list", "--server", "default")
    elsewhere.told("domain", "default", "b.example")
    elsewhere.told("domain", "remove", "*.partner.example")
    rows = {row["domain"]: row["type"] for row in json.loads(elsewhere.told("domain", "list", "--json"))}
    assert rows["b.example"] == "default" and "*.partner.example" not in rows


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["get", "servers.default.messages.size_limt"], "no such option"),
        (["set", SIZE, "many"], SIZE),
        (["set", "no.such", "1"], "no such option"),
        (["domain", "remove", "x.example"], "no such domain"),
        (["domain", "add", "a..b"], "not the name of a domain"),
        (["domain", "add", "c.example", "relay"], "OPTION=VALUE"),
        (["domain", "list", "--server", "nix"], "there are: default"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_said_with_the_same_exit_code(
    site: Administered, elsewhere: Elsewhere, words: list[str], said: str
) -> None:
    before = site.service.file.read_text()
    for done in (elsewhere.run(*words), site.service.run(*words, check=False)):
        assert done.returncode == 2, done.stderr
        assert said in done.stderr
    assert site.service.file.read_text() == before


def test_a_configuration_is_copied_from_there_and_to_there(site: Administered, elsewhere: Elsewhere) -> None:
    copy = elsewhere.folder.with_name("copy.toml")
    assert "size_limit" in elsewhere.told("config", "export")
    assert f"{copy} is written" in elsewhere.told("config", "export", str(copy))
    there = elsewhere.run("config", "import", str(copy))
    assert there.returncode == 1 and "say force to replace them" in there.stderr
    copy.write_text(copy.read_text() + '\n[servers.default.domains."copied.example"]\n')
    said = elsewhere.told("config", "import", str(copy), "--force")
    assert f"The configuration of {elsewhere.address} is written." in said and "restarted inside" in said
    site.awake()
    assert "copied.example" in elsewhere.told("domain", "list")
    for words in (("export", "--secrets", "x"), ("import", str(copy), "--dry-run")):
        refused = elsewhere.run("config", *words)
        assert refused.returncode == 2 and "there" in refused.stderr
    copy.write_text("[servers.default.messages]\nsize_limit = 'many'\n")
    refused = elsewhere.run("config", "import", str(copy), "--force")
    assert refused.returncode == 2 and "were not changed" in refused.stderr and "size_limit" in refused.stderr


def test_who_may_not_is_told(site: Administered, elsewhere: Elsewhere) -> None:
    viewer = site.service.ask("token", "create", "viewer", "--role", "viewer")["token"]
    assert elsewhere.run("get", SIZE, token=viewer).returncode == 0
    done = elsewhere.run("set", SIZE, "9MB", token=viewer)
    assert done.returncode == 1 and "is not for this viewer" in done.stderr
