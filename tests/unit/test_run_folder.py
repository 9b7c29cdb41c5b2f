"""The folder of a run: what it is refused for, and that one process works in it at a time."""

import json
import os
from pathlib import Path

import pytest

from medreason.errors import Busy, MedReasonError
from medreason.finetune.run_folder import hold, make_folders, refuse_output, refuse_resume


def test_a_new_folder_and_one_of_the_app_are_taken(tmp_path: Path) -> None:
    refuse_output(tmp_path / "new" / "run")
    for name in ("config.yaml", "ticket.json", "process.json", "train.log", ".process.json.12-34", "title.json"):
        (tmp_path / name).write_text("", encoding="utf-8")
    refuse_output(tmp_path)


@pytest.mark.parametrize("name", ["state.json", "metrics.jsonl", "adapter", "checkpoints"])
def test_a_folder_with_a_run_is_refused_with_the_way_to_resume_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(MedReasonError, match="already holds a run.*--resume"):
        refuse_output(tmp_path)


def test_a_folder_with_anything_else_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("", encoding="utf-8")
    with pytest.raises(MedReasonError, match="not empty"):
        refuse_output(tmp_path)
    with pytest.raises(MedReasonError, match="is not a folder"):
        refuse_output(tmp_path / "thesis.docx")


def test_only_a_run_that_has_not_made_all_its_steps_is_resumed(tmp_path: Path) -> None:
    with pytest.raises(MedReasonError, match="no run in"):
        refuse_resume(tmp_path / "absent")
    with pytest.raises(MedReasonError, match="no run in"):
        refuse_resume(tmp_path)
    (tmp_path / "config.yaml").write_text("run_name: one", encoding="utf-8")
    refuse_resume(tmp_path)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    (adapter / "manifest.json").write_text(json.dumps({"stopped_at": 5}), encoding="utf-8")
    refuse_resume(tmp_path)
    (adapter / "manifest.json").write_text(json.dumps({"stopped_at": None}), encoding="utf-8")
    with pytest.raises(MedReasonError, match="has made all its steps"):
        refuse_resume(tmp_path)


def test_two_processes_never_work_in_one_folder(tmp_path: Path) -> None:
    first = hold(tmp_path)
    with pytest.raises(Busy, match="Another process is at work"):
        hold(tmp_path)
    os.close(first)
    os.close(hold(tmp_path))


def test_the_topmost_folder_that_was_made_is_named(tmp_path: Path) -> None:
    assert make_folders(tmp_path / "a" / "b") == [tmp_path / "a"]
    assert make_folders(tmp_path / "a" / "b") == []
