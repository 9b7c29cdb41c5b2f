"""The most memory that a run takes at one moment, part by part, reckoned from shapes alone.

What is kept for the backward pass was counted tensor by tensor in the layers of transformers 5.x with PEFT's LoRA
(`kept_by_a_layer`); it agrees with peaks measured on an H100 at the shapes of Qwen3-8B. Loads no torch.
"""

from dataclasses import dataclass

from medreason.domain.estimate import Part
from medreason.domain.training import TrainingConfig
from medreason.finetune.calibration import (
    BESIDE_NF4_BYTES,
    CUDA_BYTES,
    HEAP_GAPS,
    LOSS_COPIES_ON_CPU,
    LOSS_TILE,
    NF4_BYTES,
    OWN_LOSS_TILE,
    PROCESS_BYTES,
)
from medreason.finetune.workload import Workload
from medreason.models.base_shape import BaseShape

WEIGHTS, PLAIN, ADAPTER, KEPT, AT_WORK, PLACES, EXCHANGED, GAPS, BESIDES = (
    "Base model",
    "Its 4-bit layers made plain",
    "Adapter, gradients, optimizer",
    "Kept for the backward pass",
    "One layer, or the loss, at work",
    "Places of the CUDA graphs",
    "Gradients between the GPUs",
    "Gaps in the heap",
    "The software itself",
)
BF16, FP32 = 2, 4
GIB = 1024**3
LENT_LAYERS = 2  # of a split base: the layer that computes, and the next one on its way
FILLED = 0.9  # of a GPU's memory: the estimate has been up to 7 % off, and what comes and goes leaves gaps


@dataclass(frozen=True)
class Precision:
    """Bytes of each number: `linear` and `table` in the base's weights, `flow` in what passes between layers,
    `product` in what goes into a product, `adapter` in the adapter's weights and gradients, `moments` in the
    optimizer's two averages, each."""

    linear: float
    table: int
    flow: int
    product: int
    adapter: int
    moments: int


def precision_of(config: TrainingConfig, shape: BaseShape, gpu: bool) -> Precision:
    """What TRL and PEFT compute in: on a CPU everything in 32 bits; on a GPU bf16, with the adapter in 32 bits on
    an unquantized base (PEFT's default) and in bf16 on a 4-bit one (TRL's)."""
    four_bits = config.quantization == "nf4" or shape.quantized
    plain = BF16 if gpu else FP32
    adapter = BF16 if four_bits else FP32
    moments = 1 if config.optimizer == "paged_adamw_8bit" else adapter
    if four_bits:
        return Precision(NF4_BYTES, BESIDE_NF4_BYTES, BESIDE_NF4_BYTES, BF16, adapter, moments)
    return Precision(plain, plain, plain, plain, adapter, moments)


def checkpointed_layers(config: TrainingConfig, shape: BaseShape, work: Workload, gpu: bool, room: float) -> int:
    """Of how many layers, from the first on, only what enters them is kept: the fewest with which the run fits
    into `room` bytes of a GPU where the configuration says so, else all or none."""
    if not config.gradient_checkpointing:
        return 0
    if not (gpu and config.checkpoint_as_needed and room > 0):
        return shape.layers

    def fits(layers: int) -> bool:
        return _fits(memory_parts(config, shape, work, gpu, layers), room)

    return next((layers for layers in range(shape.layers) if fits(layers)), shape.layers)


def keeps_plain(config: TrainingConfig, shape: BaseShape, work: Workload, gpu: bool, room: float) -> bool:
    """Whether the layers of a 4-bit base are made plain once and for all: where that is asked for, and all fits
    into `room` bytes of a GPU beside what every layer keeps."""
    asked = config.plain_weights and in_two_steps(config, gpu) and not config.split_base
    four_bits = precision_of(config, shape, gpu).linear < 1
    return asked and four_bits and _fits(memory_parts(config, shape, work, gpu, checkpointed=0, plain=True), room)


def _fits(parts: tuple[Part, ...], room: float) -> bool:
    return sum(part.amount for part in parts) <= FILLED * room


def memory_parts(
    config: TrainingConfig,
    shape: BaseShape,
    work: Workload,
    gpu: bool,
    checkpointed: int | None = None,
    plain: bool = False,
) -> tuple[Part, ...]:
    """The parts that are held at the moment of the peak, in bytes. `checkpointed` layers, from the first on, keep
    only what enters them; None: as many as where no GPU is known. They go backwards last, when the others
    hold nothing any more, so computing one again adds to the peak only where all are checkpointed. `plain`: 4-bit
    layers are made plain once and for all."""
    if checkpointed is None:
        checkpointed = checkpointed_layers(config, shape, work, gpu, room=0)
    bits = precision_of(config, shape, gpu)
    rows, length = work.largest_batch(config)
    tokens = rows * length
    adapter = shape.adapter_parameters(config.lora_rank, config.target_modules)
    held = 2 * bits.adapter + 2 * bits.moments
    a_layer = kept_by_a_layer(config, shape, bits, rows, length, gpu)
    between = shape.hidden * bits.flow
    enters = "what enters each layer"
    graphs = by_graphs(config, gpu)
    if keeps_attention(config, gpu):
        between += shape.heads * (shape.head_dim * bits.product + FP32)
        enters += " and what attention gave"
    batch = f"{rows} × {length:,}" if rows > 1 else f"{length:,}"
    whole = shape.layers - checkpointed
    formulas = []
    if whole:
        formulas.append(f"{whole} layers × {batch} tokens × {a_layer:,.0f} bytes")
    if checkpointed:
        formulas.append(
            f"{checkpointed} layers × {batch} tokens × {between:,} bytes (only {enters}: gradient checkpointing)"
        )
    kept = Part(KEPT, tokens * (whole * a_layer + checkpointed * between), " + ".join(formulas))
    layer = backward_of_a_layer(shape, bits, tokens) + (0 if whole else tokens * a_layer)
    loss = loss_at_work(config, shape, bits, tokens, work.taught(config), gpu)
    tile = OWN_LOSS_TILE if by_own_loss(config, gpu) else LOSS_TILE[0]
    again = "on its way backwards" if whole else "computed again and then backwards"
    # What CUDA graphs work with stays theirs.
    both, what = (layer + loss, "together") if graphs else (max(layer, loss), "the larger of")
    at_work = Part(
        AT_WORK,
        both,
        f"{what} a layer of {batch} tokens {again} ({layer / GIB:.2f} GiB) and the loss in tiles of "
        f"{tile:,} tokens ({loss / GIB:.2f} GiB)",
    )
    in_layers, of_layers = weights_in_layers(config, shape, bits)
    parts: tuple[Part, ...] = (
        Part(
            WEIGHTS,
            in_layers + shape.table_parameters * bits.table,
            f"{_count(shape.linear_parameters)} weights in layers × {of_layers} + "
            f"{_count(shape.table_parameters)} in embedding and head × {bits.table:g}",
        ),
        Part(
            ADAPTER,
            adapter * held,
            f"{_count(adapter)} weights × ({bits.adapter} + {bits.adapter} gradient + 2 × {bits.moments} "
            "averages) bytes",
        ),
        kept,
        at_work,
    )
    if plain:
        formula = f"{_count(shape.linear_parameters)} weights in layers × {BF16} bytes"
        parts += (Part(PLAIN, BF16 * shape.linear_parameters, formula),)
    if graphs:
        flow = shape.hidden * bits.flow
        formula = f"2 × {batch} tokens × {flow:,} bytes + 2 × {_count(adapter)} weights × {bits.adapter} bytes"
        parts += (Part(PLACES, 2 * tokens * flow + 2 * adapter * bits.adapter, formula),)
    if config.gpus > 1:  # the adapter's gradients once more, on their way to the others
        parts += (Part(EXCHANGED, adapter * bits.adapter, f"{_count(adapter)} weights × {bits.adapter} bytes"),)
    if gpu:
        return (*parts, Part(BESIDES, CUDA_BYTES, "CUDA's context and the workspace of its products, as measured"))
    working = sum(part.amount for part in parts[1:])
    return (
        *parts,
        Part(GAPS, HEAP_GAPS * working, f"{HEAP_GAPS:.0%} of the {working / GIB:.2f} GiB that come and go"),
        Part(BESIDES, PROCESS_BYTES, "Python with torch, transformers and TRL, as measured"),
    )


def weights_in_layers(config: TrainingConfig, shape: BaseShape, bits: Precision) -> tuple[float, str]:
    """Bytes of the layers' weights on one GPU, and how many that are a weight: all, or its share of a split base
    with the layers that are lent to it. The scales beside 4-bit weights are not split."""
    if not (config.split_base and config.gpus > 1):
        return shape.linear_parameters * bits.linear, f"{bits.linear:.4g} bytes"
    split = 0.5 if bits.linear < 1 else bits.linear
    beside = bits.linear - split
    a_weight = split * (1 / config.gpus + LENT_LAYERS / shape.layers) + beside
    words = f"({split:g} bytes × (1/{config.gpus} kept + {LENT_LAYERS}/{shape.layers} lent)"
    return shape.linear_parameters * a_weight, f"{words}{f' + {beside:.2g}' if beside else ''})"


def base_bytes(config: TrainingConfig, shape: BaseShape, gpu: bool) -> float:
    """Bytes of the whole base, as it is read before it is split."""
    bits = precision_of(config, shape, gpu)
    return shape.linear_parameters * bits.linear + shape.table_parameters * bits.table


def kept_by_a_layer(
    config: TrainingConfig, shape: BaseShape, bits: Precision, rows: int, length: int, gpu: bool
) -> float:
    """Bytes a token that one decoder layer keeps for its backward pass. Frozen weights ask nothing of their
    inputs; an adapter asks for the input of its layer, which layers with the same input share. The levers of the
    fast path, which only a GPU has, keep less."""
    query, kept = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    compiled = gpu and config.compiled_parts
    # Norms compute in 32 bits and keep their input in these; compiled ones keep it as it came, and a root a row.
    norms = 2.0 * (bits.flow if compiled else FP32) * shape.hidden
    if shape.head_norms:
        norms += (bits.product if compiled else FP32) * (query + kept) + FP32 * (shape.heads + shape.kv_heads)
    # Attention keeps query, keys and values, its output, and a sum a head. Where it has a mask, that as numbers to
    # add, and keys and values repeated for every query head.
    attention = bits.product * (2 * query + 2 * (kept if by_document(config, gpu) else query)) + FP32 * shape.heads
    if (rows > 1 or config.packing) and not by_document(config, gpu):
        attention += bits.product * length
    # The feed-forward part keeps both sides of its product, and what the activation came from; compiled it makes
    # that again.
    forward = bits.flow * (2 if compiled else 3) * shape.intermediate
    return norms + attention + forward + _kept_by_adapters(config, shape, bits, gpu)


def by_document(config: TrainingConfig, gpu: bool) -> bool:
    """Whether attention is computed document by document, without a mask."""
    return gpu and config.packing and config.attention == "by document"


def in_two_steps(config: TrainingConfig, gpu: bool) -> bool:
    """Whether a layer is two steps of the backward pass."""
    return gpu and config.fused_lora and config.compiled_parts and not config.lora_dropout


def by_graphs(config: TrainingConfig, gpu: bool) -> bool:
    """Whether CUDA graphs are asked to do the work of all layers, which a split base does not have at one time."""
    return by_document(config, gpu) and in_two_steps(config, gpu) and config.cuda_graphs and not config.split_base


def by_own_loss(config: TrainingConfig, gpu: bool) -> bool:
    """Whether the loss is asked to be made with its gradient."""
    return gpu and config.fused_loss and config.fused_lora


def keeps_attention(config: TrainingConfig, gpu: bool) -> bool:
    """Whether a checkpointed layer keeps what attention gave."""
    return config.keep_attention and by_graphs(config, gpu)


def computed_again(config: TrainingConfig, shape: BaseShape, gpu: bool) -> float:
    """Which share of a layer's linear weights a checkpointed layer multiplies by once more: all, or all but what
    the last product of a layer gives, which the way back does not need."""
    last = shape.layers * shape.intermediate * shape.hidden if in_two_steps(config, gpu) else 0
    return 1 - last / shape.linear_parameters


def _kept_by_adapters(config: TrainingConfig, shape: BaseShape, bits: Precision, gpu: bool) -> float:
    """Bytes a token of the inputs that adapters keep, and of what lies between their two matrices."""
    widths = {name: width for name, (_, width) in shape.adapted(config.target_modules).items()}
    low = bits.product * config.lora_rank * len(widths)
    if config.lora_dropout:
        # Each adapter has its own input with some numbers left out, and a byte for each of these.
        return low + (bits.product + 1) * sum(widths.values())
    one_product = gpu and config.fused_lora
    if bits.adapter > bits.product and not one_product:
        return low + bits.product * sum(widths.values())  # each makes its own copy on the way through 32 bits
    widths.pop("o_proj", None)  # the output of attention is kept anyway
    if bits.flow > bits.product:
        return low + bits.product * sum(widths.values())  # each rounds its own copy
    shared = {
        ("attention" if name in ("q_proj", "k_proj", "v_proj") else name): width for name, width in widths.items()
    }
    if "gate_proj" in shared and "up_proj" in shared:
        del shared["up_proj"]
    return low + bits.product * sum(shared.values())


def backward_of_a_layer(shape: BaseShape, bits: Precision, tokens: int) -> float:
    """Bytes of the gradients in flight within one layer's feed-forward part, and of its largest 4-bit layer made
    plain for the product."""
    hidden, inner = bits.flow * shape.hidden * tokens, bits.flow * shape.intermediate * tokens
    plain = BF16 * shape.intermediate * shape.hidden if bits.linear < 1 else 0
    return 2 * hidden + max(2 * inner, inner + plain)


def loss_at_work(
    config: TrainingConfig, shape: BaseShape, bits: Precision, tokens: int, taught: float, gpu: bool
) -> float:
    """Bytes while the loss goes backwards: the last norm, the hidden states of the tokens that are learned, their
    gradient, one tile of logits, and a tile of the head where it has to be rounded. Neither loss ever builds the
    logits of all tokens, be it in training or where only the loss is measured. TRL's adds the gradient up in 32
    bits; on a CPU it copies a tile of logits some times over in 32 bits."""
    learned = tokens * taught
    last_norm = tokens * shape.hidden * (FP32 + 2 * bits.flow)
    if by_own_loss(config, gpu):
        tile = min(learned, OWN_LOSS_TILE) * shape.vocab * bits.product
        return last_norm + learned * shape.hidden * 2 * bits.flow + tile
    words = min(shape.vocab, LOSS_TILE[1])
    tile = min(learned, LOSS_TILE[0]) * words * (bits.product if gpu else LOSS_COPIES_ON_CPU * FP32)
    head = words * shape.hidden * bits.product if bits.table > bits.product else 0
    return last_norm + learned * shape.hidden * (2 * bits.flow + FP32) + tile + head


def _count(parameters: int) -> str:
    if parameters >= 1e9:
        return f"{parameters / 1e9:.3g} billion"
    return f"{parameters / 1e6:.3g} million"
