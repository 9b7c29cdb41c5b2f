"""A README for an adapter, from its manifest alone: what it was made of, how it came out, how it is loaded."""

from typing import Any


def model_card(manifest: dict[str, Any]) -> str:
    """The card as Markdown with the front matter that the hub reads."""
    base = manifest["base_model"]
    return f"""---
base_model: {base}
library_name: peft
pipeline_tag: text-generation
language: en
tags:
- lora
- medical-reasoning
---

# {manifest["run_name"]}

A LoRA adapter for {base}
that makes it think in a `<think>` trace before it answers a medical question.
Made by MedReason for research on medical reasoning. Not medical advice; no clinician has reviewed what it says.

## Training

{_list(_data(manifest) + _course(manifest) + _recipe(manifest) + _machine(manifest))}

{_what_is_learned(manifest["config"])} `manifest.json` holds every setting, and a record of the questions by which
cases that the model has seen in training are found.

## Use

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{base}")
base = AutoModelForCausalLM.from_pretrained("{base}", dtype="bfloat16")
model = PeftModel.from_pretrained(base, "this folder")
```

`PeftModel.from_pretrained` changes `base` in place: for the baseline's answer use `model.disable_adapter()`, or
load the base again. Ask through the chat template{_thinking(manifest)}.
The base was computed in {manifest["precision"]} while training; its weights have the SHA-256
`{manifest["base_sha256"]}`, the adapter's are `{manifest["adapter_sha256"]}`.
"""


def _data(manifest: dict[str, Any]) -> list[str]:
    data = manifest["data"]
    revision = f", revision {data['revision']}" if data.get("revision") else ""
    cut = f"; {data['cut_rows']} lost their end to the longest length" if data.get("cut_rows") else ""
    return [
        f"Data: {data['name']}{revision}, {data['rows']} of {data['rows_in_file']} rows, {data['held_out_rows']} "
        f"of them held out{cut} (SHA-256 `{data['sha256']}`)"
    ]


def _course(manifest: dict[str, Any]) -> list[str]:
    config, losses = manifest["config"], manifest["losses"]
    rows_a_step = config["batch_size"] * config["accumulation"]
    kind = "packed rows" if config.get("packing") else "rows"
    lines = [f"{manifest['steps']} steps of {rows_a_step} {kind} in {manifest['duration_s']:.0f} seconds"]
    if manifest.get("stopped_at"):
        lines.append(f"Stopped on request at step {manifest['stopped_at']} of {manifest['total_steps']}")
    if manifest.get("resumed_from"):
        lines.append(f"Resumed from the checkpoint of step {manifest['resumed_from']}")
    if manifest.get("adapter_step", manifest["steps"]) != manifest["steps"]:
        step = manifest["adapter_step"]
        lines.append(f"The weights are those after step {step}, where the held-out loss was lowest")
    first, last = losses["first"], losses["last"]
    if first is not None and last is not None:
        lines.append(f"Training loss {first:.3f} at the first step, {last:.3f} at the last")
    before, after = losses["held_out_before"], losses["held_out_after"]
    if before is not None and after is not None:
        lines.append(
            f"On {manifest['data']['held_out_rows']} held-out rows the loss went from {before:.3f} to {after:.3f}"
        )
    else:
        lines.append("The loss was not measured on held-out rows")
    return lines


def _recipe(manifest: dict[str, Any]) -> list[str]:
    config = manifest["config"]
    return [
        f"LoRA rank {config['lora_rank']}, alpha {config['lora_alpha']}, dropout {config['lora_dropout']:g}, on "
        f"{config['target_modules']}",
        f"Learning rate {config['learning_rate']:g} ({config['scheduler']}, warm-up {config['warmup_share']:g}), "
        f"optimizer {config['optimizer']}, weight decay {config['weight_decay']:g}, gradient norm at most "
        f"{config['max_grad_norm']:g}, seed {config['seed']}",
        f"Rows of at most {config['max_length']} tokens, base in {manifest['precision']}",
    ]


def _machine(manifest: dict[str, Any]) -> list[str]:
    lines = []
    hardware, speed = manifest.get("hardware"), manifest.get("tokens_per_s")
    if hardware:
        name = hardware.get("gpu") or hardware.get("cpu") or "a CPU"
        fast = f", {speed:.0f} tokens a second" if speed else ""
        peak = manifest.get("peak_memory_gib", {}).get("gpu")
        most = f", at most {peak:.1f} GiB of GPU memory" if peak else ""
        lines.append(f"Made on {name}{fast}{most}")
    lines.append(", ".join(f"{name} {version}" for name, version in manifest["versions"].items()))
    return lines


def _what_is_learned(config: dict[str, Any]) -> str:
    if config.get("text_format") == "article":
        return "The loss is on every token, in a text format of its own that is not the chat template's."
    return "The loss is on the thinking and the answer, not on the question."


def _thinking(manifest: dict[str, Any]) -> str:
    return " with `enable_thinking=True`" if "qwen3" in manifest["base_model"].lower() else ""


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
