"""Tiny models with an adapter, packed rows, and what a step gives, for tests of the fast path."""

from typing import Any

import pytest

# What the libraries say to each other of their next versions.
QUIET = [
    pytest.mark.filterwarnings(f"ignore:`{old}`:FutureWarning")
    for old in ("is_gradient_checkpointing", "gradient_checkpointing_enable", "gradient_checkpointing")
]

ALL_LINEAR = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def make_model(kind: str) -> Any:
    import torch
    import transformers

    torch.manual_seed(1)
    sizes = {
        "vocab_size": 300,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "attn_implementation": "sdpa",
        "initializer_range": 0.2,
    }
    if kind == "qwen3":
        return transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**sizes))
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**sizes))


def dressed(kind: str = "qwen3", **lora: Any) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model

    model = make_model(kind).requires_grad_(False)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ALL_LINEAR, "task_type": "CAUSAL_LM", **lora}
    worn = get_peft_model(model, LoraConfig(**settings))
    torch.manual_seed(2)
    for name, weight in worn.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return worn.train()


def documents(*lengths: int) -> list[Any]:
    import torch

    torch.manual_seed(3)
    return [torch.randint(0, 300, (length,)) for length in lengths]


def packed(texts: list[Any]) -> dict[str, Any]:
    """A row as TRL's collator makes it of packed conversations."""
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    row = {
        "input_ids": [int(token) for text in texts for token in text],
        "labels": [int(token) for text in texts for token in text],
        "seq_lengths": [len(text) for text in texts],
    }
    return dict(DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)([row]))


def gradients(model: Any, batch: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    model.zero_grad()
    loss = model(**batch, use_cache=False).loss
    loss.backward()
    return loss.detach(), {
        name: weight.grad.clone() for name, weight in model.named_parameters() if weight.requires_grad
    }


def partly_in_four_bits(model: Any) -> Any:
    """Gate and up of each layer in bitsandbytes' 4 bits."""
    import torch
    from bitsandbytes.nn import Linear4bit

    for layer in model.get_base_model().model.layers:
        for name in ("gate_proj", "up_proj"):
            worn = getattr(layer.mlp, name)
            four = Linear4bit(64, 128, bias=False, compute_dtype=torch.float32, quant_type="nf4")
            four.load_state_dict({"weight": worn.base_layer.weight.detach().clone()}, strict=False)
            worn.base_layer = four.to("cpu").requires_grad_(False)
            worn.base_layer.support_avx512bf16_for_cpu = False
    return model
