"""Puts a base model into 4 bits (NF4 with double quantization, computed in bf16) as a folder of its own, and
proves that the folder holds what it should: files, configuration, weights that load again, and logits close to
those in 16 bits. Importing this loads no torch.
"""

import gc
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medreason.errors import MedReasonError
from medreason.models import embedded
from medreason.models.base import BaseSource, LoadedBase, Report, check_folder, fetch, load_base
from medreason.models.closeness import Closeness, closeness, logits_of
from medreason.models.hashes import weight_files
from medreason.models.new_folder import new_folder, refuse_taken, refuse_too_little_room, write_record

RECORD, MEMORY = "quantized.json", "memory_bytes"
SHARD = "4GB"
NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
LARGEST_SHARE = 0.75
SAME_SHARE = 1e-3
FAR = 0.5


@dataclass(frozen=True)
class Sizes:
    """Bytes of a model's weights: those of the linear layers within its decoder layers, and all of them."""

    linear: int
    whole: int


@dataclass(frozen=True)
class Quantized:
    """What came of it. `before` and `after` are weights in memory; `files` are names and bytes in the folder;
    `to_16_bits` compares with the model in 16 bits, `when_loaded_again` the folder with the model it was saved
    from."""

    name: str
    folder: Path
    files: tuple[tuple[str, int], ...]
    before: Sizes
    after: Sizes
    to_16_bits: Closeness
    when_loaded_again: Closeness

    @property
    def far(self) -> bool:
        """Whether 4 bits changed what the model says more than they usually do."""
        return self.to_16_bits.divergence > FAR


def quantize(source: BaseSource, out: Path, report: Report) -> Quantized:
    """Write the folder `out`. It appears whole and checked, or not at all. Raises `MedReasonError` for a base that
    is quantized already, for too little room, and where the folder fails a check."""
    refuse_taken(out)
    plain = replace(source, quantization="none")
    place, _ = fetch(plain, report)
    check_folder(place)
    if json.loads((place / "config.json").read_text(encoding="utf-8")).get("quantization_config"):
        raise MedReasonError(f"{source.name} is stored quantized already. Give the model in 16 bits.")
    refuse_too_little_room(out, LARGEST_SHARE * sum(file.stat().st_size for file in weight_files(place)))
    base = load_base(plain, _part(report, 0.0, 0.3))
    report(0.3, "Asking the model in 16 bits…")
    reference, before = logits_of(base.model, base.tokenizer), sizes_of(base.model, most=2)
    name, revision, sha256 = shown_name(source), base.revision, base.sha256
    drop(base)
    base = load_base(replace(source, quantization="nf4"), _part(report, 0.35, 0.6))
    with new_folder(out) as building:
        report(0.6, "Saving the 4-bit weights…")
        # Saved before it is asked anything: on some processors a first answer repacks the weights.
        base.model.save_pretrained(building, max_shard_size=SHARD)
        base.tokenizer.init_kwargs.pop("local_files_only", None)
        base.tokenizer.save_pretrained(building)
        after = sizes_of(base.model)
        record = {"made_from": name, "revision": revision, "base_sha256": sha256, "quantization": NF4}
        write_record(building, RECORD, record | {MEMORY: {"before": before.whole, "after": after.whole}})
        asked = logits_of(base.model, base.tokenizer)
        drop(base)
        report(0.7, "Checking the folder…")
        files = verified(building)
        again = load_base(BaseSource(out.name, str(building), "", "nf4"), _part(report, 0.7, 0.95))
        loaded = logits_of(again.model, again.tokenizer)
        drop(again)
        when_loaded_again = closeness(asked, loaded)
        if when_loaded_again.largest > SAME_SHARE * max(when_loaded_again.span, 1.0):
            raise MedReasonError(
                f"The saved folder does not say what the model in memory said ({when_loaded_again}), so it was "
                "not "
                "kept. Check the disk, and that bitsandbytes is the version in requirements.txt."
            )
    report(1.0, f"{name} in 4 bits is in {out}.")
    return Quantized(name, out, files, before, after, closeness(reference, asked), when_loaded_again)


def verified(folder: Path) -> tuple[tuple[str, int], ...]:
    """Names and bytes of the folder's files; raises `MedReasonError` where one is missing, empty or says something
    else than NF4 with double quantization."""
    check_folder(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("quantization_config") or {}
    others = [key for key, value in NF4.items() if config.get(key) != value]
    if others:
        raise MedReasonError(f"The saved config.json says something else than NF4 of {', '.join(others)}.")
    files = tuple(sorted((file.name, file.stat().st_size) for file in folder.iterdir()))
    names = {name for name, _ in files}
    empty = [name for name, size in files if size == 0]
    if "tokenizer.json" not in names or empty:
        what = f"{empty[0]} is empty" if empty else "it has no tokenizer.json"
        raise MedReasonError(f"The saved folder is not whole: {what}.")
    return files


def sizes_of(model: Any, most: int = 8) -> Sizes:
    """Bytes of the weights in memory, the scales of 4-bit layers included. A number counts for at most `most`
    bytes: a CPU may hold a model of 16 bits in 32."""
    seen: dict[int, int] = {}
    linear = 0
    for name, weight in model.named_parameters():
        if id(weight) in seen:
            continue
        size = weight.numel() * min(most, weight.element_size()) + _scales(getattr(weight, "quant_state", None))
        seen[id(weight)] = size
        if name.endswith("_proj.weight"):
            linear += size
    return Sizes(linear, sum(seen.values()))


def _scales(state: Any) -> int:
    if state is None:
        return 0
    tensors = [state.absmax, *([state.state2.absmax] if state.nested else [])]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def drop(base: LoadedBase) -> None:
    """Let go of a model before the next one is loaded."""
    import torch

    base.model = None
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def shown_name(source: BaseSource) -> str:
    """The base as others know it: a hub id, or the name of its folder; never a path of this machine."""
    if source.embedded:
        return embedded.NAME
    place = Path(source.place).expanduser()
    return place.resolve().name if place.is_dir() else source.name


def _part(report: Report, begin: float, end: float) -> Report:
    """Tell a share of a part as a share of the whole."""
    return lambda share, words: report(begin + (end - begin) * share, words)
