"""Prepared data on disk: whole or not there, read back as they were, refused where they were tampered with."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medreason.data.cases import load_cases
from medreason.data.prepared import (
    BUILDING,
    cases_of,
    is_prepared,
    list_prepared,
    prepared_rows,
    read_lengths,
    read_prepared,
    write_prepared,
)
from medreason.data.rows import Row
from medreason.data.sources import load, source_of, stamp_of
from medreason.data.training_rows import rows_for
from medreason.domain.conversation import LONGEST_QUESTION
from medreason.domain.dataset import (
    CaseOverlap,
    Lengths,
    Preparation,
    PreparedData,
    RowCounts,
    Source,
    SourceKind,
)
from medreason.domain.training import TrainingConfig
from medreason.errors import Invalid, MedReasonError
from medreason.folder import DataFolder

DATA = PreparedData(
    name="mine",
    source=Source(SourceKind.HUB, "owner/name", "en", "abc", (("Question", "prompt"),)),
    preparation=Preparation(min_thinking_chars=3, eval_fraction=0.25, seed=1),
    counts=RowCounts(9, 1, 1, 1, 1, 1, 3, 1),
    sha256_train="",
    sha256_held_out="",
    source_sha256="ff",
    tokenizer="words",
    proposed_max_length=128,
    overlaps=(CaseOverlap("c", 2, 0.75),),
    created_at="2026-01-02T03:04:05+00:00",
)
LENGTHS = Lengths("words", (9, 8, 7, 6), (1, 1, 1, 1), (2, 2, 2, 2), (3, 3, 3, 3), (4, 4, 4, 4))
TRAIN = [Row(f"Why {number}?", "Thinking.", "So.", "cardiology", "a book") for number in range(3)]
HELD_OUT = [Row("Held out?", "Thinking\u2028on.", "So 😀.")]


@pytest.fixture
def made(folder: DataFolder) -> Path:
    write_prepared(folder.datasets / "mine", DATA, TRAIN, HELD_OUT, LENGTHS)
    return folder.datasets / "mine"


def test_what_is_written_is_read_back(made: Path) -> None:
    data = read_prepared(made)
    assert replace(data, sha256_train="", sha256_held_out="") == DATA
    assert len(data.sha256_train) == len(data.sha256_held_out) == 64
    assert read_lengths(made) == LENGTHS
    assert prepared_rows(made) == (tuple(TRAIN), tuple(HELD_OUT))
    assert sorted(one.name for one in made.iterdir()) == [
        "cases.jsonl", "eval.jsonl", "lengths.json", "manifest.json", "train.jsonl",
    ]  # fmt: skip
    assert [one.name for one in made.parent.iterdir()] == ["mine"]


# Whatever can be a row: every character but NUL and half a surrogate pair, blanks at the ends included.
CELL = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1).filter(str.strip)
ANY_ROW = st.builds(Row, CELL, CELL, CELL, st.just("") | CELL, st.just("") | CELL)
TRICKY = Row("\u2028 \u202b مرحبا \u202c\r\n", "😀\u2029\x85\x0b\t", '\ufeff"quoted"\\', "é", "\u200f")


@settings(max_examples=25, deadline=None)
@given(st.lists(ANY_ROW, max_size=5))
def test_nothing_of_any_row_is_lost_on_disk(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    path = tmp_path_factory.mktemp("data") / "mine"
    write_prepared(path, DATA, [*rows, TRICKY], rows, LENGTHS)
    assert prepared_rows(path) == ((*rows, TRICKY), tuple(rows))


def test_a_name_that_is_taken_is_refused_and_the_data_stay(made: Path) -> None:
    before = (made / "manifest.json").read_bytes()
    with pytest.raises(MedReasonError, match="already something named mine"):
        write_prepared(made, DATA, HELD_OUT, TRAIN, LENGTHS)
    assert (made / "manifest.json").read_bytes() == before
    assert [one.name for one in made.parent.iterdir()] == ["mine"]


def test_of_two_that_write_the_same_name_at_once_one_is_refused(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medreason.data.prepared.refuse_existing", lambda path: None)
    with pytest.raises(MedReasonError, match="cannot be written"):
        write_prepared(made, DATA, HELD_OUT, TRAIN, LENGTHS)
    assert prepared_rows(made)[0] == tuple(TRAIN)


def test_what_fails_half_way_leaves_nothing(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("medreason.data.prepared.os.fsync", full)
    with pytest.raises(MedReasonError, match=r"cannot be written .* \(No space left on device\). Make room"):
        write_prepared(folder.datasets / "mine", DATA, TRAIN, HELD_OUT, LENGTHS)
    assert list(folder.datasets.iterdir()) == []


def test_what_a_killed_process_left_goes_after_a_day(folder: DataFolder) -> None:
    old, new = folder.datasets / f"{BUILDING}old", folder.datasets / f"{BUILDING}new"
    for left in (old, new):
        left.mkdir()
        (left / "train.jsonl").write_text("half")
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    write_prepared(folder.datasets / "mine", DATA, TRAIN, HELD_OUT, LENGTHS)
    assert sorted(one.name for one in folder.datasets.iterdir()) == [new.name, "mine"]
    assert list_prepared(folder.datasets) == [read_prepared(folder.datasets / "mine")]


@pytest.mark.parametrize("name", ["../up", "", ".hidden", "a/b", "x" * 65, "sp ace"])
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="Name of the data"):
        replace(DATA, name=name)


@pytest.mark.parametrize("name", ["train.jsonl", "eval.jsonl"])
def test_rows_that_were_changed_are_refused(made: Path, name: str) -> None:
    with (made / name).open("a") as file:
        file.write(json.dumps({"Question": "a", "Complex_CoT": "b", "Response": "c"}) + "\n")
    with pytest.raises(MedReasonError, match=f"mine is damaged: {name} was changed after it was prepared"):
        prepared_rows(made)


@pytest.mark.parametrize("name", ["train.jsonl", "eval.jsonl", "manifest.json"])
def test_a_link_in_place_of_a_file_is_refused(made: Path, tmp_path: Path, name: str) -> None:
    shutil.move(made / name, tmp_path / name)
    (made / name).symlink_to(tmp_path / name)
    with pytest.raises(MedReasonError, match=f"{name} is no ordinary file of its folder"):
        prepared_rows(made)


def test_a_link_in_place_of_the_folder_is_no_prepared_data(made: Path, folder: DataFolder) -> None:
    (folder.datasets / "link").symlink_to(made)
    assert not is_prepared(folder.datasets / "link")
    assert [data.name for data in list_prepared(folder.datasets)] == ["mine"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"7", b"{}", b"\xff", b"[" * 100_000, b'{"name": "mine", "source": 5}'],
)
def test_a_damaged_manifest_is_refused_and_left_out_of_the_list(made: Path, content: bytes) -> None:
    (made / "manifest.json").write_bytes(content)
    with pytest.raises(MedReasonError, match="mine is damaged: its manifest.json cannot be read"):
        read_prepared(made)
    assert list_prepared(made.parent) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("counts", {"read": "many"}),
        ("preparation", {"seed": -1}),
        ("overlaps", [{}]),
        ("extra", 1),
        ("name", "../x"),
    ],
)
def test_a_manifest_with_other_fields_is_refused(made: Path, field: str, value: object) -> None:
    told = json.loads((made / "manifest.json").read_text())
    (made / "manifest.json").write_text(json.dumps({**told, field: value}))
    with pytest.raises(MedReasonError):
        read_prepared(made)
    assert list_prepared(made.parent) == []


def test_damaged_lengths_are_refused(made: Path) -> None:
    (made / "lengths.json").write_text('{"tokenizer": "x", "whole": ["a"]}')
    with pytest.raises(MedReasonError, match="its lengths.json cannot be read"):
        read_lengths(made)


def test_what_is_not_there_is_said_to_be_missing(folder: DataFolder) -> None:
    with pytest.raises(MedReasonError, match="There is no prepared data none"):
        read_prepared(folder.datasets / "none")
    assert list_prepared(folder.root / "nowhere") == []


def test_the_newest_come_first_and_are_called_as_their_folders(folder: DataFolder) -> None:
    for name, day in (("older", "01"), ("newer", "03"), ("middle", "02")):
        data = replace(DATA, created_at=f"2026-01-{day}T00:00:00+00:00")
        write_prepared(folder.datasets / name, data, TRAIN, HELD_OUT, LENGTHS)
    assert [data.name for data in list_prepared(folder.datasets)] == ["newer", "middle", "older"]


def test_held_out_rows_become_a_deck_that_can_be_loaded(made: Path) -> None:
    (case,) = load_cases(made / "cases.jsonl")
    assert (case.case_id, case.text, case.reference_answer) == ("held-out-0001", "Held out?", "So 😀.")
    too_long = Row("x" * (LONGEST_QUESTION + 1), "t", "r")
    assert [one["case_id"] for one in cases_of([too_long, HELD_OUT[0]])] == ["held-out-0002"]


def test_a_run_takes_prepared_data_as_they_are(made: Path, folder: DataFolder) -> None:
    # Settings that would filter raw rows do nothing to rows that were prepared.
    config = TrainingConfig(data="mine", max_rows=0, min_thinking_chars=500, eval_fraction=0.5, seed=9)
    rows = rows_for(config, folder)
    assert (rows.train, rows.held_out) == (tuple(TRAIN), tuple(HELD_OUT))
    assert (rows.name, rows.rows_read, rows.revision, rows.counts) == ("mine", 9, "abc", DATA.counts)
    assert rows_for(replace(config, data=str(made)), folder) == rows


def test_a_run_on_fewer_prepared_rows_draws_them_by_seed_and_keeps_the_parts_apart(folder: DataFolder) -> None:
    train = [Row(f"Why {number}?", "Thinking.", "So.") for number in range(90)]
    held_out = [Row(f"Held out {number}?", "Thinking.", "So.") for number in range(10)]
    write_prepared(folder.datasets / "mine", DATA, train, held_out, LENGTHS)
    config = TrainingConfig(data="mine", max_rows=20, seed=3)
    rows = rows_for(config, folder)
    assert (len(rows.train), len(rows.held_out)) == (18, 2)
    assert {*rows.train} <= {*train} and {*rows.held_out} <= {*held_out}
    assert rows == rows_for(config, folder) != rows_for(replace(config, seed=4), folder)
    assert (rows.counts.train, rows.counts.held_out, rows.counts.not_drawn) == (18, 2, DATA.counts.not_drawn + 80)


def test_a_changed_row_changes_what_a_run_says_of_its_data(folder: DataFolder) -> None:
    write_prepared(folder.datasets / "a", DATA, TRAIN, HELD_OUT, LENGTHS)
    write_prepared(folder.datasets / "b", DATA, TRAIN, [Row("Other?", "t", "r")], LENGTHS)
    found = [rows_for(TrainingConfig(data=name), folder).sha256 for name in "ab"]
    assert found[0] != found[1]


def test_prepared_data_are_found_by_name_and_read_as_a_source(made: Path, folder: DataFolder) -> None:
    source = source_of("mine", folder=folder)
    assert source == Source(SourceKind.PREPARED, "mine")
    loaded = load(source, folder)
    assert loaded.rows == (*TRAIN, *HELD_OUT) and loaded.name == "mine"
    before = stamp_of(source, folder)
    os.utime(made / "manifest.json", (0, 0))
    assert stamp_of(source, folder) != before
