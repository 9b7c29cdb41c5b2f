"""Compiles the layer's step before the weights are loaded, while the disk is asked for them: it wants shapes
alone, which the model's config.json and the adapter's header tell, so one layer of noughts stands in.

Both compiling and loading are busy in Python, so loading waits for the first form, up to some seconds: then little
is left to do once the weights are in memory. Where the shapes turn out to be others, or where compiling fails,
nothing is lost but the time.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from medreason.engine.compiled import CompiledLayer
from medreason.engine.own_layer import Layer, Piece, Shape, prompt
from medreason.engine.own_model import BESIDE, GROUPS, ranks_of
from medreason.engine.products import Beside, Dense, FourBit, LowRank, Product, four_bit_part
from medreason.errors import MedReasonError
from medreason.models.adapters import read_adapter
from medreason.models.base import BaseSource, cached
from medreason.models.base_shape import BaseShape, read_shape

log = logging.getLogger(__name__)

Form = tuple[int, bool]

FAMILIES = ("qwen3", "llama")
FIRST_FORM: Form = (2, True)  # the pair that the self-test decodes
LATER_FORMS: tuple[Form, ...] = ((1, True), (4, True), (8, True), (1, False))
BASE_ALONE: Form = (1, False)
LENGTH = 2048  # of the stand-in's cache; what is compiled serves every length
PIECE = 8  # tokens that the stand-in reads at a time


class Wanted(NamedTuple):
    """What is to be compiled: the forms in turn, of a layer such as this."""

    shape: Shape
    layer: Layer
    forms: tuple[Form, ...]


class Ahead:
    """Compiles what `find` says, if anything, in a thread of its own until `wait`. Nothing compiled may be called
    meanwhile: torch refuses that while another thread traces."""

    def __init__(self, find: Callable[[], Wanted | None]):
        self._enough = False
        self._find = find
        self._thread = threading.Thread(target=self._work, name="compile-ahead", daemon=True)
        self._thread.start()

    def wait(self, most_s: float | None = None) -> None:
        """Until the form at hand, the first in any case, is compiled and nothing is being compiled any more."""
        self._enough = True
        self._thread.join(most_s)

    def _work(self) -> None:
        try:
            wanted = self._find()
            if wanted is None:
                return
            compiled = CompiledLayer(wanted.shape)
            read_once(wanted)
            for form in wanted.forms:
                compiled.make(wanted.layer, *form, LENGTH)
                if self._enough:
                    return
        except MedReasonError:
            pass  # it is told where the adapter is put on
        except Exception as fault:
            log.info("Layers are compiled later, because it did not work before the loading: %r", fault)


def wanted_for(source: BaseSource, adapter: Path | None) -> Wanted | None:
    """What answers of this base with this adapter need on the GPU; None where their shapes are not to be had."""
    place = Path(source.place).expanduser()
    here = place if place.is_dir() else cached(source.place, source.revision)
    shape = read_shape(here) if here is not None else None
    if shape is None or shape.family not in FAMILIES:
        return None
    ranks = ranks_of(read_adapter(adapter) if adapter is not None else None)
    four_bit = source.quantization == "nf4" or shape.quantized
    layer = stand_in(shape, ranks, four_bit, torch.bfloat16, torch.device("cuda"))
    return Wanted(step_shape(shape), layer, (FIRST_FORM, *LATER_FORMS) if any(ranks) else (BASE_ALONE,))


@torch.no_grad()
def read_once(wanted: Wanted) -> None:
    """A prompt in two pieces through one layer: a GPU fetches the kernels for it from the disk now, not when the
    first prompt is read."""
    shape, layer = wanted.shape, wanted.layer
    kind: dict[str, Any] = {"dtype": layer.norm.dtype, "device": layer.norm.device}
    angles = torch.zeros(PIECE, 1, shape.head_size, **kind)
    acting = torch.ones(2, 1, 1, **kind)
    seen = torch.ones(PIECE, 2 * PIECE, dtype=torch.bool, device=layer.norm.device).tril(PIECE)
    x = torch.zeros(2, PIECE, layer.norm.shape[0], **kind)
    x, *before = prompt(x, layer, shape, Piece(angles, angles, None, acting), None)
    prompt(x, layer, shape, Piece(angles, angles, seen, acting), (before[0], before[1]))


def step_shape(shape: BaseShape) -> Shape:
    return Shape(shape.heads, shape.kv_heads, shape.head_dim, shape.norm_epsilon, shape.head_dim**-0.5)


def stand_in(
    shape: BaseShape, ranks: list[int], four_bit: bool, dtype: torch.dtype, device: torch.device
) -> Layer:
    """A layer laid out as `OwnModel.wear` lays out each of the model's, of noughts. `ranks` are those of
    `own_model.ranks_of`."""
    linears = shape.linears

    def zeros(*sizes: int) -> Tensor:
        return torch.zeros(*sizes, dtype=dtype, device=device)

    def product(group: Sequence[str], rank: int) -> Product:
        sizes = [linears[part.rsplit(".", 1)[-1]] for part in group]
        outputs, inputs = sum(size[0] for size in sizes), sizes[0][1]
        low = LowRank(zeros(rank, inputs), zeros(outputs, rank)) if rank else None
        if four_bit:
            return FourBit(tuple(_quantized(zeros(*size)) for size in sizes), low)
        if low is not None and group == BESIDE:
            return Beside(zeros(outputs, inputs), low)
        return Dense(zeros(outputs + rank, inputs), low.b if low else None)

    qkv, out, gate_up, down = (product(group, rank) for group, rank in zip(GROUPS, ranks, strict=True))
    norms = zeros(shape.heads + shape.kv_heads, shape.head_dim) if shape.head_norms else None
    return Layer(zeros(shape.hidden), qkv, norms, out, zeros(shape.hidden), gate_up, down)


def _quantized(weight: Tensor) -> tuple:
    from bitsandbytes.functional import quantize_4bit

    packed, state = quantize_4bit(weight, blocksize=64, compress_statistics=True, quant_type="nf4")
    return four_bit_part(packed, state)
