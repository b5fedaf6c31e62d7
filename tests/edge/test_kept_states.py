"""States of virtual servers that outlive the service."""

import stat
from pathlib import Path

import pytest

from mailroot.edge.keptstates import keep_states, read_states, states_path
from mailroot.mail.faults import Fault


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "mailroot.toml"
    assert read_states(file) == {}
    keep_states(file, {"one": "stopped", "two": "started"})
    assert read_states(file) == {"one": "stopped", "two": "started"}
    assert stat.S_IMODE(states_path(file).stat().st_mode) == 0o600
    keep_states(file, {})
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("text", ["", "[]", '{"one": "elsewhere"}', '{"one": ["stopped"]}', "\x00"])
def test_what_is_none_of_ours_means_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "mailroot.toml"
    states_path(file).write_text(text)
    assert read_states(file) == {}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="cannot be kept"):
        keep_states(tmp_path / "none" / "mailroot.toml", {"one": "stopped"})
