"""How much memory the weights behind some answers take, in 16 bits and in 4: as measured when the base was
quantized. Says in words where that is not known. Loads no model.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medreason.domain.pack import GenerationRow, PackData
from medreason.models.new_folder import read_record
from medreason.models.quantizing import MEMORY, RECORD

QUANTIZED = "nf4"


@dataclass(frozen=True)
class _Measured:
    """Bytes of all weights before and after; `folder` names the base in 4 bits, `base_sha256` what it was made
    from."""

    folder: str
    base_sha256: str
    before: int
    after: int


def weights_memory(data: PackData, models: Path) -> tuple[str, ...]:
    """One sentence for each base that answered; `models` is the folder of the bases quantized here."""
    measured = tuple(_measured(models))
    bases = {(row.base_model, row.base_sha256, row.precision, row.claimed_by): row for row in data.generations}
    return tuple(_sentence(row, measured) for key, row in sorted(bases.items()) if row.base_model)


def _measured(models: Path) -> Iterator[_Measured]:
    for folder in sorted(models.iterdir()) if models.is_dir() else ():
        record = read_record(folder, RECORD)
        sizes = record.get(MEMORY)
        if isinstance(sizes, dict) and all(
            type(sizes.get(part)) is int and sizes[part] for part in ("before", "after")
        ):
            yield _Measured(folder.name, str(record.get("base_sha256", "")), sizes["before"], sizes["after"])


def _sentence(row: GenerationRow, measured: tuple[_Measured, ...]) -> str:
    if row.claimed_by:
        return f"{row.base_model}: held by {row.claimed_by}, which does not tell how much memory its weights take."
    in_4_bits = row.precision == QUANTIZED
    answered = (
        f"{row.base_model} answered in {'4 bits (NF4)' if in_4_bits else row.precision or 'unknown precision'}"
    )
    found = next(
        (
            one
            for one in measured
            if one.folder == row.base_model or row.base_sha256 and one.base_sha256 == row.base_sha256
        ),
        None,
    )
    if found is None:
        why = "no measurement of it was kept" if in_4_bits else "it was not quantized"
        return f"{answered}; memory of its weights before and after quantization: not known, because {why}."
    less = 100 * (1 - found.after / found.before)
    return (
        f"{answered}; its weights take {_size(found.before)} in 16 bits and {_size(found.after)} after "
        f"quantization to 4 bits, {less:.0f} % less."
    )


def _size(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
