"""Compiles the layer's step beside the loading of the weights: it asks for shapes alone, which the model's
config.json and the adapter's header tell, so one layer of noughts stands in.

Where the shapes turn out to be others, or where compiling fails, nothing is lost but the time.
"""

import logging
import threading
from pathlib import Path

import torch
from torch import Tensor

from medreason.engine.compiled import CompiledLayer
from medreason.engine.own_layer import Layer, Shape
from medreason.engine.own_model import GROUPS, ranks_of
from medreason.engine.products import Dense, FourBit, LowRank, Product, four_bit_part
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


class Ahead:
    """Compiles `forms` in turn, in a thread of its own, until `enough`. Nothing compiled may be called meanwhile:
    torch refuses that while another thread traces."""

    def __init__(self, shape: Shape, layer: Layer, forms: tuple[Form, ...]):
        self._compiled = CompiledLayer(shape)
        self._layer: Layer | None = layer
        self._forms = forms
        self._enough = False
        self._thread = threading.Thread(target=self._work, name="compile-ahead", daemon=True)
        self._thread.start()

    def enough(self) -> None:
        """The weights are there: end after the form at hand, the first in any case."""
        self._enough = True

    def wait(self) -> None:
        """Until nothing is being compiled any more."""
        self._enough = True
        self._thread.join()

    def _work(self) -> None:
        try:
            for form in self._forms:
                assert self._layer is not None
                self._compiled.make(self._layer, *form, LENGTH)
                if self._enough:
                    return
        except Exception as fault:
            log.info("Layers are compiled later, because it did not work beside the loading: %r", fault)
        finally:
            self._layer = None  # and its memory with it


def compile_ahead(source: BaseSource, adapter: Path | None) -> Ahead | None:
    """Begin to compile for this base with this adapter on the GPU; None where their shapes are not to be had."""
    place = Path(source.place).expanduser()
    here = place if place.is_dir() else cached(source.place, source.revision)
    shape = read_shape(here) if here is not None else None
    if shape is None or shape.family not in FAMILIES:
        return None
    try:
        ranks = ranks_of(read_adapter(adapter) if adapter is not None else None)
        four_bit = source.quantization == "nf4" or shape.quantized
        layer = stand_in(shape, ranks, four_bit, torch.bfloat16, torch.device("cuda"))
    except MedReasonError:
        return None  # it is told where the adapter is put on
    except Exception as fault:
        log.info("Layers are compiled later, because there was no stand-in for one: %r", fault)
        return None
    return Ahead(step_shape(shape), layer, (FIRST_FORM, *LATER_FORMS) if any(ranks) else (BASE_ALONE,))


def step_shape(shape: BaseShape) -> Shape:
    return Shape(shape.heads, shape.kv_heads, shape.head_dim, shape.norm_epsilon, shape.head_dim**-0.5)


def stand_in(
    shape: BaseShape, ranks: list[int], four_bit: bool, dtype: torch.dtype, device: torch.device
) -> Layer:
    """A layer laid out as `OwnModel.wear` lays out each of the model's, of noughts. `ranks` are those of
    `own_model.ranks_of`."""
    linears = shape.linears
    groups = [[part.rsplit(".", 1)[-1] for part in group] for group in GROUPS]

    def zeros(*sizes: int) -> Tensor:
        return torch.zeros(*sizes, dtype=dtype, device=device)

    def product(group: list[str], rank: int) -> Product:
        outputs, inputs = [linears[name][0] for name in group], linears[group[0]][1]
        if not four_bit:
            return Dense(zeros(sum(outputs) + rank, inputs), zeros(sum(outputs), rank) if rank else None)
        low = LowRank(zeros(rank, inputs), zeros(sum(outputs), rank)) if rank else None
        return FourBit(tuple(_quantized(zeros(width, inputs)) for width in outputs), low)

    qkv, out, gate_up, down = (product(group, rank) for group, rank in zip(groups, ranks, strict=True))
    norms = zeros(shape.heads + shape.kv_heads, shape.head_dim) if shape.head_norms else None
    return Layer(zeros(shape.hidden), qkv, norms, out, zeros(shape.hidden), gate_up, down)


def _quantized(weight: Tensor) -> tuple:
    from bitsandbytes.functional import quantize_4bit

    packed, state = quantize_4bit(weight, blocksize=64, compress_statistics=True, quant_type="nf4")
    return four_bit_part(packed, state)
