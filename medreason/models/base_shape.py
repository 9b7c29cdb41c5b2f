"""How large a base model is, by its config.json: enough to reckon memory and time without loading a weight.

Knows decoder models built as Llama is (Qwen3, SmolLM2, Mistral, …). Loads no torch.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.folder import DataFolder
from medreason.models.base import LARGER_MODEL, cached, resolve_base
from medreason.models.tensor_file import plain_file

LARGEST_CONFIG_BYTES = 1024**2
ALL_LINEAR = "all-linear"
NORMED_HEADS = ("qwen3",)
WITH_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_intermediate_size")


@dataclass(frozen=True)
class BaseShape:
    """Sizes of a decoder model. `intermediate` is the width inside the feed-forward part; `tied`: embedding and
    head are one table; `head_norms`: each head of query and key is normalised; `quantized`: its folder holds
    4-bit weights. `positions` is the longest row it can read in tokens, 0 where that is not told. `on_disk`
    says that the weights are on this computer. `family` is its model type, and `norm_epsilon` what its norms add;
    empty and 0 where that is not told."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool
    head_norms: bool = False
    quantized: bool = False
    positions: int = 0
    on_disk: bool = False
    family: str = ""
    norm_epsilon: float = 0.0

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """(outputs, inputs) of the linear layers within each decoder layer, by name."""
        query, kept = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {
            "q_proj": (query, self.hidden),
            "k_proj": (kept, self.hidden),
            "v_proj": (kept, self.hidden),
            "o_proj": (self.hidden, query),
            "gate_proj": (self.intermediate, self.hidden),
            "up_proj": (self.intermediate, self.hidden),
            "down_proj": (self.hidden, self.intermediate),
        }

    @property
    def linear_parameters(self) -> int:
        """Weights in the linear layers, which are what 4 bits act on."""
        return self.layers * sum(outputs * inputs for outputs, inputs in self.linears.values())

    @property
    def table_parameters(self) -> int:
        """Weights of embedding and head, which stay in 16 bits."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All weights but those of the norms, which are fewer than one in ten thousand."""
        return self.linear_parameters + self.table_parameters

    def adapted(self, target_modules: str) -> dict[str, tuple[int, int]]:
        """The linear layers that get an adapter; names that the base has not are left out."""
        names = [name.strip() for name in target_modules.split(",")]
        return {name: shape for name, shape in self.linears.items() if name in names or names == [ALL_LINEAR]}

    def adapter_parameters(self, rank: int, target_modules: str) -> int:
        """Weights of a LoRA adapter: rank × (inputs + outputs) for each adapted layer."""
        shapes = self.adapted(target_modules).values()
        return self.layers * sum(rank * (outputs + inputs) for outputs, inputs in shapes)


# https://huggingface.co/Qwen/Qwen3-8B/blob/b968826d9c46dd6066d109eabc6255188de91218/config.json
QWEN3_8B = BaseShape(
    layers=36,
    hidden=4096,
    intermediate=12288,
    heads=32,
    kv_heads=8,
    head_dim=128,
    vocab=151936,
    tied=False,
    head_norms=True,
    positions=40960,
    family="qwen3",
    norm_epsilon=1e-6,
)
# https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct/blob/main/config.json
EMBEDDED = BaseShape(
    layers=30,
    hidden=576,
    intermediate=1536,
    heads=9,
    kv_heads=3,
    head_dim=64,
    vocab=49152,
    tied=True,
    positions=8192,
    on_disk=True,
    family="llama",
    norm_epsilon=1e-5,
)
PUBLISHED = {LARGER_MODEL: QWEN3_8B}


def base_shape(config: TrainingConfig, folder: DataFolder) -> BaseShape | None:
    """The shape of the base of `config`, from its folder or the hub's cache on this disk, else as published; None
    where it is not known. Touches no network. Raises `MedReasonError` for a base that is none."""
    if config.base_model in ("embedded", "auto"):
        return EMBEDDED
    source = resolve_base(config.base_model, config.revision, folder, config.quantization)
    place = Path(source.place).expanduser()
    here = place if place.is_dir() else cached(source.place, source.revision)
    if here is not None:
        read = read_shape(here)
        return replace(read, on_disk=True) if read else None
    return PUBLISHED.get(source.place)


def read_shape(folder: Path) -> BaseShape | None:
    """The shape in a model folder's config.json; None where it cannot be read or is another kind of model."""
    try:
        file = plain_file(folder / "config.json")
        if file.stat().st_size > LARGEST_CONFIG_BYTES:
            return None
        return shape_of(json.loads(file.read_text(encoding="utf-8")))
    except (MedReasonError, OSError, ValueError, RecursionError):
        return None


def shape_of(config: dict[str, Any]) -> BaseShape | None:
    """The shape that a config.json describes; None where it is not a plain decoder of this kind."""
    try:
        heads, hidden = config["num_attention_heads"], config["hidden_size"]
        sizes = {
            "layers": config["num_hidden_layers"],
            "hidden": hidden,
            "intermediate": config["intermediate_size"],
            "heads": heads,
            "kv_heads": config.get("num_key_value_heads") or heads,
            "head_dim": config.get("head_dim") or hidden // heads,
            "vocab": config["vocab_size"],
        }
        if any(not isinstance(size, int) or not 0 < size < 10**7 for size in sizes.values()):
            return None
        if any(config.get(key) for key in WITH_EXPERTS):
            return None  # only a few of its experts work on a token, so nothing below would hold
        return BaseShape(
            **sizes,
            tied=bool(config.get("tie_word_embeddings", False)),
            head_norms=config.get("model_type") in NORMED_HEADS,
            quantized=bool(config.get("quantization_config")),
            positions=max(0, int(config.get("max_position_embeddings") or 0)),
            family=str(config.get("model_type") or ""),
            norm_epsilon=float(config.get("rms_norm_eps") or 0.0),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError):
        return None
