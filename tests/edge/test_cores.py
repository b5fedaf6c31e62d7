"""How many cores are ours, from what the system's files say."""

import os
from pathlib import Path

import pytest

from mailroot.edge.cores import usable_cores

ALL = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("said", "cores"),
    [
        ("max 100000\n", ALL),
        ("100000 100000\n", 1),
        ("50000 100000\n", 1),  # half a core is one worker
        ("150000 100000\n", min(ALL, 2)),
        ("999900000 100000\n", ALL),  # a share beyond the machine
        ("0 100000\n", 1),
        ("", ALL),
        ("100000 0\n", ALL),
        ("a word\n", ALL),
    ],
)
def test_the_share_of_a_control_group_is_kept(tmp_path: Path, said: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(said)
    assert usable_cores(tmp_path, tmp_path / "none") == cores


def test_the_narrowest_group_that_we_are_in_counts(tmp_path: Path) -> None:
    (tmp_path / "ours").write_text("3:cpu:/other\n0::/system.slice/mailroot.service\n")
    inner = tmp_path / "system.slice" / "mailroot.service"
    inner.mkdir(parents=True)
    (inner / "cpu.max").write_text("max 100000\n")
    assert usable_cores(tmp_path, tmp_path / "ours") == ALL
    (inner.parent / "cpu.max").write_text("100000 100000\n")
    assert usable_cores(tmp_path, tmp_path / "ours") == 1


@pytest.mark.parametrize(("quota", "cores"), [("-1", ALL), ("100000", 1), ("150000", min(ALL, 2)), ("x", ALL)])
def test_of_the_first_version_too(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path, tmp_path / "none") == cores


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "none", tmp_path / "none") == ALL
