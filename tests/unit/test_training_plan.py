"""A plan tells rows, needs and findings before anything is started, and touches no network."""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from medreason.data.cases import load_cases
from medreason.data.prepared import write_prepared
from medreason.data.rows import Row, load_rows
from medreason.demo import CASES, CURRICULUM
from medreason.domain.case import Case
from medreason.domain.dataset import CaseOverlap, Lengths, Preparation, PreparedData, RowCounts, Source, SourceKind
from medreason.domain.estimate import Machine, Severity
from medreason.domain.training import TrainingConfig
from medreason.errors import MedReasonError
from medreason.finetune.config_file import config_from_texts, read_config
from medreason.finetune.presets import ARTICLE, ARTICLE_AS_WRITTEN, BALANCED, CPU_DEMO, PRESETS
from medreason.folder import DataFolder
from medreason.services.plan_rows import RowCounter
from medreason.services.training_plan import Planned, TrainingPlan

GB = 10**9
H100 = Machine("NVIDIA H100 80GB HBM3", 1, 85 * GB, 84 * GB, 137 * GB, 16, 500 * GB)
LAPTOP = Machine(memory=16 * GB, cores=8, disk_free=100 * GB)
DEMO = PRESETS[CPU_DEMO]


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def plan(folder: DataFolder):
    """Plans a configuration on a machine."""

    def of(config: TrainingConfig, machine: Machine = LAPTOP, cases: tuple[Case, ...] = ()) -> Planned:
        return TrainingPlan(folder, lambda: machine, cases).plan(config)

    return of


def keys(planned: Planned) -> set[str]:
    return {one.key for one in planned.findings}


def said(planned: Planned, key: str) -> str:
    return next(one.text for one in planned.findings if one.key == key)


def prepared(folder: DataFolder, lengths: tuple[int, ...], overlaps: tuple[CaseOverlap, ...] = ()) -> str:
    rows = [Row(f"Question {at}?", "Thinking.", "Answer.") for at in range(len(lengths))]
    data = PreparedData(
        name="mine",
        source=Source(SourceKind.HUB, "owner/data"),
        preparation=Preparation(),
        counts=RowCounts(300, 1, 2, 3, 4, 0, len(rows) - 2, 2),
        sha256_train="",
        sha256_held_out="",
        source_sha256="",
        tokenizer="SmolLM2-135M-Instruct",
        proposed_max_length=1152,
        overlaps=overlaps,
        created_at="2026-01-01T00:00:00Z",
    )
    parts = Lengths("SmolLM2-135M-Instruct", lengths, lengths, lengths, (1,) * len(lengths), (1,) * len(lengths))
    write_prepared(folder.datasets / "mine", data, rows[:-2], rows[-2:], parts)
    return "mine"


def test_the_demo_can_start_anywhere_without_a_word(plan) -> None:
    planned = plan(DEMO, LAPTOP, load_cases(CASES))
    assert planned.findings == () and not planned.blocked
    assert (planned.rows.read, planned.rows.train, planned.rows.held_out) == (165, 53, 3)
    assert planned.estimate.steps == 106 and planned.estimate.seconds
    assert "4.4 to a token" in planned.rows.assumed


def test_the_article_on_an_h100_is_warned_of_and_not_blocked(plan) -> None:
    planned = plan(PRESETS[ARTICLE], H100)
    assert not planned.blocked
    assert keys(planned) == {"base_download", "overlap_unknown", "rows_cut"}
    assert (planned.rows.read, planned.rows.train, planned.rows.held_out) == (19_704, 4_750, 250)
    assert "19,704 rows as published" in planned.rows.assumed and "675 tokens" in planned.rows.assumed
    assert "15.3 GiB" in said(planned, "base_download")
    assert planned.estimate.steps == 447


def test_the_articles_own_format_says_that_compare_asks_otherwise(plan) -> None:
    planned = plan(PRESETS[ARTICLE_AS_WRITTEN], H100)
    assert "Compare asks in the model's own chat template, so part of what is learned" in said(
        planned, "text_format"
    )
    assert next(one for one in planned.findings if one.key == "text_format").severity is Severity.WARNING


def test_more_gpus_than_there_are_cannot_start(plan) -> None:
    planned = plan(replace(DEMO, gpus=2, accumulation=2))
    assert planned.blocked and "this computer has none that can be used" in said(planned, "gpus")
    planned = plan(replace(PRESETS[BALANCED], gpus=4), replace(H100, gpus=2))
    assert planned.blocked and "has 2. Set “GPUs to use” to 2." in said(planned, "gpus")


def test_two_gpus_halve_the_time_of_the_steps_and_hold_a_little_more(plan) -> None:
    two = replace(H100, gpus=2)
    alone, shared = (plan(replace(PRESETS[ARTICLE], gpus=gpus), two) for gpus in (1, 2))
    assert not shared.blocked and "gpus_uneven" not in keys(shared)
    assert shared.estimate.steps == alone.estimate.steps
    training = [
        next(one for one in planned.estimate.time if one.what == "Training") for planned in (alone, shared)
    ]
    assert training[1].amount == pytest.approx(training[0].amount / 2)
    assert "batches on each GPU" in training[1].formula
    assert 0 < shared.estimate.gpu_memory_bytes - alone.estimate.gpu_memory_bytes < 100 * 10**6
    uneven = plan(replace(PRESETS[ARTICLE], gpus=2, accumulation=3), two)
    assert "a step sees 4 batches" in said(uneven, "gpus_uneven")


def test_a_base_is_split_over_several_gpus_only(plan) -> None:
    alone = plan(replace(PRESETS[BALANCED], split_base=True), replace(H100, gpus=2))
    assert alone.blocked and said(alone, "split_base").startswith("A base is split over two or more GPUs.")
    shared = plan(replace(PRESETS[BALANCED], split_base=True, gpus=2), replace(H100, gpus=2))
    assert not shared.blocked and not {"split_base", "gpu_memory", "memory_to_split"} & keys(shared)
    training = next(one for one in shared.estimate.time if one.what == "Training")
    assert training.formula.endswith("without what the GPUs wait for each other's layers")


def test_a_base_that_is_split_has_to_be_read_first(plan) -> None:
    config = replace(PRESETS[BALANCED], split_base=True, gpus=2, quantization="none")
    two = replace(H100, gpus=2, memory=32 * GB)
    words = said(plan(config, two), "memory_to_split")
    assert "Each of the 2 processes reads the whole base" in words and words.endswith("Use fewer GPUs, or nf4.")
    assert "about 30.5 GiB in all, and this computer has 29.8 GiB" in words
    assert "memory_to_split" not in keys(plan(replace(config, quantization="nf4"), two))


def test_a_gpu_that_is_too_small_for_the_whole_base_is_told_of_splitting_it(plan) -> None:
    small = replace(H100, gpus=2, gpu_memory_free=8 * GB)
    assert "the base split over the GPUs" in said(plan(replace(PRESETS[BALANCED], gpus=2), small), "gpu_memory")
    assert "split" not in said(plan(PRESETS[BALANCED], small), "gpu_memory")


def test_memory_beyond_what_is_free_names_both_numbers_and_can_be_overridden(plan) -> None:
    planned = plan(PRESETS[BALANCED], replace(H100, gpu_memory_free=8 * GB))
    text = said(planned, "gpu_memory")
    assert f"about {planned.estimate.gpu_memory_bytes / 1024**3:.1f} GiB" in text and "7.5 GiB of 79.2 GiB" in text
    assert not planned.blocked


def test_memory_that_the_driver_does_not_tell_warns_of_nothing(plan) -> None:
    assert "gpu_memory" not in keys(plan(PRESETS[BALANCED], replace(H100, gpu_memory=0, gpu_memory_free=0)))


def test_an_8b_base_without_a_gpu_is_told_before_the_click(plan) -> None:
    planned = plan(PRESETS[ARTICLE], replace(LAPTOP, memory=64 * GB))
    assert {"no_gpu", "nf4_on_cpu", "paged_optimizer"} <= keys(planned) and not planned.blocked
    assert "8.2 billion weights takes about" in said(planned, "no_gpu")


def test_a_base_that_the_memory_cannot_hold_is_refused_with_both_numbers(plan) -> None:
    planned = plan(replace(PRESETS[ARTICLE], quantization="none"))
    assert planned.blocked and "this computer has 14.9 GiB" in said(planned, "memory")


def test_too_little_disk_is_refused_with_both_numbers(plan) -> None:
    planned = plan(DEMO, replace(LAPTOP, disk_free=50_000_000))
    assert planned.blocked and "48 MiB are free" in said(planned, "disk")
    assert planned.needed_bytes > 50_000_000


def test_room_for_the_run_but_not_for_merging_is_a_warning(plan) -> None:
    needed = plan(DEMO).needed_bytes
    planned = plan(DEMO, replace(LAPTOP, disk_free=needed + 1000))
    assert keys(planned) == {"disk_merge"} and not planned.blocked


def test_the_base_to_be_fetched_counts_where_the_hubs_cache_is_on_the_same_disk(
    plan, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(folder.root / "cache"))
    assert plan(PRESETS[ARTICLE], H100).needed_bytes > 16 * GB
    monkeypatch.setenv("HF_HUB_CACHE", "/proc/cache")
    assert plan(PRESETS[ARTICLE], H100).needed_bytes < GB


@pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_what_is_only_on_the_hub_is_refused(plan, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    planned = plan(PRESETS[ARTICLE], H100)
    assert planned.blocked and {"base_offline", "data_offline"} <= keys(planned)
    assert keys(plan(DEMO)) == set()


def test_layers_that_the_base_has_not_are_refused(plan) -> None:
    planned = plan(replace(DEMO, target_modules="c_attn"))
    assert planned.blocked and "q_proj, k_proj" in said(planned, "adapted_layers")


def test_rows_longer_than_the_base_was_made_for_are_warned_of(plan) -> None:
    assert "8,192" in said(plan(replace(DEMO, max_length=16384)), "max_length")
    assert "max_length" not in keys(plan(replace(DEMO, max_length=16384, packing=True), H100))


def test_prepared_data_are_counted_and_not_assumed(plan, folder: DataFolder) -> None:
    name = prepared(folder, tuple(range(100, 1100, 10)))
    planned = plan(replace(DEMO, data=name, max_rows=0, max_length=512, epochs=1.0))
    assert (planned.rows.read, planned.rows.train, planned.rows.held_out) == (300, 98, 2)
    assert planned.rows.assumed == ""
    assert planned.rows.cut == pytest.approx(56 / 98)
    assert "1,152 keeps nearly every row whole" in said(planned, "rows_cut")
    assert planned.estimate.steps == 98


def test_only_part_of_prepared_data_is_drawn_as_the_run_draws_it(plan, folder: DataFolder) -> None:
    from medreason.data.training_rows import rows_for

    config = replace(DEMO, data=prepared(folder, (200,) * 100), max_rows=40)
    planned, rows = plan(config), rows_for(config, folder)
    assert (planned.rows.train, planned.rows.held_out) == (len(rows.train), len(rows.held_out))


def test_lengths_by_another_tokenizer_are_told(plan, folder: DataFolder) -> None:
    config = replace(PRESETS[ARTICLE], data=prepared(folder, (200,) * 100))
    assert "SmolLM2-135M-Instruct" in said(plan(config, H100), "other_tokenizer")


def test_cases_among_the_prepared_rows_are_told(plan, folder: DataFolder) -> None:
    found = tuple(CaseOverlap(f"case-{at}", at, 1.0 if at < 3 else 0.7) for at in range(1, 6))
    text = said(plan(replace(DEMO, data=prepared(folder, (200,) * 100, found))), "overlap")
    assert "5 cases of the deck are like training rows (2 equal): case-1, case-2, case-3 and 2 more" in text


def test_a_case_that_is_a_training_row_is_told(plan) -> None:
    row = load_rows(CURRICULUM)[0]
    planned = plan(replace(DEMO, max_rows=0, eval_fraction=0.0), LAPTOP, (Case("seen", row.question),))
    assert "1 case of the deck is like training rows (1 equal): seen" in said(planned, "overlap")


def test_a_best_adapter_without_held_out_rows_is_told(plan) -> None:
    assert "nothing_held_out" in keys(plan(replace(DEMO, best_by_held_out=True, eval_fraction=0.0)))


def test_data_that_cannot_be_used_is_refused_in_words(plan, tmp_path: Path) -> None:
    with pytest.raises(MedReasonError, match="There is no training data"):
        plan(replace(DEMO, data=str(tmp_path / "absent.jsonl")))
    (tmp_path / "short.jsonl").write_text('{"Question": "a", "Complex_CoT": "b"}\n', encoding="utf-8")
    with pytest.raises(MedReasonError, match="Response"):
        plan(replace(DEMO, data=str(tmp_path / "short.jsonl")))
    with pytest.raises(MedReasonError, match="No row is left"):
        plan(replace(DEMO, min_thinking_chars=900_000))


def test_a_file_is_read_again_only_when_it_has_changed(folder: DataFolder, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    lines = CURRICULUM.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:20]), encoding="utf-8")
    counter = RowCounter(folder, ())
    config = replace(DEMO, data=str(file), max_rows=0)
    first = counter.count(config)
    assert counter.count(replace(config, learning_rate=1e-4)) is first
    assert first.read == 20
    file.write_text("".join(lines[:30]), encoding="utf-8")
    assert counter.count(config).read == 30


def test_a_large_file_is_not_read_for_a_plan(folder: DataFolder, tmp_path: Path) -> None:
    file = tmp_path / "large.jsonl"
    with file.open("wb") as opened:
        opened.truncate(34_000_000)
    counted = RowCounter(folder, ()).count(replace(DEMO, data=str(file), max_rows=0))
    assert counted.work.train + counted.work.held_out == 10_000
    assert "10,000 rows are assumed from its size" in counted.assumed and counted.overlaps is None


def test_an_earlier_run_in_the_data_folder_gives_the_time(plan, folder: DataFolder) -> None:
    adapter = folder.runs / "before" / "adapter"
    adapter.mkdir(parents=True)
    (adapter / "adapter_model.safetensors").write_bytes(b"x")
    told = {"run_name": "before", "config": vars(DEMO), "steps": 106, "training_s": 212.0, "duration_s": 240.0}
    (adapter / "manifest.json").write_text(json.dumps(told), encoding="utf-8")
    (folder.runs / "broken").mkdir()
    planned = plan(DEMO)
    assert planned.estimate.measured_by == "before" and planned.estimate.seconds == pytest.approx(240)


def test_command_and_file_make_the_same_run(plan, tmp_path: Path) -> None:
    planned = plan(replace(DEMO, run_name="my.run-2"))
    words = shlex.split(planned.command)
    assert words[:2] == ["python", "training_scripts/train_qlora.py"]
    assert words[2:] == ["--config", "my.run-2.yaml", "--output-dir", "runs/my.run-2"]
    (tmp_path / "my.run-2.yaml").write_text(planned.yaml, encoding="utf-8")
    assert read_config(tmp_path / "my.run-2.yaml") == planned.config
    assert config_from_texts({}) == TrainingConfig()


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("machine", [H100, LAPTOP], ids=["H100", "laptop"])
def test_every_finding_is_one_sentence_or_two_with_a_remedy(plan, name: str, machine: Machine) -> None:
    for one in plan(PRESETS[name], machine).findings:
        assert (
            one.text.endswith(".") and 20 < len(one.text) < 400 and "  " not in one.text and "\n" not in one.text
        )
