"""Looking at data and preparing them beside the page: what is on the desk stays there for the next page."""

import csv
import time
from pathlib import Path

import pytest

from medreason.data.sources import columns_of
from medreason.domain.dataset import Preparation, SourceKind
from medreason.domain.user import Role, User
from medreason.errors import MedReasonError, NotAllowed, NotFound
from medreason.folder import DataFolder
from medreason.services.data_desk import Asked, DataDesk, Desk, columns_text, mapping_of
from medreason.services.datasets import DataSets

USER = User(1, "someone", Role.ENGINEER)


@pytest.fixture
def desk(folder: DataFolder) -> DataDesk:
    return DataDesk(DataSets(folder, ()))


@pytest.fixture
def rows_csv(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "reasoning", "final"])
        for number in range(12):
            words = f"number {number} " * 5
            writer.writerow([f"Which case is {words}?", f"I think of {words * 9}", f"It is {words}"])
        writer.writerow(["Which one is empty?", "", "None."])
    return path


def settled(desk: DataDesk) -> Desk:
    until = time.monotonic() + 10
    while (found := desk.of(USER)).busy:
        assert time.monotonic() < until
        time.sleep(0.001)
    return found


def test_a_look_finds_columns_by_their_likeness_and_faults_by_row(desk: DataDesk, rows_csv: Path) -> None:
    desk.look(
        USER,
        Asked(SourceKind.FILE, str(rows_csv), columns="Question=prompt, Complex_CoT=reasoning, Response=final"),
    )
    found = settled(desk)
    assert found.look is not None and (found.look.rows_read, found.look.faulty_rows) == (13, 1)
    assert found.look.faults[0].column in ("reasoning", "Complex_CoT")
    desk.count(USER, Preparation(skip_faulty_rows=True, min_thinking_chars=10, max_rows=4))
    counted = settled(desk).counts
    assert counted is not None and counted.train + counted.held_out <= 4


def test_proposed_columns_are_used_at_once(desk: DataDesk, rows_csv: Path) -> None:
    text = rows_csv.read_text(encoding="utf-8").replace("prompt,reasoning,final", "prompt,reasoning,answer")
    rows_csv.write_text(text, encoding="utf-8")
    desk.look(USER, Asked(SourceKind.FILE, str(rows_csv)))
    found = settled(desk)
    assert dict(columns_of(found.asked.columns))["Response"] == "answer"
    assert found.look is not None and len(found.look.rows) == 12


def test_a_refusal_stays_on_the_desk_as_a_sentence_and_keeps_what_was_there(desk: DataDesk) -> None:
    desk.look(USER, Asked())
    before = settled(desk).look
    desk.look(USER, Asked(SourceKind.FILE, "/no/such/file.csv"))
    after = settled(desk)
    assert after.work is not None and "/no/such/file.csv" in after.work.fault
    assert after.look == before


def test_nothing_is_prepared_before_it_was_looked_at(desk: DataDesk) -> None:
    with pytest.raises(MedReasonError, match="looked at"):
        desk.prepare(USER, "x", Preparation(), "embedded", "")
    with pytest.raises(NotFound):
        desk.open(USER, "nothing")


def test_a_rater_may_not_look(desk: DataDesk) -> None:
    with pytest.raises(NotAllowed):
        desk.look(User(2, "rater", Role.RATER), Asked())


def test_names_of_data_are_made_fit() -> None:
    desk = DataDesk(DataSets(DataFolder(Path("/nowhere")), ()))
    assert desk.free_name("medical o1/été.csv") == "medical-o1--t--csv"
    assert desk.free_name("///") == "data"


def test_columns_are_written_as_they_are_read() -> None:
    names = ("prompt", "Complex_CoT", "answer")
    mapping = mapping_of("Question=prompt, Response=answer", names)
    assert mapping == {"Question": "prompt", "Complex_CoT": "Complex_CoT", "Response": "answer"}
    assert mapping_of(columns_text(mapping), names) == mapping
