"""What an adapter is made of: the record beside its weights, by which it can be checked and compared later.

Written last, so an adapter with a manifest is whole. Knows nothing of how the run went about it.
"""

import json
from pathlib import Path
from typing import Any

ADAPTER = "adapter"
MANIFEST_FILE = "manifest.json"
WEIGHTS_FILE = "adapter_model.safetensors"
VERSIONED = (
    "torch",
    "transformers",
    "peft",
    "trl",
    "accelerate",
    "bitsandbytes",
    "datasets",
    "tokenizers",
    "safetensors",
)


def versions() -> dict[str, str]:
    """Versions of the libraries that took part, by their names on the package index."""
    import platform
    from importlib import metadata

    found = {"python": platform.python_version()}
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    (folder / MANIFEST_FILE).write_text(
        json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of an adapter's folder; None where the adapter is missing or not whole."""
    try:
        found = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        return found if isinstance(found, dict) and (folder / WEIGHTS_FILE).is_file() else None
    except (OSError, ValueError):
        return None
