"""A model with the shapes of Qwen3-8B and random weights, written once as a folder.

Speed, memory and the separation of the arms can be proven with it; what it says means nothing. The
tokenizer is the genuine one: from the folder that MEDREASON_QWEN3_TOKENIZER names, else from the hub's
cache.
"""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

LINEARS = {"q_proj": (4096, 4096), "v_proj": (1024, 4096)}
LAYERS = 36


@pytest.fixture(scope="session")
def qwen3_8b(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no NVIDIA GPU")
    from transformers import AutoTokenizer, GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    place = os.environ.get("MEDREASON_QWEN3_TOKENIZER", "Qwen/Qwen3-8B")
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
    except (OSError, ValueError):
        pytest.skip("the tokenizer of Qwen3 is not on this machine")
    folder = tmp_path_factory.mktemp("models") / "qwen3-8b-random"
    config = Qwen3Config(
        vocab_size=151936,
        hidden_size=4096,
        intermediate_size=12288,
        num_hidden_layers=LAYERS,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128,
        max_position_embeddings=40960,
        rope_theta=1_000_000.0,
        tie_word_embeddings=False,
        eos_token_id=151645,
        pad_token_id=151643,
    )
    torch.manual_seed(5)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = Qwen3ForCausalLM(config)
    torch.set_default_dtype(before)
    model.generation_config = GenerationConfig(eos_token_id=[151645, 151643], pad_token_id=151643)
    model.save_pretrained(folder, max_shard_size="4GB")
    tokenizer.save_pretrained(folder)
    del model
    torch.cuda.empty_cache()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def adapter_8b(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random rank-16 adapter on q and v, as PEFT would have saved it."""
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("adapters") / "random-r16"
    folder.mkdir()
    generator = torch.Generator().manual_seed(9)
    tensors = {}
    for layer in range(LAYERS):
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
