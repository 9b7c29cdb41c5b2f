"""The data folder is its owner's alone."""

from pathlib import Path

from medreason.folder import DataFolder


def mode(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


def test_nobody_else_looks_into_a_new_data_folder(tmp_path: Path) -> None:
    made = DataFolder(tmp_path / "deeper" / "data")
    made.prepare()
    assert mode(made.root) & 0o077 == 0
    assert all(folder.is_dir() for folder in (made.models, made.runs, made.datasets, made.exports))


def test_a_folder_that_is_there_keeps_its_rights(tmp_path: Path) -> None:
    there = tmp_path / "shared"
    there.mkdir()
    there.chmod(0o750)
    DataFolder(there).prepare()
    assert mode(there) == 0o750
