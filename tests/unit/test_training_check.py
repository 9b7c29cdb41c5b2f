"""What is refused before a run is written down."""

from dataclasses import replace
from pathlib import Path

import pytest

from medreason.data.prepared import write_prepared
from medreason.data.rows import Row
from medreason.domain.dataset import Lengths, Preparation, PreparedData, RowCounts, Source, SourceKind
from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.folder import DataFolder
from medreason.services.training_check import require_disk, require_startable

ROW = '{"Question": "a", "Complex_CoT": "b", "Response": "c"}\n'
FAULTY = '{"Question": "a", "Complex_CoT": "", "Response": "c"}\n'


def prepared(folder: DataFolder, rows: int) -> None:
    data = PreparedData(
        name="mine",
        source=Source(SourceKind.HUB, "owner/name", "en", "abc"),
        preparation=Preparation(),
        counts=RowCounts(rows, 0, 0, 0, 0, 0, rows, 0),
        sha256_train="",
        sha256_held_out="",
        source_sha256="ff",
        tokenizer="words",
        proposed_max_length=128,
        overlaps=(),
        created_at="2026-01-02T03:04:05+00:00",
    )
    lengths = Lengths("words", *[(1,) * rows] * 5)
    write_prepared(folder.datasets / "mine", data, [Row("a", "b", "c")] * rows, [], lengths)


def test_the_usual_configuration_can_be_started(folder: DataFolder) -> None:
    require_startable(TrainingConfig(), folder)


def test_hub_data_are_left_to_the_run(folder: DataFolder) -> None:
    require_startable(TrainingConfig(data="owner/name", data_config="en"), folder)


def test_prepared_data_are_known_by_their_name(folder: DataFolder) -> None:
    prepared(folder, 2)
    require_startable(TrainingConfig(data="mine"), folder)
    with pytest.raises(MedReasonError, match="no training data other"):
        require_startable(TrainingConfig(data="other"), folder)


@pytest.mark.parametrize(
    ("setting", "value", "sentence"),
    [
        ("base_model", "no such model", "was not found"),
        ("data", "/nowhere/rows.jsonl", "no training data"),
        ("data", "https://example.org/rows.jsonl", "is an address"),
        ("columns", "Question", "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(
    folder: DataFolder, setting: str, value: str, sentence: str
) -> None:
    with pytest.raises(MedReasonError, match=sentence):
        require_startable(replace(TrainingConfig(), **{setting: value}), folder)


def test_faulty_rows_are_refused_unless_they_may_be_left_out(folder: DataFolder, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(ROW + FAULTY, encoding="utf-8")
    config = TrainingConfig(data=str(file))
    with pytest.raises(MedReasonError, match="row 2, column Complex_CoT"):
        require_startable(config, folder)
    require_startable(replace(config, skip_faulty_rows=True), folder)
    file.write_text(ROW + ROW, encoding="utf-8")
    require_startable(config, folder)


def test_a_full_disk_is_told_in_two_numbers(folder: DataFolder) -> None:
    require_disk(folder, 1)
    with pytest.raises(MedReasonError, match=r"has [\d,.]+ [GM]B free, and a run needs 900,000.0 GB"):
        require_disk(folder, 9 * 10**14)
