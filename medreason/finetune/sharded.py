"""The frozen base of a run on several GPUs, split over them: each keeps its share of every layer's weights and
borrows the rest while the layer computes, forwards and backwards (Zhao et al. 2023, PyTorch FSDP,
https://arxiv.org/abs/2304.11277).

Embedding, head, norms and the adapter stay whole on every GPU, and the adapter is trained as without this. Torch's
own `fully_shard` makes another kind of tensor (DTensor) of each weight, which accelerate refuses beside DDP and
which loses what bitsandbytes keeps at a weight in 4 bits. Here each weight stays the tensor that it is, and so
whatever computes with it stays as it is too: the layers take turns at two places, one of which is filled while the
other is computed with.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from medreason.errors import MedReasonError
from medreason.finetune.fast.checkpointing import checkpointable
from medreason.finetune.memory_need import LENT_LAYERS
from medreason.finetune.ranks import Ranks

PLACES = LENT_LAYERS
ALIGNED = 256  # bytes: where a weight begins

Gather = Callable[[Tensor, Tensor], Any]
"""Begins to fill the first tensor with the shares of all processes in turn, the second being this one's; gives
what waits for it."""


def split(model: Any, ranks: Ranks) -> str:
    """Split the base under `model`, which PEFT has dressed and which lies on the CPU, over the processes of the
    run, and put the rest on this one's GPU; what was done, in a sentence."""
    from torch.nn.parallel import DistributedDataParallel

    device = torch.device("cuda", ranks.rank) if torch.cuda.is_available() else torch.device("cpu")
    done = SplitLayers(checkpointable(model), ranks.rank, ranks.count, device)
    model.to(device)
    lent = {id(weight) for weight in done.weights}
    names = [name for name, weight in model.named_parameters() if id(weight) in lent]
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, names)
    kept, whole = (f"{size / 1024**2:,.1f} MiB" for size in (done.kept_bytes, done.kept_bytes * ranks.count))
    return (
        f"The base is split: of the {whole} of its layers each of the {ranks.count} GPUs keeps {kept} and borrows "
        "the rest layer by layer."
    )


class SplitLayers:
    """Layers of a model, in the order in which they compute, as one of `count` processes holds them on `device`.
    `shares` is what this process keeps of each, as bytes; between two uses a weight points to what another layer
    has put there."""

    def __init__(
        self,
        layers: Sequence[nn.Module],
        rank: int,
        count: int,
        device: torch.device,
        gather: Gather | None = None,
    ):
        each = [_frozen(layer) for layer in layers]
        self.weights = [weight for weights in each for weight in weights]
        if not self.weights:
            raise MedReasonError(
                "The base model has no layers that could be split. Turn “Split the base over the GPUs” off."
            )
        self._gather = gather or _gathered
        self._count = count
        self.shares: list[Tensor] = []
        most = max(_room(weights, count) for weights in each)
        self._wholes = [torch.zeros(most, dtype=torch.uint8, device=device) for _ in range(PLACES)]
        self._there: list[int | None] = [None] * PLACES
        self._coming: list[Any] = [None] * PLACES
        self._backwards: int | None = None
        self._lent: list[list[tuple[Tensor, Tensor]]] = []
        for number, (layer, weights) in enumerate(zip(layers, each, strict=True)):
            whole = torch.zeros(_room(weights, count), dtype=torch.uint8)
            for weight, place in zip(weights, _places(weights, whole), strict=True):
                place.copy_(weight.data)
            self.shares.append(whole.chunk(count)[rank].to(device, copy=True))
            places = _places(weights, self._wholes[number % PLACES])
            self._lent.append(list(zip(weights, places, strict=True)))
            self._point(number)  # nobody holds what they were
            layer.register_forward_pre_hook(partial(self._before, number))
            layer.register_forward_hook(partial(self._after, number))

    @property
    def kept_bytes(self) -> int:
        """What this process keeps of the layers."""
        return sum(len(share) for share in self.shares)

    def _before(self, number: int, *_: Any) -> None:
        if number != self._backwards:  # else the layer is computed again on the way backwards
            self._backwards = None
            self._bring(number, number + 1)

    def _after(self, number: int, _: Any, given: Any, said: Any) -> None:
        """Have the layer's weights back before its way backwards begins."""

        def back(_: Tensor) -> None:
            self._backwards = number
            self._bring(number, number - 1)

        first = said[0] if isinstance(said, tuple) else said
        if first.requires_grad:
            first.register_hook(back)

    def _bring(self, number: int, following: int) -> None:
        """Have a layer's weights in their place, and those of the following one on their way to the other place,
        whose layer has done its work."""
        self._begin(number)
        self._wait(number % PLACES)
        self._point(number)  # libraries that move a model may have made copies of what was there
        if 0 <= following < len(self.shares):
            self._begin(following)

    def _begin(self, number: int) -> None:
        place, share = number % PLACES, self.shares[number]
        if self._there[place] != number:
            self._wait(place)
            self._coming[place] = self._gather(self._wholes[place][: len(share) * self._count], share)
            self._there[place] = number

    def _point(self, number: int) -> None:
        for weight, place in self._lent[number]:
            weight.data = place

    def _wait(self, place: int) -> None:
        if self._coming[place] is not None:
            self._coming[place].wait()
            self._coming[place] = None


def _gathered(whole: Tensor, share: Tensor) -> Any:
    import torch.distributed as dist

    return dist.all_gather_into_tensor(whole, share, async_op=True)


def _frozen(layer: nn.Module) -> list[nn.Parameter]:
    """The weights of a layer that are split: those that do not learn, but for norms and biases, which are
    small."""
    return [weight for weight in layer.parameters() if not weight.requires_grad and weight.dim() > 1]


def _room(weights: Sequence[Tensor], count: int) -> int:
    """The bytes of these weights side by side, as a multiple of `count`."""
    return count * -(-sum(_aligned(weight) for weight in weights) // count)


def _places(weights: Sequence[Tensor], whole: Tensor) -> list[Tensor]:
    """Where each of these weights lies in `whole`, as a tensor like it."""
    places, at = [], 0
    for weight in weights:
        place = whole[at : at + weight.numel() * weight.element_size()]
        places.append(place.view(weight.dtype).view(weight.shape))
        at += _aligned(weight)
    return places


def _aligned(weight: Tensor) -> int:
    return ALIGNED * -(-weight.numel() * weight.element_size() // ALIGNED)
