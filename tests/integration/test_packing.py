"""Packed conversations never see each other: each is learned as if it stood alone."""

from pathlib import Path
from typing import Any

import pytest

from medreason.finetune.examples import IGNORED, Examples
from medreason.finetune.packing import bins, packed_count
from medreason.finetune.progress import Recorder
from medreason.finetune.recipe import rhythm
from medreason.finetune.stopping import Stopping
from tests.fitting import QUIET, fitted, loaded, task

pytestmark = QUIET
ROW = 200


@pytest.fixture(scope="module")
def trainer(tiny_qwen3: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The trainer of a run with packing, with its rows."""
    from medreason.finetune.callbacks import Reporter
    from medreason.finetune.fitting import dressed, trainer_of

    run = tmp_path_factory.mktemp("runs") / "packed"
    base = loaded(tiny_qwen3)
    made = task(base, run, packing=True, max_length=ROW, lora_dropout=0.0, batch_size=1)
    reporter = Reporter(Recorder(run), rhythm(made.config, len(made.train.rows)), Stopping(), measures=True)
    model = dressed(base.model, made.config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=0.1)
    return trainer_of(model, base.tokenizer, made, reporter)


def loss(trainer: Any, batch: dict) -> float:
    import torch

    trainer.model.eval()
    with torch.no_grad():
        return float(trainer.compute_loss(trainer.model, trainer._prepare_inputs(dict(batch))))


def rows(trainer: Any) -> list[dict]:
    """Rows with more than one conversation."""
    return [row for row in trainer.train_dataset if len(row["seq_lengths"]) > 1]


def alone(trainer: Any, row: dict, start: int, end: int) -> float:
    one = {
        "input_ids": row["input_ids"][start:end],
        "labels": row["labels"][start:end],
        "seq_lengths": [end - start],
    }
    return loss(trainer, trainer.data_collator([one]))


def spans(row: dict) -> list[tuple[int, int]]:
    ends = [sum(row["seq_lengths"][: index + 1]) for index in range(len(row["seq_lengths"]))]
    return list(zip([0, *ends[:-1]], ends, strict=True))


def test_each_packed_conversation_has_the_loss_it_has_alone(trainer: Any) -> None:
    checked = 0
    for row in rows(trainer):
        for start, end in spans(row):
            labels = [label if start <= at < end else IGNORED for at, label in enumerate(row["labels"])]
            together = loss(trainer, trainer.data_collator([{**row, "labels": labels}]))
            assert together == pytest.approx(alone(trainer, row, start, end), rel=1e-5)
            checked += 1
    assert checked >= 6


def test_other_words_in_one_conversation_change_nothing_in_the_next(trainer: Any) -> None:
    row = rows(trainer)[0]
    (first, split), (start, end) = spans(row)[:2]
    labels = [label if start <= at < end else IGNORED for at, label in enumerate(row["labels"])]
    other = {**row, "labels": labels, "input_ids": [7] * (split - first) + row["input_ids"][split:]}
    before = loss(trainer, trainer.data_collator([{**row, "labels": labels}]))
    assert loss(trainer, trainer.data_collator([other])) == pytest.approx(before, rel=1e-6)


def test_several_packed_rows_at_once_are_as_apart(trainer: Any) -> None:
    some = rows(trainer)[:2]
    taught = [sum(label != IGNORED for label in row["labels"]) for row in some]
    each = [loss(trainer, trainer.data_collator([row])) for row in some]
    together = sum(one * count for one, count in zip(each, taught, strict=True)) / sum(taught)
    assert loss(trainer, trainer.data_collator(some)) == pytest.approx(together, rel=1e-5)


def test_the_batch_has_no_mask_and_its_positions_begin_anew(trainer: Any) -> None:
    """With a mask of ones the library would not look at the positions, and everything would see everything."""
    row = rows(trainer)[0]
    batch = trainer.data_collator([row])
    assert "attention_mask" not in batch
    assert batch["position_ids"][0].tolist() == [at for length in row["seq_lengths"] for at in range(length)]


def test_no_token_and_no_label_is_lost(trainer: Any, tiny_qwen3: Path, tmp_path: Path) -> None:
    plain: Examples = task(loaded(tiny_qwen3), tmp_path / "plain", max_length=ROW).train
    packed = trainer.train_dataset
    found = sorted(
        (row["input_ids"][start:end], row["labels"][start:end]) for row in packed for start, end in spans(row)
    )
    assert found == sorted((row["input_ids"], row["labels"]) for row in plain.rows)
    assert len(packed) == packed_count([len(row["input_ids"]) for row in plain.rows], ROW) < len(plain.rows)


def test_the_held_out_loss_does_not_depend_on_packing_or_batch_size(tiny_qwen3: Path, tmp_path: Path) -> None:
    one = fitted(tiny_qwen3, tmp_path / "packed", packing=True, max_length=ROW, max_steps=1)
    other = fitted(tiny_qwen3, tmp_path / "plain", max_length=ROW, max_steps=1, batch_size=1)
    assert one.held_out_before == pytest.approx(other.held_out_before, rel=1e-5)
    assert one.tokens_seen > 0 and one.steps == one.total_steps == 1


def test_rows_are_as_many_as_trl_makes_of_them() -> None:
    from datasets import Dataset
    from trl import pack_dataset

    lengths = [(at * 37) % 190 + 5 for at in range(120)]
    table = Dataset.from_dict({"input_ids": [[at] * length for at, length in enumerate(lengths)]})
    assert len(bins(lengths, ROW)) == len(pack_dataset(table, ROW, "bfd"))
