"""A model of the Qwen3 or Llama family, laid out for the own layer functions, with the adapter it wears.

The weights are those of the transformers model, merged in place: its layers keep working on views of them.
Models that differ in anything the layer functions assume are refused in words and go the plain way.
"""

from collections.abc import Callable, Sequence
from typing import Any

import psutil
import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional

from medreason.engine.own_layer import Layer, Piece, Shape, Step, prompt, rms, step
from medreason.engine.products import LowRank, Product, merge, multiply, pack
from medreason.models.adapters import AdapterInfo

FAMILIES = ("Qwen3ForCausalLM", "LlamaForCausalLM")
# Positions whose angles depend on how long the text is cannot be tabulated.
MOVING_ROPE = ("dynamic", "longrope")
QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
OUT = ("self_attn.o_proj",)
GATE_UP = ("mlp.gate_proj", "mlp.up_proj")
DOWN = ("mlp.down_proj",)
GROUPS = (QKV, OUT, GATE_UP, DOWN)
# On a GPU this product's rows fill whole rounds of blocks at many sizes (24,576 of Qwen3-8B): with the few of A
# beneath it takes 14 % longer (H200), more than A takes by itself.
BESIDE = GATE_UP
RANK_STEP = 8  # products want widths that are a multiple of this

Kept = tuple[Tensor, Tensor]  # one layer's keys and values


def unfit(model: nn.Module) -> str:
    """Why the own layer functions cannot compute this model; empty where they can."""
    config: Any = model.config
    if type(model).__name__ not in FAMILIES:
        return f"{type(model).__name__} is of another family"
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type", "default") in MOVING_ROPE:
        return f"its positions are of the kind {rope['rope_type']}"
    if any(kind != "full_attention" for kind in getattr(config, "layer_types", None) or ()):
        return "some of its layers look at a window only"
    if config.hidden_act != "silu":
        return f"its activation is {config.hidden_act}"
    inner: Any = model.get_submodule("model.layers")
    if any(name.endswith("bias") for name, _ in inner.named_parameters()):
        return "its layers have biases"
    return ""


class OwnModel:
    """`wear` gives it an adapter or none; after that `read` takes prompts and `step` one token a row."""

    def __init__(self, model: Any, packed: bool):
        """`packed` asks for the layout that suits a CPU, where there is memory for it."""
        self._model = model
        self.embedding: Tensor = model.model.embed_tokens.weight.data
        self.device, self.dtype = self.embedding.device, self.embedding.dtype
        attention, config = model.model.layers[0].self_attn, model.config
        self.shape = Shape(
            heads=config.num_attention_heads,
            key_heads=config.num_key_value_heads,
            head_size=attention.head_dim,
            epsilon=float(config.rms_norm_eps),
            scale=float(attention.scaling),
        )
        self._packed = packed and self.device.type == "cpu" and _memory_for_a_copy(model)
        self.beside = self.device.type == "cuda"
        self.layers: list[Layer] = []
        self._norm: Tensor = model.model.norm.weight.data
        self._head = self._laid_out(merge([model.lm_head], None))
        self._cos = self._sin = torch.empty(0)

    @property
    def vocabulary(self) -> int:
        return self._model.lm_head.weight.shape[0]

    @property
    def depth(self) -> int:
        return len(self._model.model.layers)

    def refusal(self, info: AdapterInfo) -> str:
        """Why this adapter cannot be worn here; empty where it can."""
        parts = [part for group in GROUPS for part in group]
        known = {f"model.layers.{number}.{part}" for number in range(self.depth) for part in parts}
        others = sorted(set(info.layers) - known)
        return f"it adapts {others[0]}" if others else ""

    def wear(self, info: AdapterInfo | None) -> None:
        """Lay the weights out with this adapter's beside them, or with none. After a fault it has to be called
        again, for some layers wear the one and some the other."""
        ranks = ranks_of(info)
        for number, block in enumerate(self._model.model.layers):
            products = [
                self._product(block, f"model.layers.{number}", group, rank, info)
                for group, rank in zip(GROUPS, ranks, strict=True)
            ]
            # In place of the one before, which is freed: never is more than one layer in memory twice.
            self.layers[number : number + 1] = [self._layer(block, products)]
        if self.device.type == "cuda":
            torch.cuda.empty_cache()  # where the weights lay before

    def _product(
        self, block: nn.Module, name: str, group: Sequence[str], rank: int, info: AdapterInfo | None
    ) -> Product:
        linears: list[Any] = [block.get_submodule(part) for part in group]
        low = None
        if info is not None and rank:
            low = _low_rank(info, [f"{name}.{part}" for part in group], linears, rank, self.dtype, self.device)
        beside = group == BESIDE and self.beside
        return self._laid_out(merge(linears, low, beside))

    def _laid_out(self, product: Product) -> Product:
        return pack(product) if self._packed else product

    def _layer(self, block: Any, products: Sequence[Product]) -> Layer:
        head_norm = None
        if getattr(block.self_attn, "q_norm", None) is not None:
            norms = block.self_attn.q_norm.weight.data, block.self_attn.k_norm.weight.data
            head_norm = torch.cat(
                [norms[0].expand(self.shape.heads, -1), norms[1].expand(self.shape.key_heads, -1)]
            ).contiguous()
        qkv, out, gate_up, down = products
        return Layer(
            norm=block.input_layernorm.weight.data,
            qkv=qkv,
            head_norm=head_norm,
            out=out,
            feed_norm=block.post_attention_layernorm.weight.data,
            gate_up=gate_up,
            down=down,
        )

    @property
    def length(self) -> int:
        """How many positions are tabulated."""
        return self._cos.shape[0]

    def prepare(self, length: int) -> None:
        """Tabulate positions up to `length`, by the model's own rotary module. Where there are fewer, the table
        moves."""
        if self.length >= length:
            return
        places = torch.arange(length, device=self.device)[None]
        cos, sin = self._model.model.rotary_emb(self.embedding[:1, None], places)
        sin = sin[0].clone()
        sin[:, : sin.shape[1] // 2].neg_()
        self._cos, self._sin = cos[0, :, None].contiguous(), sin[:, None].contiguous()

    def read(
        self, tokens: Tensor, acting: Tensor | None, before: Sequence[Kept] = ()
    ) -> tuple[Tensor, list[Kept]]:
        """A piece of prompts [rows, length]: logits of the next token [rows, vocabulary] in float32, and each
        layer's keys and values of all that is read. `before` are those of the pieces before, a pair a layer."""
        length = tokens.shape[1]
        start = before[0][0].shape[2] if before else 0
        end = start + length
        seen = None
        if before:
            seen = torch.ones(length, end, dtype=torch.bool, device=self.device).tril(start)
        switch = acting[:, None] if acting is not None else None
        at = Piece(self._cos[start:end], self._sin[start:end], seen, switch)
        x = functional.embedding(tokens, self.embedding)
        kept = []
        for number, layer in enumerate(self.layers):
            x, keys, values = prompt(x, layer, self.shape, at, before[number] if before else None)
            kept.append((keys, values))
        return self._logits(x[:, -1]), kept

    def step(
        self,
        tokens: Tensor,
        cells: Tensor,
        caches: Sequence[tuple[Tensor, Tensor]],
        acting: Tensor | None,
        seen: Tensor | None,
        layer_step: Callable[..., Tensor] = step,
    ) -> Tensor:
        """One token a row: `tokens` and `cells` [rows], a key and a value cache a layer. `seen` is as in
        `Step`, None only where all rows are of one length. Gives the logits of the next token [rows,
        vocabulary] in float32. `layer_step` computes one layer, as `own_layer.step` does."""
        at = self.at(cells, acting, seen)
        x = functional.embedding(tokens.clamp(min=0), self.embedding)
        for layer, (keys, values) in zip(self.layers, caches, strict=True):
            x = layer_step(x, layer, keys, values, self.shape, at)
        return self._logits(x)

    def at(self, cells: Tensor, acting: Tensor | None, seen: Tensor | None) -> Step:
        """What the layers of one step share."""
        place: tuple[Any, ...] = (torch.arange(cells.shape[0], device=self.device), slice(None), cells)
        if seen is None:  # all rows are of one length
            place = (slice(None), slice(None), int(cells[0]))
        return Step(place, seen, self._cos[cells], self._sin[cells], acting)

    def _logits(self, x: Tensor) -> Tensor:
        return multiply(self._head, rms(x, self._norm, self.shape.epsilon), None).float()


def ranks_of(info: AdapterInfo | None) -> list[int]:
    """Rows of A beside each of `GROUPS`; 0 where the adapter does not act on it."""
    return [_rank(info, group) for group in GROUPS]


def _rank(info: AdapterInfo | None, group: Sequence[str]) -> int:
    """Rows of A that any layer needs for this product: the same in every layer, so that one compiled layer serves
    all."""
    if info is None:
        return 0
    sums: dict[str, int] = {}
    for name, layer in info.layers.items():
        place = next((name.removesuffix(part) for part in group if name.endswith(part)), None)
        if place is not None:
            sums[place] = sums.get(place, 0) + layer.rank
    return -(-max(sums.values(), default=0) // RANK_STEP) * RANK_STEP


def _low_rank(
    info: AdapterInfo,
    names: Sequence[str],
    linears: Sequence[Any],
    rank: int,
    dtype: torch.dtype,
    device: torch.device,
) -> LowRank:
    """The adapter of one merged product: A stacked, B block-diagonal with the scale in it, the rest noughts."""
    a = torch.zeros(rank, linears[0].in_features)
    b = torch.zeros(sum(linear.out_features for linear in linears), rank)
    row = column = 0
    with safe_open(info.weights, framework="pt", device="cpu") as weights:
        for name, linear in zip(names, linears, strict=True):
            part = info.layers.get(name)
            if part is not None:
                a[column : column + part.rank] = weights.get_tensor(part.a.name)
                scaled = weights.get_tensor(part.b.name).float() * part.scale
                b[row : row + linear.out_features, column : column + part.rank] = scaled
                column += part.rank
            row += linear.out_features
    return LowRank(a.to(device, dtype), b.to(device, dtype))


def _memory_for_a_copy(model: nn.Module) -> bool:
    """Whether oneDNN is there, and the weights once more would leave as much memory free again."""
    size = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    return torch.backends.mkldnn.is_available() and 2 * size < psutil.virtual_memory().available
