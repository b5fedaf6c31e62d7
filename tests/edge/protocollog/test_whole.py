"""Whole lines in one file, whoever writes, whatever the disk does."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mailroot.edge.protocollog import whole
from mailroot.edge.protocollog.whole import WholeLines

HEADER = b"#Software: x\n#Version: 1.0\n#Date: 2026-11-28 08:00:00\n#Fields: time c-ip\n"
OTHER = b"#Software: x\n#Version: 1.0\n#Date: 2026-11-28 09:00:00\n#Fields: time\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "ex261128.log"


def test_the_header_stands_above_the_first_lines_only(file: Path) -> None:
    lines = WholeLines()
    lines.append(file, HEADER, b"a\n")
    lines.append(file, HEADER, b"b\nc\n")
    assert file.read_bytes() == HEADER + b"a\nb\nc\n"
    assert file.stat().st_mode & 0o777 == 0o640


def test_another_writer_finds_the_header(file: Path) -> None:
    for number in range(3):
        WholeLines().append(file, HEADER, b"%d\n" % number)
    assert file.read_bytes() == HEADER + b"0\n1\n2\n"


def test_other_fields_get_a_header_of_their_own(file: Path) -> None:
    one, two = WholeLines(), WholeLines()
    one.append(file, HEADER, b"a\n")
    two.append(file, OTHER, b"b\n")
    one.append(file, HEADER, b"c\n")
    one.append(file, HEADER, b"d\n")
    two.append(file, HEADER, b"e\n")
    assert file.read_bytes() == HEADER + b"a\n" + OTHER + b"b\n" + HEADER + b"c\nd\ne\n"


def test_a_header_is_found_across_the_borders_of_pieces(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "_CHUNK", 16)
    for padding in range(16):
        file.unlink(missing_ok=True)
        WholeLines().append(file, HEADER, b"x" * padding + b"\n" + b"y" * 50 + b"\n")
        WholeLines().append(file, HEADER, b"z\n")
        assert file.read_bytes().count(b"#Fields") == 1
        WholeLines().append(file, OTHER, b"z\n")
        WholeLines().append(file, OTHER, b"z\n")
        assert file.read_bytes().count(b"#Fields") == 2


def test_without_a_header_there_is_none(file: Path) -> None:
    WholeLines().append(file, b"", b"a\n")
    WholeLines().append(file, b"", b"b\n")
    assert file.read_bytes() == b"a\nb\n"


def test_a_file_that_was_moved_away_is_begun_anew(file: Path) -> None:
    lines = WholeLines()
    lines.append(file, HEADER, b"a\n")
    file.rename(file.with_suffix(".1"))
    lines.append(file, HEADER, b"b\n")
    assert file.read_bytes() == HEADER + b"b\n"
    file.write_bytes(b"")  # as logrotate's copytruncate does
    lines.append(file, HEADER, b"c\n")
    assert file.read_bytes() == HEADER + b"c\n"


@pytest.mark.parametrize("torn", [b"half a li", HEADER[:5], HEADER[:-1], b"a" * 70_000])
def test_what_a_crash_has_torn_is_mended(file: Path, torn: bytes) -> None:
    WholeLines().append(file, HEADER, b"a\n")
    with file.open("ab") as other:
        other.write(torn[:60_000])
    WholeLines().append(file, HEADER, b"b\n")
    found = file.read_bytes()
    assert [line for line in found.splitlines() if not line.startswith(b"#")] == [b"a", b"b"]
    assert (found.count(b"#Fields"), found.count(b"#F"), found.endswith(b"\nb\n")) == (1, 1, True)


@pytest.mark.parametrize("length", range(1, len(HEADER)))
def test_a_torn_header_is_written_again(file: Path, length: int) -> None:
    file.write_bytes(HEADER[:length])
    WholeLines().append(file, HEADER, b"a\n")
    assert file.read_bytes().endswith(HEADER + b"a\n")
    assert file.read_bytes().count(b"#Fields") == 1


def test_a_batch_that_does_not_fit_leaves_nothing(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = WholeLines()
    lines.append(file, HEADER, b"a\n")
    real = os.write
    full = False

    def write(descriptor: int, octets: bytes) -> int:
        nonlocal full
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        full = True
        return real(descriptor, octets[:5])

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OSError, match="No space"):
        lines.append(file, HEADER, b"bbbbbbbbbb\n")
    monkeypatch.setattr(os, "write", real)
    assert file.read_bytes() == HEADER + b"a\n"
    lines.append(file, HEADER, b"c\n")
    assert file.read_bytes() == HEADER + b"a\nc\n"


def test_a_file_that_would_grow_too_large_is_left(file: Path) -> None:
    lines = WholeLines()
    assert lines.append(file, HEADER, b"a" * 500 + b"\n", limit=100), "more than the limit at once has to go somewhere"
    assert not lines.append(file, HEADER, b"b\n", limit=100)
    assert b"b" not in file.read_bytes().removeprefix(HEADER)


def test_a_lock_that_is_never_given_back_is_a_fault(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "_LOCK_PATIENCE", 0.05)
    file.write_bytes(b"")
    with file.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="locked"):
            WholeLines().append(file, HEADER, b"a\n")
    WholeLines().append(file, HEADER, b"a\n")


def test_no_link_is_followed(file: Path, tmp_path: Path) -> None:
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        WholeLines().append(file, HEADER, b"a\n")
    assert not (tmp_path / "elsewhere").exists()


WRITER = """
import sys
from pathlib import Path
from mailroot.edge.protocollog.whole import WholeLines
lines, header = WholeLines(), Path(sys.argv[2]).read_bytes()
for number in range(60):
    batch = "".join(f"{sys.argv[3]}-{number}-{one}\\n" for one in range(20))
    lines.append(Path(sys.argv[1]), header, batch.encode())
"""


def test_several_processes_write_whole_lines_under_one_header(file: Path, tmp_path: Path) -> None:
    (tmp_path / "header").write_bytes(HEADER)
    command = [sys.executable, "-c", WRITER, str(file), str(tmp_path / "header")]
    environment = {**os.environ, "PYTHONPATH": str(Path(whole.__file__).parents[3])}
    writers = [subprocess.Popen([*command, name], env=environment) for name in "abcd"]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    lines = file.read_bytes().removeprefix(HEADER).splitlines()
    assert sorted(lines) == sorted(b"%c-%d-%d" % (ord(n), i, j) for n in "abcd" for i in range(60) for j in range(20))


def test_several_threads_do_as_well(file: Path) -> None:
    def write() -> None:
        lines = WholeLines()
        for number in range(50):
            lines.append(file, HEADER, b"%d\n" % number)

    threads = [threading.Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.read_bytes().count(b"#Fields") == 1
    assert len(file.read_bytes().splitlines()) == 4 + 150
