"""Memory of the weights: told where it was measured, and said to be unknown where it was not."""

from dataclasses import replace

import pytest

from medreason.domain.pack import PackData
from medreason.models.new_folder import write_record
from medreason.services.descriptive import descriptive
from medreason.services.weights_memory import weights_memory
from medreason.ui.results_view import description
from tests.packs import study_pack

MEASURED = {"before": 16_400_000_000, "after": 6_150_000_000}


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models" / "base-nf4"
    folder.mkdir(parents=True)
    write_record(folder, "quantized.json", {"base_sha256": "b" * 64, "memory_bytes": MEASURED})
    return folder.parent


def answered(**by) -> PackData:
    data = study_pack(2)
    return replace(data, generations=tuple(replace(row, **by) for row in data.generations))


@pytest.mark.parametrize("named", [{}, {"base_model": "base-nf4", "base_sha256": "c" * 64}])
def test_what_was_measured_is_told_by_the_hash_of_the_base_or_the_name_of_its_folder(models, named):
    (said,) = weights_memory(answered(precision="nf4", **named), models)
    assert said == (
        f"{named.get('base_model', 'some/base')} answered in 4 bits (NF4); its weights take 16.40 GB in 16 bits "
        "and 6.15 GB after quantization to 4 bits, 62 % less."
    )


def test_what_was_not_measured_is_said_to_be_unknown_with_the_reason(models, tmp_path):
    other = {"base_sha256": "d" * 64}
    assert "not known, because no measurement" in weights_memory(answered(precision="nf4", **other), models)[0]
    assert "not known, because it was not quantized" in weights_memory(answered(**other), tmp_path / "none")[0]
    assert "held by a server" in weights_memory(answered(claimed_by="a server"), models)[0]
    assert weights_memory(answered(base_model=""), models) == ()


@pytest.mark.parametrize("sizes", [None, [], {"before": 0, "after": 1}, {"before": "much", "after": 1}])
def test_a_record_that_says_nothing_of_it_counts_as_none(models, sizes):
    write_record(models / "base-nf4", "quantized.json", {"base_sha256": "b" * 64, "memory_bytes": sizes})
    (models / "a file").write_text("no folder")
    assert "not known" in weights_memory(answered(precision="nf4"), models)[0]


def test_it_stands_with_what_only_describes(models):
    data = answered(precision="nf4")
    shown = description(descriptive(data), weights_memory(data, models))
    assert "62 % less" in shown and shown.index("Descriptive, not correctness") < shown.index("62 % less")
