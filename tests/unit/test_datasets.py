"""Training data as the page asks for them: looked at, prepared under a name, shown as a model will meet them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from medreason.data.prepared import read_prepared
from medreason.domain.case import Case
from medreason.domain.dataset import Preparation, PreparedData, SourceKind
from medreason.domain.training import TrainingConfig
from medreason.domain.user import Role, User
from medreason.errors import MedReasonError, NotAllowed, NotFound
from medreason.folder import DataFolder
from medreason.services import datasets as module
from medreason.services.datasets import DataSets
from tests.word_tokenizer import WordTokenizer

ENGINEER, RATER = User(1, "eva", Role.ENGINEER), User(2, "rex", Role.RATER)
QUESTION = "A woman of {} years has fever and a new murmur after a tooth was drawn; what is the likely cause?"
CASE = Case("seen", QUESTION.format(41))


@pytest.fixture(autouse=True)
def tokenizer(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Words in place of a real tokenizer; returns which were asked for."""
    asked: list[tuple[str, str]] = []

    def load(name: str, revision: str, folder: DataFolder, report: object = None) -> WordTokenizer:
        asked.append((name, revision))
        return WordTokenizer()

    monkeypatch.setattr("medreason.models.tokenizer.load_tokenizer", load)
    return asked


@pytest.fixture
def datasets(folder: DataFolder) -> DataSets:
    return DataSets(folder, (CASE, Case("unseen", "A boy cannot raise his arm after a fall from a horse. Why?")))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Ten good rows, one of them like the case, and two faulty ones."""
    questions = [f"What is finding {number} a sign of, and what is done about it?" for number in range(9)]
    records = [
        {"Question": question, "Complex_CoT": "It points to one cause. " * 12, "Response": "That cause."}
        for question in [*questions, QUESTION.format(41), ""]
    ]
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(record) for record in records]
    path.write_text("\n".join([*lines, "broken"]), encoding="utf-8")
    return path


def prepare(datasets: DataSets, rows: Path, name: str = "mine", **settings: object) -> PreparedData:
    preparation = Preparation(**{"skip_faulty_rows": True, "eval_fraction": 0.2, **settings})
    return datasets.prepare(ENGINEER, name, str(rows), "", "", "", preparation, "some/base")


def test_a_look_tells_faults_and_counts_without_refusing(datasets: DataSets, rows: Path) -> None:
    look = datasets.look(ENGINEER, str(rows))
    assert (look.name, look.rows_read, look.faulty_rows, len(look.rows)) == ("rows.jsonl", 12, 2, 10)
    assert [str(fault) for fault in look.faults] == [
        "row 11, column Question is empty",
        "row 12 is not a JSON object on one line",
    ]
    assert look.counts is not None and (look.counts.train, look.counts.held_out) == (9, 1)
    assert look.proposed == "" and look.source.kind is SourceKind.FILE


def test_a_look_proposes_columns_where_they_are_named_otherwise(datasets: DataSets, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("prompt,reasoning,answer\nWhy?,Because of that.,So.\n", encoding="utf-8")
    look = datasets.look(ENGINEER, str(path))
    assert look.rows == () and look.counts is None
    assert look.proposed == "Question=prompt, Complex_CoT=reasoning, Response=answer"
    assert len(datasets.look(ENGINEER, str(path), columns=look.proposed).rows) == 1


def test_a_look_shows_the_first_rows_only(datasets: DataSets) -> None:
    look = datasets.look(ENGINEER, "curriculum")
    assert len(look.rows) == 50 and look.rows_read >= 160


def test_rows_are_read_again_only_when_the_file_has_changed(
    datasets: DataSets, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    load = module.load
    monkeypatch.setattr(module, "load", lambda *args: read.append(args) or load(*args))
    for _ in range(3):
        datasets.look(ENGINEER, str(rows))
    datasets.counts(ENGINEER, str(rows), "", "", "", Preparation(skip_faulty_rows=True))
    assert len(read) == 1
    rows.write_text(rows.read_text(encoding="utf-8") + "\nbroken too", encoding="utf-8")
    assert datasets.look(ENGINEER, str(rows)).faulty_rows == 3
    assert len(read) == 2


def test_counts_follow_the_preparation_and_write_nothing(datasets: DataSets, rows: Path) -> None:
    counts = datasets.counts(ENGINEER, str(rows), "", "", "", Preparation(max_rows=4, skip_faulty_rows=True))
    assert (counts.read, counts.faulty, counts.not_drawn, counts.train, counts.held_out) == (12, 2, 6, 3, 1)
    with pytest.raises(MedReasonError, match="row 11, column Question is empty"):
        datasets.counts(ENGINEER, str(rows), "", "", "", Preparation())
    assert datasets.prepared() == []


def test_prepared_data_are_there_for_every_later_question(
    datasets: DataSets, rows: Path, folder: DataFolder, tokenizer: list[tuple[str, str]]
) -> None:
    heard: list[float] = []
    data = datasets.prepare(
        ENGINEER, "mine", str(rows), "", "", "", Preparation(skip_faulty_rows=True), "some/base",
        lambda share, words: heard.append(share or 0), "a-revision",
    )  # fmt: skip
    assert datasets.prepared() == [data] == [read_prepared(folder.datasets / "mine")]
    assert (data.counts.read, data.counts.faulty, data.counts.train, data.counts.held_out) == (12, 2, 9, 1)
    assert (data.tokenizer, data.proposed_max_length) == ("some/base", 256)
    assert data.source.place == "rows.jsonl"
    assert tokenizer == [("some/base", "a-revision")]
    lengths = datasets.lengths("mine")
    assert len(lengths.whole) == 10 and lengths.tokenizer == "some/base"
    assert len(datasets.rows("mine", 0, 100)) == 10
    assert datasets.rows("mine", 3, 2) == datasets.rows("mine", 0, 100)[3:5]
    assert datasets.rows("mine", 100, 5) == datasets.rows("mine", -5, 0) == ()
    assert heard[-1] == 0.95 and all(0 <= share <= 1 for share in heard)
    fresh = DataSets(folder, ())
    assert fresh.prepared() == [data] and fresh.lengths("mine") == lengths


def test_cases_among_the_rows_are_named(datasets: DataSets, rows: Path) -> None:
    data = prepare(datasets, rows, eval_fraction=0)
    (found,) = data.overlaps
    assert (found.case_id, found.similarity) == ("seen", 1.0)
    assert datasets.rows("mine")[found.row - 1].question == CASE.text


@pytest.mark.parametrize(
    ("name", "sentence"), [("../up", "1 to 64 letters"), ("", "1 to 64"), (".x", "1 to 64"), ("a/b", "1 to 64")]
)
def test_a_name_that_is_no_name_is_refused(datasets: DataSets, rows: Path, name: str, sentence: str) -> None:
    with pytest.raises(MedReasonError, match=sentence):
        prepare(datasets, rows, name)
    for ask in (datasets.lengths, datasets.rows, lambda one: datasets.delete(ENGINEER, one)):
        with pytest.raises(NotFound):
            ask(name)


def test_a_refusal_comes_before_the_tokenizer_and_leaves_nothing(
    datasets: DataSets, rows: Path, folder: DataFolder, tokenizer: list[tuple[str, str]]
) -> None:
    with pytest.raises(MedReasonError, match="row 11, column Question is empty"):
        prepare(datasets, rows, skip_faulty_rows=False)
    assert tokenizer == [] and list(folder.datasets.iterdir()) == []
    with pytest.raises(MedReasonError, match="thinking of more than 5,000 characters"):
        prepare(datasets, rows, min_thinking_chars=5000)
    assert tokenizer == [] and list(folder.datasets.iterdir()) == []


def test_a_name_that_is_taken_is_refused(datasets: DataSets, rows: Path) -> None:
    first = prepare(datasets, rows)
    with pytest.raises(MedReasonError, match="already something named mine"):
        prepare(datasets, rows, seed=7)
    assert datasets.prepared() == [first]


def test_deleted_data_are_gone_and_the_name_is_free(datasets: DataSets, rows: Path, folder: DataFolder) -> None:
    prepare(datasets, rows)
    datasets.delete(ENGINEER, "mine")
    assert datasets.prepared() == [] and list(folder.datasets.iterdir()) == []
    with pytest.raises(NotFound, match="no prepared data mine"):
        datasets.delete(ENGINEER, "mine")
    assert prepare(datasets, rows).name == "mine"


def test_damaged_data_can_still_be_deleted_and_a_link_is_left_alone(
    datasets: DataSets, rows: Path, folder: DataFolder, tmp_path: Path
) -> None:
    prepare(datasets, rows)
    (folder.datasets / "mine" / "manifest.json").write_text("{")
    datasets.delete(ENGINEER, "mine")
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder.datasets / "link").symlink_to(outside)
    with pytest.raises(NotFound):
        datasets.delete(ENGINEER, "link")
    assert outside.is_dir()


def test_only_who_may_train_may_look_or_change(datasets: DataSets, rows: Path) -> None:
    for ask in (
        lambda: datasets.look(RATER, str(rows)),
        lambda: datasets.counts(RATER, str(rows), "", "", "", Preparation()),
        lambda: datasets.prepare(RATER, "x", str(rows), "", "", "", Preparation(), "some/base"),
        lambda: datasets.delete(RATER, "x"),
    ):
        with pytest.raises(NotAllowed):
            ask()


def test_a_row_is_shown_as_the_model_will_meet_it(datasets: DataSets) -> None:
    config = replace(TrainingConfig(), base_model="some/base")
    row = datasets.look(ENGINEER, "curriculum").rows[2]
    seen = datasets.as_seen("curriculum", 2, config)
    assert [kind for _, kind in seen.segments] == ["read", "learned"]
    asked, said = (text for text, _ in seen.segments)
    assert row.question in asked and said.startswith("<think>") and said.endswith("<|im_end|>")
    assert seen.cut_tokens == 0 and 0 < seen.trained_tokens < seen.tokens


def test_what_is_cut_off_is_told_apart(datasets: DataSets) -> None:
    whole = datasets.as_seen("curriculum", 0, replace(TrainingConfig(), max_length=32_000))
    cut = datasets.as_seen("curriculum", 0, replace(TrainingConfig(), max_length=200))
    assert [kind for _, kind in cut.segments] == ["read", "learned", "cut"]
    assert "".join(text for text, _ in cut.segments) == "".join(text for text, _ in whole.segments)
    assert cut.tokens == whole.tokens == 200 + cut.cut_tokens
    assert cut.trained_tokens + cut.cut_tokens == whole.trained_tokens


def test_in_the_articles_format_everything_is_learned(datasets: DataSets) -> None:
    seen = datasets.as_seen("curriculum", 0, replace(TrainingConfig(), text_format="article", max_length=32_000))
    assert [kind for _, kind in seen.segments] == ["learned"] and seen.tokens == seen.trained_tokens


@pytest.mark.parametrize("index", [-1, 100_000])
def test_a_row_that_is_not_there_is_said_to_be_missing(datasets: DataSets, index: int) -> None:
    with pytest.raises(NotFound, match="The data curriculum has"):
        datasets.as_seen("curriculum", index, TrainingConfig())
