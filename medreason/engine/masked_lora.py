"""A LoRA adapter worn by a base in such a way that each row of a batch decides whether it acts.

    y = base(x) + ((x Aᵀ) ⊙ m) Bᵀ·s        m: 0 or 1 for each row

With the switch off the layer is the base layer itself, bit for bit. The base's weights are never
written; taking the adapter off puts the very same layers back. Whether the adapter may be worn at all
is asked of `models.adapters` before.
"""

from collections.abc import Sequence
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional

from medreason.models.adapters import AdapterInfo


class RowSwitch:
    """Which rows of the next forward the adapter acts on; shared by all layers of one adapter."""

    def __init__(self, device: torch.device, dtype: torch.dtype):
        self.device, self.dtype = device, dtype
        self.mask: Tensor | None = None

    def set(self, rows: Sequence[bool]) -> None:
        """One truth a row. Where none is true the switch is off."""
        wanted = [float(row) for row in rows]
        column = torch.tensor(wanted, device=self.device, dtype=self.dtype).view(-1, 1, 1)
        self.mask = column if any(rows) else None

    def off(self) -> None:
        self.mask = None


class MaskedLora(nn.Module):
    """A linear layer with the adapter beside it. `b` holds the scale already."""

    a: Tensor
    b: Tensor

    def __init__(self, base: nn.Module, a: Tensor, b: Tensor, switch: RowSwitch):
        super().__init__()
        self.base = base
        self.switch = switch
        self.register_buffer("a", a, persistent=False)
        self.register_buffer("b", b, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.base(x)
        mask = self.switch.mask
        if mask is None:
            return y
        low = functional.linear(x.to(self.a.dtype), self.a) * mask
        return y + functional.linear(low, self.b).to(y.dtype)


class WornAdapter:
    """An adapter on a model. `rows` and `off` say where it acts, `take_off` restores the model."""

    def __init__(self, model: nn.Module, info: AdapterInfo):
        """Put the adapter on `model`, switched off. It fits: `check_fits` has been asked."""
        self.info = info
        self._model = model
        device = next(model.parameters()).device
        # A CPU multiplies small float32 matrices faster than bf16, and it is how PEFT trains them.
        dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
        self._switch = RowSwitch(device, dtype)
        self._replaced: dict[str, nn.Module] = {}
        with safe_open(info.weights, framework="pt", device="cpu") as weights:
            for name, layer in info.layers.items():
                a = weights.get_tensor(layer.a.name).to(device, dtype)
                b = weights.get_tensor(layer.b.name).float() * layer.scale
                base = model.get_submodule(name)
                self._replaced[name] = base
                _put(model, name, MaskedLora(base, a, b.to(device, dtype), self._switch))

    def rows(self, acting: Sequence[bool]) -> None:
        self._switch.set(acting)

    def off(self) -> None:
        self._switch.off()

    def take_off(self) -> None:
        for name, base in self._replaced.items():
            _put(self._model, name, base)
        self._replaced.clear()


def linear_shapes(model: nn.Module) -> dict[str, tuple[int, int]]:
    """(outputs, inputs) of every linear layer by name, 4-bit ones included."""
    return {
        name: (layer.out_features, layer.in_features)
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear)
    }


def _put(model: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    holder: Any = model.get_submodule(parent)
    setattr(holder, child, layer)
