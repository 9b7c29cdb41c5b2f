"""An adapter of random numbers on every linear layer of a model: for measuring, where what it says means
nothing."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from medreason.models.adapters import CONFIG, WEIGHTS

HEAD = "lm_head"


def make_random_adapter(folder: Path, shapes: dict[str, tuple[int, int]], rank: int) -> Path:
    """Write it as PEFT would. `shapes` gives (outputs, inputs) of the model's linear layers by name."""
    generator = torch.Generator().manual_seed(9)
    tensors = {}
    for name, (outputs, inputs) in shapes.items():
        if name != HEAD:
            key = f"base_model.model.{name}"
            a = torch.randn(rank, inputs, generator=generator) / inputs**0.5
            b = torch.randn(outputs, rank, generator=generator) / 16
            tensors[f"{key}.lora_A.weight"], tensors[f"{key}.lora_B.weight"] = a.bfloat16(), b.bfloat16()
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": rank,
        "lora_alpha": rank,
        "target_modules": sorted({name.rpartition(".")[2] for name in shapes} - {HEAD}),
        "bias": "none",
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / CONFIG).write_text(json.dumps(settings), encoding="utf-8")
    return folder
