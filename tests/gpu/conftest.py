"""A model with the shapes of Qwen3-8B and random weights, written once as a folder.

Speed, memory and the separation of the arms can be proven with it; what it says means nothing. The
tokenizer is the genuine one: from the folder that MEDREASON_QWEN3_TOKENIZER names, else from the hub's
cache. MEDREASON_QWEN3_8B names a folder that holds such a model already.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from medreason.models.base_shape import QWEN3_8B

LINEARS = {name: QWEN3_8B.linears[name] for name in ("q_proj", "v_proj")}


@pytest.fixture(scope="session")
def qwen3_tokenizer() -> str:
    """Where the tokenizer lies; skips the test where there is none, or no GPU."""
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no NVIDIA GPU")
    from transformers import AutoTokenizer

    place = os.environ.get("MEDREASON_QWEN3_TOKENIZER", "Qwen/Qwen3-8B")
    try:
        AutoTokenizer.from_pretrained(place, local_files_only=True)
    except (OSError, ValueError):
        pytest.skip("the tokenizer of Qwen3 is not on this machine")
    return place


@pytest.fixture(scope="session")
def qwen3_8b(qwen3_tokenizer: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    import torch

    from medreason.models.random_base import make_random_base

    made = os.environ.get("MEDREASON_QWEN3_8B", "")
    if made:
        yield Path(made)
        return
    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("models") / "qwen3-8b-random"
    make_random_base(
        folder,
        Path(qwen3_tokenizer),
        vocab_size=QWEN3_8B.vocab,
        hidden_size=QWEN3_8B.hidden,
        intermediate_size=QWEN3_8B.intermediate,
        num_hidden_layers=QWEN3_8B.layers,
        num_attention_heads=QWEN3_8B.heads,
        num_key_value_heads=QWEN3_8B.kv_heads,
        head_dim=QWEN3_8B.head_dim,
        max_position_embeddings=QWEN3_8B.positions,
        tie_word_embeddings=QWEN3_8B.tied,
    )
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def tiny_qwen3(qwen3_tokenizer: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As elsewhere, with Qwen3's own tokenizer: the embedded model is not needed here."""
    from tests.tiny import make_tiny_qwen3

    return make_tiny_qwen3(tmp_path_factory.mktemp("models") / "tiny-qwen3", Path(qwen3_tokenizer))


@pytest.fixture(scope="session")
def adapter_8b(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random rank-16 adapter on q and v, as PEFT would have saved it."""
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("adapters") / "random-r16"
    folder.mkdir()
    generator = torch.Generator().manual_seed(9)
    tensors = {}
    for layer in range(QWEN3_8B.layers):
        for name, (outputs, inputs) in LINEARS.items():
            key = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            tensors[f"{key}.lora_A.weight"] = torch.randn(16, inputs, generator=generator).bfloat16() / 64
            tensors[f"{key}.lora_B.weight"] = torch.randn(outputs, 16, generator=generator).bfloat16() / 16
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "Qwen/Qwen3-8B",
        "r": 16,
        "lora_alpha": 32,
        "target_modules": sorted(LINEARS),
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder
