"""A folder is opened once; what is done in it later goes by its descriptor."""

from pathlib import Path

from mailroot.edge.files.whole import NewFile, WholeFiles


def test_P07_a_folder_that_is_swapped_for_a_link_leads_nobody_elsewhere(tmp_path: Path) -> None:
    drop, moved, elsewhere = tmp_path / "Drop", tmp_path / "moved", tmp_path / "elsewhere"
    elsewhere.mkdir()
    files = WholeFiles("s1-0")
    files.open([str(drop)])
    staged = files.stage(NewFile(str(drop), "one.eml", lambda: [[b"content"]]))
    drop.rename(moved)
    drop.symlink_to(elsewhere)
    files.publish([staged])
    files.close()
    assert (moved / "one.eml").read_bytes() == b"content"
    assert list(elsewhere.iterdir()) == []


def test_P07_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "one.eml").symlink_to(target)
    files = WholeFiles("s1-0")
    staged = files.stage(NewFile(str(tmp_path), "one.eml", lambda: [[b"content"]]))
    files.publish([staged])
    files.close()
    assert not target.exists()
