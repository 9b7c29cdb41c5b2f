"""What an adapter is made of: the record beside its weights, by which it can be checked and compared later.

Written last, so an adapter with a manifest is whole. Knows nothing of how the run went about it.
"""

import json
from pathlib import Path
from typing import Any

ADAPTER = "adapter"
MANIFEST_FILE = "manifest.json"
WEIGHTS_FILE = "adapter_model.safetensors"
VERSIONED = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "tokenizers", "safetensors")


def versions() -> dict[str, str]:
    """Versions of the libraries that took part, by their names on the package index."""
    import platform
    from importlib import metadata

    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / MANIFEST_FILE).write_text(
        json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of an adapter's folder; None where the adapter is missing or not whole."""
    try:
        found = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and (folder / WEIGHTS_FILE).is_file() else None
    except (OSError, ValueError):
        return None


def model_card(manifest: dict[str, Any]) -> str:
    """A README for the adapter, from its manifest alone."""
    config, data, losses = manifest["config"], manifest["data"], manifest["losses"]
    before, after = losses["held_out_before"], losses["held_out_after"]
    held_out = (
        f"On {data['held_out_rows']} held-out rows the loss went from {before:.3f} to {after:.3f}."
        if before is not None and after is not None
        else "No rows were held out."
    )
    used = manifest["versions"]
    rows_a_step = config["batch_size"] * config["accumulation"]
    return f"""---
base_model: {manifest["base_model"]}
library_name: peft
pipeline_tag: text-generation
tags:
- lora
- medical-reasoning
---

# {manifest["run_name"]}

A LoRA adapter for {manifest["base_model"]}
that makes it think in a `<think>` trace before it answers a medical question.
Made by MedReason for research on medical reasoning. Not medical advice; no clinician has reviewed what it says.

## Training

- Data: {data["name"]}, {data["rows"]} of {data["rows_in_file"]} rows, {data["held_out_rows"]} of them held out
  (SHA-256 `{data["sha256"]}`)
- {manifest["steps"]} steps of {rows_a_step} rows in {manifest["duration_s"]:.0f} seconds
- Learning rate {config["learning_rate"]:g} ({config["scheduler"]}), seed {config["seed"]}
- LoRA rank {config["lora_rank"]}, alpha {config["lora_alpha"]}, dropout {config["lora_dropout"]:g},
  on {config["target_modules"]}
- Base weights SHA-256 `{manifest["base_sha256"]}`
- Training loss {losses["first"]:.3f} at the first step, {losses["last"]:.3f} at the last. {held_out}
- {", ".join(f"{name} {version}" for name, version in used.items())}

The loss is on the thinking and the answer, not on the question. `manifest.json` holds every setting.
"""
