"""Decoding in tests without an engine around it: small models, rows that come and go, and what PEFT computes."""

from collections.abc import Sequence
from pathlib import Path

from medreason.domain.sampling import Sampling

GREEDY = Sampling(temperature=0)
WARM = Sampling(temperature=1.3, top_k=0, top_p=0.9, seed=11)


def prompt(length: int, seed: int = 1) -> list[int]:
    import random

    return random.Random(seed * 1000 + length).choices(range(100, 40_000), k=length)


def row(length: int, adapted: bool = False, sampling: Sampling = GREEDY, seed: int = 1):
    from medreason.engine.decoder import Row

    return Row(prompt(length, seed), adapted, sampling)


def run(decoder, *arrivals: tuple[int, Sequence], tokens: int = 12) -> list[list[int]]:
    """What rows draw that arrive at certain steps, in the order given; each leaves after `tokens`."""
    waiting = list(arrivals)
    said: dict = {one: [] for _, rows in arrivals for one in rows}
    step = 0
    while waiting or decoder.rows:
        for arrival in [one for one in waiting if one[0] <= step]:
            waiting.remove(arrival)
            decoder.prefill(arrival[1])
        for one, token in decoder.step():
            said[one].append(token)
            if len(said[one]) == tokens:
                decoder.free(one)
        step += 1
    return list(said.values())


def load(folder: Path):
    import torch
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def peft_logits(folder: Path, adapter: Path, text: Sequence[int]):
    """Logits [length, vocabulary] as PEFT computes them."""
    import torch
    from peft import PeftModel

    with torch.inference_mode():
        return PeftModel.from_pretrained(load(folder), adapter).eval()(torch.tensor([list(text)])).logits[0]


def make_tiny_llama(folder: Path, embedded_model: Path) -> Path:
    """A two-layer Llama with random weights, scaled positions and a head of its own."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(embedded_model)
    torch.manual_seed(8)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=False,
        initializer_range=0.2,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 10_000.0,
            "factor": 4.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
