"""The container file: what it names exists, its commands are ours, and root is not what it runs as.

Nothing here builds it: that needs a registry. The steps that build the wheel and install it are those of `test_wheel`.
"""

import json
import re
import shlex
from pathlib import Path

from mailroot.cli.arguments import parser
from mailroot.edge.settingsfile import SettingsFile
from mailroot.settings.service import Settings
from tests.live.running import ROOT

FOLDER = ROOT / "packaging" / "container"
KNOWN = "ARG FROM WORKDIR COPY RUN USER VOLUME EXPOSE STOPSIGNAL HEALTHCHECK ENTRYPOINT CMD".split()


def steps() -> list[tuple[str, str]]:
    text = (FOLDER / "Containerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def last_stage() -> list[tuple[str, str]]:
    found = steps()
    return found[max(number for number, (word, _) in enumerate(found) if word == "FROM") :]


def test_every_step_is_known_and_every_file_of_ours_is_there() -> None:
    assert {word for word, _ in steps()} == set(KNOWN)
    for word, rest in steps():
        *options, source, _ = shlex.split(rest) if word == "COPY" else ("", "")
        if word == "COPY" and not any(option.startswith("--from") for option in options):
            assert (ROOT / source).exists(), source
        for file in re.findall(r"-r (\S+)", rest):
            assert (ROOT / file).exists()


def test_it_runs_without_root_and_keeps_what_lasts_in_a_volume() -> None:
    said = dict(last_stage())
    words = [word for word, _ in last_stage()]
    assert said["USER"] == "mailroot"
    assert words.index("USER") > max(number for number, word in enumerate(words) if word == "RUN")
    assert said["VOLUME"] == said["WORKDIR"]


def test_what_it_runs_are_commands_of_ours() -> None:
    said = dict(last_stage())
    entry, command = json.loads(said["ENTRYPOINT"]), json.loads(said["CMD"])
    assert entry == ["mailroot"]
    assert parser().parse_args(command).command == "serve"
    program, *words = json.loads(said["HEALTHCHECK"].partition("CMD ")[2])
    assert program == "mailroot"
    assert parser().parse_args(words).operation == "status"


def test_what_is_installed_is_pinned_and_hashed() -> None:
    installed = [rest for word, rest in steps() if word == "RUN" and " pip install " in rest]
    assert installed
    assert all("--require-hashes" in rest or "--no-index" in rest for rest in installed)


def test_its_settings_are_sound_and_open_the_port_that_it_shows(tmp_path: Path) -> None:
    file = tmp_path / "mailroot.toml"
    file.write_text((FOLDER / "mailroot.toml").read_text())
    loaded = SettingsFile(file).load()
    assert isinstance(loaded, Settings)
    (server,) = loaded.servers.values()
    assert [str(binding.port) for binding in server.general.listening] == dict(last_stage())["EXPOSE"].split()
    assert server.access.relay.list == ()
