"""Fixtures with real models: the embedded one, converted once for the whole checkout, and a tiny Qwen3."""

from pathlib import Path

import pytest

from medreason.folder import DataFolder

CACHE = Path(__file__).resolve().parent.parent / ".cache"


@pytest.fixture(scope="session")
def embedded_model() -> Path:
    """Folder of the embedded model."""
    from medreason.models.embedded import prepare

    return prepare(DataFolder(CACHE).embedded_model)


@pytest.fixture(scope="session")
def tiny_qwen3(embedded_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a two-layer Qwen3 with random weights."""
    from tests.tiny import make_tiny_qwen3

    return make_tiny_qwen3(tmp_path_factory.mktemp("models") / "tiny-qwen3", embedded_model)


@pytest.fixture(scope="session")
def deep_qwen3(embedded_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with five layers."""
    from tests.tiny import make_tiny_qwen3

    return make_tiny_qwen3(tmp_path_factory.mktemp("models") / "deep-qwen3", embedded_model, layers=5)


@pytest.fixture(scope="session")
def tiny_adapter(tiny_qwen3: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter for `tiny_qwen3` that acts strongly."""
    from tests.tiny import make_adapter

    return make_adapter(tiny_qwen3, tmp_path_factory.mktemp("adapters") / "tiny-adapter", strength=0.5)
