"""What a LoRA adapter on disk is, and whether it can be worn by a base: read without torch, before
anything is loaded.

Only plain LoRA on linear layers passes: everything else would either change the base, so that the
baseline were no baseline, or not act as it was trained.
"""

import json
import logging
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medreason.errors import MedReasonError
from medreason.models.hashes import file_sha256
from medreason.models.tensor_file import Tensor, plain_file, read_table

log = logging.getLogger(__name__)

CONFIG, WEIGHTS, MANIFEST = "adapter_config.json", "adapter_model.safetensors", "manifest.json"
LONGEST_JSON = 4 * 1024 * 1024
KEY = re.compile(r"base_model\.model\.(?P<layer>.+)\.lora_(?P<part>[AB])(?:\.default)?\.weight")

# Starts that leave the base as it is. The others (PiSSA, OLoRA, LoRA-GA, CorDA, LoftQ) move part of the
# base's weights into the adapter.
HARMLESS_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
UNDERSTOOD = frozenset(
    "task_type peft_type auto_mapping peft_version base_model_name_or_path revision inference_mode r "
    "target_modules exclude_modules lora_alpha lora_dropout bias use_rslora init_lora_weights "
    "layers_to_transform layers_pattern rank_pattern alpha_pattern megatron_core runtime_config "
    "eva_config qalora_group_size".split()
)
SPOKEN = {
    "use_dora": "DoRA",
    "modules_to_save": "whole retrained layers (modules_to_save)",
    "trainable_token_indices": "retrained tokens",
    "lora_bias": "retrained biases",
    "alora_invocation_tokens": "activated LoRA",
    "target_parameters": "adapted parameters outside linear layers",
    "layer_replication": "repeated layers",
}


@dataclass(frozen=True)
class AdapterLayer:
    """One adapted linear layer: y = base(x) + B(A(x)) · scale."""

    a: Tensor
    b: Tensor
    scale: float

    @property
    def rank(self) -> int:
        return self.a.shape[0]


@dataclass(frozen=True)
class AdapterInfo:
    """An adapter as its files describe it. `base_model` and `base_sha256` are what it says it was made
    for, empty where it does not say. `layers` is keyed by the name of the linear layer in the base."""

    folder: Path
    rank: int
    alpha: float
    base_model: str
    base_sha256: str
    sha256: str
    layers: dict[str, AdapterLayer]
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The run's name where the adapter lies in a run's folder, else its own folder's."""
        return self.folder.parent.name if self.folder.name == "adapter" else self.folder.name

    @property
    def step(self) -> int:
        """The training step it was kept at, 0 where its manifest does not say."""
        steps = self.manifest.get("steps")
        return steps if isinstance(steps, int) and not isinstance(steps, bool) and steps > 0 else 0

    @property
    def weights(self) -> Path:
        return self.folder / WEIGHTS


def read_adapter(folder: Path) -> AdapterInfo:
    """The adapter in `folder`; raises `MedReasonError` where it is none, or none that can be worn as
    plain LoRA. Reads no weights except for their hash."""
    if not folder.is_dir():
        raise MedReasonError(f"There is no adapter at {folder}. Check the path.")
    if not (folder / CONFIG).is_file():
        raise MedReasonError(f"{folder} is no adapter: it has no {CONFIG}.")
    config = _json(folder / CONFIG)
    _refuse_other_kinds(folder, config)
    if not (folder / WEIGHTS).exists():
        kind = "pickle weights only, which could run code" if _has_pickle(folder) else "no weights"
        raise MedReasonError(f"The adapter {folder} holds {kind}. Give one saved as {WEIGHTS}.")
    manifest = _json(folder / MANIFEST) if (folder / MANIFEST).is_file() else {}
    return AdapterInfo(
        folder=folder,
        rank=_number(folder, config, "r"),
        alpha=_number(folder, config, "lora_alpha"),
        base_model=str(manifest.get("base_model") or config.get("base_model_name_or_path") or ""),
        base_sha256=str(manifest.get("base_sha256") or ""),
        layers=_layers(folder, config),
        sha256=file_sha256(folder / WEIGHTS),
        manifest=manifest,
    )


def check_fits(
    info: AdapterInfo, base_name: str, base_sha256: str, linear_shapes: dict[str, tuple[int, int]]
) -> None:
    """Refuse an adapter that was made for another base, does not match its layers, or holds numbers that
    are none. `linear_shapes` gives (outputs, inputs) of every linear layer of the base by name."""
    if info.base_sha256 and base_sha256 and info.base_sha256 != base_sha256:
        made_for = f"{info.base_model} with other weights" if info.base_model else "another base model"
        raise MedReasonError(
            f"The adapter {info.name} was trained on {made_for}, not on the {base_name} that is loaded. "
            "Choose an adapter of this base, or start with its own base."
        )
    for name, layer in info.layers.items():
        shape = linear_shapes.get(name)
        if shape is None:
            raise MedReasonError(
                f"The adapter {info.name} does not fit {base_name}: that has no linear layer {name[:80]}. "
                "Choose an adapter of this base."
            )
        if (layer.b.shape[0], layer.a.shape[1]) != shape:
            raise MedReasonError(
                f"The adapter {info.name} does not fit {base_name}: layer {name[:80]} has {shape[1]} inputs "
                f"and {shape[0]} outputs, the adapter's {layer.a.shape[1]} and {layer.b.shape[0]}. "
                "Choose an adapter of this base."
            )
    _refuse_not_finite(info)


def list_adapters(*folders: Path) -> tuple[AdapterInfo, ...]:
    """Every wearable adapter in `folders`: a folder itself, its subfolders, and `adapter` within them.
    What cannot be worn is left out, with its reason in the log."""
    found: list[AdapterInfo] = []
    for folder in folders:
        inside = sorted(folder.iterdir()) if folder.is_dir() else []
        for place in (folder, *(place for one in inside for place in (one, one / "adapter"))):
            if (place / CONFIG).is_file():
                try:
                    found.append(read_adapter(place))
                except MedReasonError as fault:
                    log.warning("Adapter left out: %s", fault)
    return tuple(found)


def _json(path: Path) -> dict[str, Any]:
    try:
        if plain_file(path).stat().st_size > LONGEST_JSON:
            raise ValueError("too long")
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError("not an object")
    except (OSError, ValueError, RecursionError) as fault:
        raise MedReasonError(f"{path} cannot be read as JSON. Copy the adapter again.") from fault
    return value


def _has_pickle(folder: Path) -> bool:
    return any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.pth"))


def _refuse_other_kinds(folder: Path, config: dict[str, Any]) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise MedReasonError(f"The adapter {folder} is of kind {str(kind)[:40]}; only LoRA can be compared.")
    start = config.get("init_lora_weights", True)
    if start not in HARMLESS_STARTS:
        raise MedReasonError(
            f"The adapter {folder} was started as {str(start)[:40]}, which changes the base model itself, so "
            "there would be no untouched baseline. Convert it to plain LoRA first."
        )
    bias = config.get("bias", "none")
    others = [key for key, value in config.items() if value and key not in UNDERSTOOD and not _empty(value)]
    spoken = [SPOKEN.get(key, key[:60]) for key in others]
    if bias != "none":
        spoken.append("retrained biases")
    if spoken:
        raise MedReasonError(
            f"The adapter {folder} uses {', '.join(spoken)}; only plain LoRA on linear layers can be "
            "compared. Train it again without that."
        )


def _empty(value: object) -> bool:
    """A settings block in which nothing is set counts as not used."""
    return isinstance(value, dict) and not any(value.values())


def _number(folder: Path, config: dict[str, Any], key: str) -> Any:
    value = config.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e6:
        raise MedReasonError(f"The adapter {folder} says {key} is {str(value)[:40]!r}; it must be above 0.")
    return value


def _layers(folder: Path, config: dict[str, Any]) -> dict[str, AdapterLayer]:
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in read_table(folder / WEIGHTS).items():
        match = KEY.fullmatch(name)
        if match is None or len(tensor.shape) != 2 or tensor.dtype not in ("F32", "F16", "BF16"):
            raise MedReasonError(
                f"The adapter {folder} holds {name[:120]}, which is no LoRA weight of a linear layer."
            )
        parts.setdefault(match["layer"], {})[match["part"]] = tensor
    if not parts:
        raise MedReasonError(f"The adapter {folder} holds no LoRA weights.")
    layers = {}
    for name, pair in parts.items():
        rank = _pattern(config, "rank_pattern", name, _number(folder, config, "r"))
        alpha = _pattern(config, "alpha_pattern", name, _number(folder, config, "lora_alpha"))
        if len(pair) != 2 or pair["A"].shape[0] != rank or pair["B"].shape[1] != rank:
            raise MedReasonError(f"The adapter {folder} has weights at {name[:120]} that do not match its rank.")
        scale = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
        layers[name] = AdapterLayer(pair["A"], pair["B"], scale)
    return layers


def _pattern(config: dict[str, Any], key: str, layer: str, default: Any) -> Any:
    """The value that a pattern table has for a layer, matched as PEFT does: by regular expression over
    the end of the layer's name."""
    for pattern, value in (config.get(key) or {}).items():
        try:
            if len(pattern) <= 300 and re.match(rf"(.*\.)?({pattern})$", layer):
                return value
        except re.error as fault:
            raise MedReasonError(f"The adapter's {key} holds a pattern that cannot be read.") from fault
    return default


def _refuse_not_finite(info: AdapterInfo) -> None:
    """Every number of the weights must be one: neither NaN nor infinite."""
    with open(info.weights, "rb") as file:
        for layer in info.layers.values():
            for tensor in (layer.a, layer.b):
                file.seek(tensor.start)
                data = file.read(tensor.size)
                if tensor.dtype == "BF16":
                    bits = np.frombuffer(data, dtype="<u2")
                    finite = bool(((bits & 0x7F80) != 0x7F80).all())
                else:
                    kind = {"F32": "<f4", "F16": "<f2"}[tensor.dtype]
                    finite = bool(np.isfinite(np.frombuffer(data, dtype=kind)).all())
                if not finite:
                    raise MedReasonError(
                        f"The adapter {info.name} holds numbers that are not finite (layer "
                        f"{tensor.name[:120]}): its training went wrong. Choose another checkpoint."
                    )
