"""The adapter's weights as files: exactly as they train, to go on from, and in 16 bits, to be worn."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from medreason.errors import MedReasonError
from medreason.finetune.manifest import WEIGHTS_FILE


def save_exact(model: Any, path: Path) -> None:
    """Write every trained weight as it is, under its name in the model."""
    save_file({name: weight.detach().cpu().contiguous() for name, weight in _trained(model)}, path)


def load_exact(model: Any, path: Path) -> None:
    """Put weights back that `save_exact` wrote, bit for bit. Raises `MedReasonError` where names, shapes or types
    are not those of the model."""
    saved, weights = load_file(path), dict(_trained(model))
    same = set(saved) == set(weights) and all(
        saved[name].shape == weight.shape and saved[name].dtype == weight.dtype for name, weight in weights.items()
    )
    if not same:
        raise MedReasonError(
            "The weights of the checkpoint do not fit the adapter that is trained. Start again as a new run."
        )
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(saved[name])


def save_adapter(model: Any, folder: Path, base_name: str) -> None:
    """Write the adapter in 16 bits and its configuration, naming the base and no path."""
    from peft import get_peft_model_state_dict

    weights = {
        name: tensor.detach().to("cpu", torch.bfloat16).contiguous()
        for name, tensor in get_peft_model_state_dict(model, save_embedding_layers=False).items()
    }
    if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values()):
        raise MedReasonError(
            "The adapter holds numbers that are not finite, so it was not kept. Lower the learning rate, then "
            "start again."
        )
    config = model.peft_config["default"]
    config.base_model_name_or_path = base_name
    config.inference_mode = True
    if not isinstance(config.target_modules, str):
        config.target_modules = sorted(config.target_modules)  # a set would be written in another order each time
    save_file(weights, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    # The library makes the file readable to its owner alone, unlike those beside it.
    (folder / WEIGHTS_FILE).chmod(0o644)
    config.save_pretrained(folder)


def _trained(model: Any) -> list[tuple[str, torch.Tensor]]:
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
