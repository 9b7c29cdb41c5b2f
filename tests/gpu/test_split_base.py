"""On one real GPU: a run whose base is first on the CPU, and whose layers come to the GPU as they compute, learns
what it learns with the whole base there. Its shares are whole ones, of a group of one process."""

from pathlib import Path

import pytest

from medreason.finetune.progress import read_losses
from tests.fitting import QUIET, fitted, group_of_one
from tests.tiny import make_tiny_qwen3

pytestmark = [pytest.mark.gpu, *QUIET]
SETTINGS = {"packing": True, "target_modules": "all-linear", "lora_dropout": 0.0, "lora_rank": 16}


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("quantization", ["none", "nf4"])
@pytest.mark.parametrize("fast", [True, False])
def test_layers_that_come_when_they_compute_learn_what_whole_ones_learn(
    qwen3_tokenizer: str, tmp_path: Path, fast: bool, quantization: str, checkpointing: bool
) -> None:
    base = make_tiny_qwen3(tmp_path / "deep-qwen3", Path(qwen3_tokenizer), layers=5)
    settings = {**SETTINGS, "quantization": quantization, "gradient_checkpointing": checkpointing}
    settings |= {"cuda_graphs": False, "fused_lora": fast, "compiled_parts": fast}
    fitted(base, tmp_path / "whole", **settings)
    with group_of_one("cpu:gloo,cuda:nccl"):
        fitted(base, tmp_path / "split", **settings, split_base=True)
    points = [[one.loss for one in read_losses(tmp_path / run)] for run in ("whole", "split")]
    assert points[1] == pytest.approx(points[0], rel=2e-2) and points[0][-1] != points[0][0]
