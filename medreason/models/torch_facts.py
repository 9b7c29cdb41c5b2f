"""What torch says of itself and of the GPU, in words. Importing this file loads no torch; calling it does."""

from typing import NamedTuple


class TorchFacts(NamedTuple):
    version: str
    cuda: str  # the version that torch was built for, empty for a build without
    gpus: tuple[str, ...]  # those that torch can use now


def torch_facts() -> TorchFacts:
    """Raises `ImportError` or `OSError` where torch is missing or does not load."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = tuple(torch.cuda.get_device_name(number) for number in range(count))
    return TorchFacts(torch.__version__, torch.version.cuda or "", names)
