"""The ready-made adapter is what its manifest says, and small."""

import json
import re

from medreason.data.rows import load_rows, sha256_of
from medreason.data.sketch import overlap_with_record
from medreason.demo import ADAPTER, CURRICULUM
from medreason.domain.case import Case
from medreason.domain.training import TrainingConfig
from medreason.finetune.config_file import read_config
from medreason.finetune.manifest import read_manifest
from tests.conftest import CHECKOUT

MANIFEST = read_manifest(ADAPTER) or {}


def test_the_weights_are_those_of_the_manifest_and_at_most_3_mb() -> None:
    weights = ADAPTER / "adapter_model.safetensors"
    assert sha256_of(weights) == MANIFEST["adapter_sha256"]
    assert sum(file.stat().st_size for file in ADAPTER.iterdir()) <= 3_000_000


def test_it_was_made_from_the_curriculum_that_comes_along() -> None:
    assert sha256_of(CURRICULUM) == MANIFEST["data"]["sha256"]
    rows = load_rows(CURRICULUM)
    assert len(rows) == MANIFEST["data"]["rows"] == MANIFEST["data"]["rows_in_file"]
    asked = [Case(case_id=str(number), text=row.question) for number, row in enumerate(rows)]
    known = overlap_with_record(asked, MANIFEST) or ()
    assert sum(one.similarity == 1 for one in known) == MANIFEST["data"]["train_rows"]


def test_it_was_made_with_the_configuration_that_comes_along() -> None:
    """Settings that came later had no effect then; their defaults have none now."""
    config = read_config(CHECKOUT / "training_scripts" / "configs" / "demo_adapter.yaml")
    assert {**vars(TrainingConfig()), **MANIFEST["config"]} == vars(config)


def test_training_lowered_the_loss_on_rows_it_had_not_seen() -> None:
    assert MANIFEST["losses"]["held_out_after"] < MANIFEST["losses"]["held_out_before"]


def test_it_names_its_base_and_no_place_of_the_machine_it_was_made_on() -> None:
    config = json.loads((ADAPTER / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == MANIFEST["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    for file in ADAPTER.iterdir():
        if file.suffix in (".json", ".md"):
            assert not re.search(r"(?<![\w<])/(?:home|root|tmp|work|Users)/", file.read_text(encoding="utf-8"))
