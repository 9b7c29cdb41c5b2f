"""Small models and adapters for tests: a random Qwen3 that loads in a moment, and adapters that act."""

import json
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@contextmanager
def in_32_bits() -> Iterator[None]:
    """Models load in float32 on this CPU, whichever instructions it has. In bf16 two right ways to compute the
    same differ by rounding, and of random weights' near-equal tokens another may then be the likeliest."""
    from medreason.models import base

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "_float32_is_quicker", lambda folder: True)
        yield


def make_tiny_qwen3(folder: Path, embedded_model: Path, seed: int = 7, layers: int = 2) -> Path:
    """A Qwen3 of few layers with random weights and the embedded model's tokenizer and chat template."""
    import torch
    from transformers import AutoTokenizer, GenerationConfig, Qwen3Config, Qwen3ForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(embedded_model)
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        initializer_range=0.2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = Qwen3ForCausalLM(config).to(torch.bfloat16)
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_adapter(base: Path, folder: Path, strength: float = 0.05, seed: int = 3, **lora: Any) -> Path:
    """An adapter made by PEFT for the model in `base`. `strength` is the spread of its B matrices, which PEFT
    starts at nought; 0 leaves them there. `lora` are settings of `LoraConfig`."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from medreason.models.hashes import weights_sha256

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"}
    with warnings.catch_warnings():
        # peft 0.21 still reads an attribute that transformers 5.2x has renamed
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        worn = get_peft_model(model, LoraConfig(**{**settings, **lora}))
    for name, weight in worn.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=strength) if strength else torch.nn.init.zeros_(weight)
    worn.save_pretrained(folder)
    manifest = {"base_model": base.name, "base_sha256": weights_sha256(base)}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def write_tensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """A safetensors file of float32 values, written by hand: no torch."""
    table, data = {}, b""
    for name, values in tensors.items():
        raw = values.astype("<f4").tobytes()
        offsets = [len(data), len(data) + len(raw)]
        table[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": offsets}
        data += raw
    head = json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + data)
