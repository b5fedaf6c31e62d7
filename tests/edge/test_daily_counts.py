"""Daily counts on disk: read as they were written, or told to be damaged, never anything else."""

import os
import stat
from pathlib import Path

import pytest

from mailroot.edge.dailycounts import DailyCounts, counts_path, keep_counts, read_counts
from mailroot.mail.faults import Fault, Unavailable

KEPT = DailyCounts(1_900_000_000_000_000_000, (1 << 63) - 1, 20_000, {0: 1, 16_383: 4_000_000_000})


def test_what_is_kept_is_read_again_and_replaced(tmp_path: Path) -> None:
    assert read_counts(tmp_path) is None
    keep_counts(tmp_path, lambda: KEPT)
    assert read_counts(tmp_path) == KEPT
    later = DailyCounts(KEPT.written + 1, KEPT.salt, 20_001, {})
    keep_counts(tmp_path, lambda: later)
    assert read_counts(tmp_path) == later
    assert [*tmp_path.iterdir()] == [counts_path(tmp_path)]
    assert stat.S_IMODE(counts_path(tmp_path).stat().st_mode) == 0o600


def test_a_draft_that_a_crash_left_is_in_nobodys_way(tmp_path: Path) -> None:
    counts_path(tmp_path).with_name(".daily-counts.new").write_bytes(b"half")
    assert read_counts(tmp_path) is None
    keep_counts(tmp_path, lambda: KEPT)
    assert read_counts(tmp_path) == KEPT


def test_every_cut_and_every_changed_octet_is_seen(tmp_path: Path) -> None:
    keep_counts(tmp_path, lambda: KEPT)
    path = counts_path(tmp_path)
    whole = path.read_bytes()
    wrong = [whole[:length] for length in range(len(whole))]
    wrong += [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    wrong += [whole + b"\0", bytes(1 << 20)]
    for octets in wrong:
        path.write_bytes(octets)
        with pytest.raises(Unavailable, match="damaged"):
            read_counts(tmp_path)


def test_no_link_is_followed_and_no_pipe_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"x")
    counts_path(tmp_path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Fault):
        read_counts(tmp_path)
    counts_path(tmp_path).with_name(".daily-counts.new").symlink_to(tmp_path / "elsewhere")
    keep_counts(tmp_path, lambda: KEPT)
    assert read_counts(tmp_path) == KEPT and (tmp_path / "elsewhere").read_bytes() == b"x"
    counts_path(tmp_path).unlink()
    os.mkfifo(counts_path(tmp_path))
    with pytest.raises(Unavailable, match="damaged"):
        read_counts(tmp_path)


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="daily counts"):
        keep_counts(tmp_path / "none", lambda: KEPT)
