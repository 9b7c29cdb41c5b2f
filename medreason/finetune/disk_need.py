"""The disk that a run fills, and that its adapter would if it were merged into the base."""

from medreason.domain.estimate import Part
from medreason.domain.training import TrainingConfig
from medreason.finetune.calibration import LOG_BYTES, TOKENIZER_BYTES
from medreason.finetune.memory_need import precision_of
from medreason.models.base_shape import BaseShape

CHECKPOINTS, RESULT, MERGED, DOWNLOAD, SPARE = (
    "Checkpoints",
    "Adapter, log and curves",
    "Full weights, if merged later",
    "Base model from the hub",
    "To spare",
)
SPARE_SHARE = 0.1
BF16 = 2
GIB = 1024**3


def disk_parts(config: TrainingConfig, shape: BaseShape, gpu: bool, download: bool = False) -> tuple[Part, ...]:
    """The parts in bytes. One checkpoint more than are kept: the next is whole before the oldest goes; and one
    more where the best is none of the newest."""
    bits = precision_of(config, shape, gpu)
    adapter = shape.adapter_parameters(config.lora_rank, config.target_modules)
    a_checkpoint = adapter * (bits.adapter + 2 * bits.moments)
    kept = config.keep_checkpoints + (2 if config.best_by_held_out else 1)
    parts = [
        Part(
            CHECKPOINTS,
            kept * a_checkpoint,
            f"{kept} × {adapter / 1e6:,.1f} million weights × ({bits.adapter} + 2 × {bits.moments}) bytes "
            f"({config.keep_checkpoints} kept, the next one{' and the best' if config.best_by_held_out else ''} "
            "beside them)",
        ),
        Part(
            RESULT,
            adapter * BF16 + TOKENIZER_BYTES + LOG_BYTES,
            f"{adapter / 1e6:,.1f} million weights × {BF16} bytes + {TOKENIZER_BYTES / 1e6:.0f} MB tokenizer + "
            f"{LOG_BYTES / 1e6:.0f} MB log",
        ),
        Part(
            MERGED,
            shape.parameters * BF16,
            f"{shape.parameters / 1e9:.3g} billion weights × {BF16} bytes (only merge_adapter.py writes them)",
        ),
    ]
    if download:
        parts.append(
            Part(DOWNLOAD, shape.parameters * BF16, f"{shape.parameters / 1e9:.3g} billion weights × {BF16} bytes")
        )
    whole = sum(part.amount for part in parts)
    return (*parts, Part(SPARE, SPARE_SHARE * whole, f"{SPARE_SHARE:.0%} of {whole / GIB:.2f} GiB"))


def needed_to_run(parts: tuple[Part, ...]) -> float:
    """Bytes without which a run should not start: all but the merged weights, with what is to spare."""
    return (1 + SPARE_SHARE) * sum(part.amount for part in parts if part.what not in (MERGED, SPARE))
