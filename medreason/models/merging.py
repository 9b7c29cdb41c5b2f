"""Writes a LoRA adapter into the weights of its base, W + B·A·scale, as a model folder of its own that needs no
PEFT (Hu et al. 2021, LoRA, section 4.1), and proves that it says what base and adapter say together.

One file of weights is in memory at a time. The sums are made in 32 bits and rounded once, to what the base is
stored in. Importing this loads no torch.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medreason.errors import MedReasonError
from medreason.models.adapters import AdapterInfo, check_fits
from medreason.models.base import BaseSource, Report, check_folder, fetch, load_base
from medreason.models.closeness import Closeness, closeness, logits_of
from medreason.models.hashes import weight_files, weights_sha256
from medreason.models.new_folder import (
    new_folder,
    read_record,
    refuse_taken,
    refuse_too_little_room,
    write_record,
)
from medreason.models.quantizing import RECORD as QUANTIZED
from medreason.models.quantizing import drop, shown_name
from medreason.models.tensor_file import plain_file, read_table

RECORD = "merged.json"
BESIDE_WEIGHTS = (
    "config.json",
    "generation_config.json",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)
ROUNDING = 0.01
SHARE_OF_CHANGE = 0.05


@dataclass(frozen=True)
class Merged:
    """What came of it: the folder, how many layers were changed, how close the folder is to base and adapter
    together (`to_unmerged`), and how far the adapter moves the base (`to_base`), on the same prompts."""

    folder: Path
    name: str
    layers: int
    to_unmerged: Closeness
    to_base: Closeness


def merge(
    source: BaseSource, adapter: AdapterInfo, out: Path, report: Report, trained_on: Path | None = None
) -> Merged:
    """Write the folder `out`. It appears whole and checked, or not at all. `trained_on` is the folder in 4 bits
    on which the adapter was trained, where `quantizing` made it from this base. Raises `MedReasonError` for a
    base that is quantized, an adapter that does not fit, too little room, and weights that do not say what they
    should."""
    refuse_taken(out)
    folder, revision = fetch(source, report)
    check_folder(folder)
    _refuse_quantized(folder, source)
    sha256 = weights_sha256(folder)
    _check_adapter(adapter, source, folder, sha256, trained_on)
    refuse_too_little_room(out, 1.05 * sum(file.stat().st_size for file in weight_files(folder)))
    name = shown_name(source)
    with new_folder(out) as building:
        for number, file in enumerate(files := weight_files(folder)):
            report(0.1 + 0.4 * number / len(files), f"Writing {file.name}…")
            _write_file(file, building / file.name, adapter)
        for beside in BESIDE_WEIGHTS:
            if (folder / beside).is_file():
                shutil.copyfile(plain_file(folder / beside), building / beside)
        record = {
            "base_model": name,
            "base_revision": revision,
            "base_sha256": sha256,
            "adapter": adapter.name,
            "adapter_sha256": adapter.sha256,
        }
        write_record(building, RECORD, record)
        to_unmerged, to_base = _compared(source, adapter, building, report)
        if to_unmerged.divergence > max(ROUNDING, SHARE_OF_CHANGE * to_base.divergence):
            raise MedReasonError(
                f"The merged weights do not say what base and adapter say together ({to_unmerged}), so they "
                "were not "
                "kept. Serve the adapter beside its base instead."
            )
    report(1.0, f"{name} with {adapter.name} is in {out}.")
    return Merged(out, name, len(adapter.layers), to_unmerged, to_base)


def _refuse_quantized(folder: Path, source: BaseSource) -> None:
    if not json.loads((folder / "config.json").read_text(encoding="utf-8")).get("quantization_config"):
        return
    made_from = str(read_record(folder, QUANTIZED).get("made_from") or "")
    remedy = f"Give {made_from[:200]} as --model" if made_from else "Give the model in 16 bits as --model"
    raise MedReasonError(
        f"{shown_name(source)} is stored in few bits, and an adapter cannot be written into those. {remedy}, "
        "and this "
        "folder as --trained-on where the adapter was trained on it."
    )


def _check_adapter(
    adapter: AdapterInfo, source: BaseSource, folder: Path, sha256: str, trained_on: Path | None
) -> None:
    """The adapter fits the base's layers, and was trained on this base or on its copy in 4 bits."""
    shapes = {
        name.removesuffix(".weight"): (tensor.shape[0], tensor.shape[1])
        for file in weight_files(folder)
        for name, tensor in read_table(file).items()
        if name.endswith(".weight") and len(tensor.shape) == 2
    }
    expected = sha256
    if trained_on is not None:
        if not trained_on.is_dir():
            raise MedReasonError(
                f"There is no folder {trained_on}. Give the one that quantize.py made as --trained-on."
            )
        if read_record(trained_on, QUANTIZED).get("base_sha256") != sha256:
            raise MedReasonError(
                f"{trained_on.name} was not made by quantize.py from the weights of {shown_name(source)}. Give "
                "the "
                "model that it was made from."
            )
        expected = weights_sha256(trained_on)
    check_fits(adapter, shown_name(source), expected, shapes)


def _write_file(file: Path, target: Path, adapter: AdapterInfo) -> None:
    """One file of weights with what the adapter adds; its tensors keep their names and types."""
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    device = "cuda" if torch.cuda.is_available() else "cpu"
    tensors = {}
    with safe_open(plain_file(file), framework="pt", device="cpu") as weights, _opened(adapter) as low:
        for name in weights.keys():  # noqa: SIM118 - no mapping
            weight = weights.get_tensor(name)
            layer = adapter.layers.get(name.removesuffix(".weight"))
            if layer is not None:
                a = low.get_tensor(layer.a.name).to(device, torch.float32)
                b = low.get_tensor(layer.b.name).to(device, torch.float32)
                summed = torch.addmm(weight.to(device, torch.float32), b, a, alpha=layer.scale)
                weight = summed.to("cpu", weight.dtype)
            tensors[name] = weight.contiguous()
    save_file(tensors, target, metadata={"format": "pt"})
    target.chmod(0o644)


@contextmanager
def _opened(adapter: AdapterInfo) -> Iterator[Any]:
    from safetensors import safe_open

    with safe_open(adapter.weights, framework="pt", device="cpu") as opened:
        yield opened


def _compared(
    source: BaseSource, adapter: AdapterInfo, merged: Path, report: Report
) -> tuple[Closeness, Closeness]:
    """How far the merged folder, and the base alone, are from base and adapter together."""
    from peft import PeftModel

    report(0.55, "Loading base and adapter, to compare…")
    base = load_base(source)
    alone = logits_of(base.model, base.tokenizer)
    worn = PeftModel.from_pretrained(base.model, str(adapter.folder))
    together = logits_of(worn.eval(), base.tokenizer)
    del worn
    drop(base)
    report(0.8, "Loading the merged weights, to compare…")
    whole = load_base(BaseSource(merged.name, str(merged), "", "none"))
    said = logits_of(whole.model, whole.tokenizer)
    drop(whole)
    return closeness(together, said), closeness(together, alone)
