"""What the processes of a run on several GPUs agree on before they meet, and which rows each of them reads."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.finetune.ranks import ON_CPU, Ranks

CONFIG = TrainingConfig()


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WORLD_SIZE", "RANK", "LOCAL_WORLD_SIZE", ON_CPU):
        monkeypatch.delenv(name, raising=False)


def test_a_process_is_alone_until_a_launcher_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Ranks.of_environment().count, Ranks.of_environment().first) == (1, True)
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    found = Ranks.of_environment()
    assert (found.count, found.rank, found.first) == (4, 3, False)


@pytest.mark.parametrize(
    ("asked", "started", "there", "found"), [(1, 1, 0, 1), (2, 1, 4, 2), (1, 4, 4, 4), (2, 2, 0, 2)]
)
def test_as_many_gpus_as_processes(asked: int, started: int, there: int, found: int) -> None:
    assert Ranks(0, started).settled(replace(CONFIG, gpus=asked), there).gpus == found


@pytest.mark.parametrize(
    ("asked", "started", "there", "words"),
    [
        (4, 1, 2, "asks for 4 GPUs, and this computer has 2. Set “GPUs to use” to 2"),
        (2, 1, 0, "asks for 2 GPUs, and this computer has none. Set “GPUs to use” to 1"),
        (1, 2, 1, "asks for 2 GPUs, and this computer has 1"),
        (4, 2, 4, "ask for 4 GPUs, and the launcher started 2 processes"),
    ],
)
def test_more_than_there_are_or_were_started_is_refused(asked: int, started: int, there: int, words: str) -> None:
    with pytest.raises(MedReasonError, match=words):
        Ranks(0, started).settled(replace(CONFIG, gpus=asked), there)


def test_a_base_is_split_over_several_processes_only() -> None:
    config = replace(CONFIG, split_base=True)
    with pytest.raises(MedReasonError, match="over two or more GPUs. Turn “Split the base over the GPUs” off"):
        Ranks(0, 1).settled(config, 4)
    assert Ranks(0, 2).settled(config, 2).gpus == 2  # a launcher started them


def test_alone_all_that_is_asked_is_its_own_word() -> None:
    alone = Ranks()
    assert alone.agreed(True) and not alone.agreed(False) and alone.gathered("a") == ["a"]
    alone.require_same("rows", "weights")
    assert alone.why(RuntimeError("Connection closed by peer")) == ""


def test_a_broken_line_to_a_process_of_a_launcher_is_told_in_words() -> None:
    one = Ranks(0, 2)
    assert one.why(RuntimeError("[gloo] Connection closed by peer")).startswith("Another process of the run ended")
    assert one.why(ValueError("something else")) == ""


@pytest.mark.parametrize(("rows", "fill"), [(10, 4), (12, 4), (1, 8), (7, 1)])
def test_every_row_is_dealt_once_and_the_blank_one_fills_up(rows: int, fill: int) -> None:
    from medreason.finetune.sharing import Dealt

    for sampler in (Dealt(rows, fill), Dealt(rows, fill, seed=42)):
        order = list(sampler)
        assert len(order) == len(sampler) and len(order) % fill == 0
        assert sorted(order[:rows]) == list(range(rows))
        assert order[rows:] == [rows] * (len(order) - rows) and len(order) - rows < fill


def test_rows_are_shuffled_as_the_library_shuffles_them_for_one_process() -> None:
    from accelerate.data_loader import SeedableRandomSampler

    from medreason.finetune.sharing import Dealt

    ours, theirs = Dealt(50, 1, seed=42), SeedableRandomSampler(list(range(50)), data_seed=42)
    passes = [(list(ours), list(theirs)) for _ in range(3)]
    assert all(one == other for one, other in passes) and passes[0][0] != passes[1][0]
    ours.set_epoch(1)
    assert list(ours) == passes[1][0]


def test_nothing_is_learned_of_the_blank_row() -> None:
    from medreason.finetune.sharing import with_blank

    plain = [{"input_ids": [5, 6], "labels": [-100, 6]}]
    assert with_blank(plain) == [*plain, {"input_ids": [5], "labels": [-100]}]
    packed = [{**plain[0], "seq_lengths": [2]}]
    assert with_blank(packed)[-1] == {"input_ids": [5], "labels": [-100], "seq_lengths": [1]}


@pytest.fixture
def same_numbers_after() -> Iterator[None]:
    from medreason.finetune.randomness import kept_random_state

    with kept_random_state():
        yield


def test_random_numbers_go_on_from_a_file(tmp_path, same_numbers_after: None) -> None:
    import numpy as np
    import torch

    from medreason.finetune.randomness import RandomState

    torch.save([RandomState.now().as_dict()], tmp_path / "kept.pth")
    drawn = (random.random(), np.random.rand(), torch.rand(1).item())
    RandomState.of_dict(torch.load(tmp_path / "kept.pth", weights_only=True)[0]).restore()
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == drawn
