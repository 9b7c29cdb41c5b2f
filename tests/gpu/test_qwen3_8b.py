"""At the shapes of Qwen3-8B: the arms stay apart in bf16 and in 4 bits, and a QLoRA run makes an adapter."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.conversation import Conversation
from medreason.domain.events import Draft
from medreason.domain.sampling import Sampling
from medreason.engine.protocol import Phase
from medreason.folder import DataFolder
from tests.conftest import CHECKOUT

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]

QUESTION = Conversation("A 61-year-old has crushing chest pain. Explain the cause step by step.")
TOKENS = 64
WEIGHTS_GB = {"none": 18.0, "nf4": 8.5}


def asked(engine, tokens: int = TOKENS) -> dict[Arm, Answer]:
    drafts = {arm: Draft(arm) for arm in ARMS}
    for event in engine.ask_pair(QUESTION, Sampling(temperature=0, max_new_tokens=tokens), lambda: False):
        drafts[event.arm].take(event)
    return {arm: draft.answer() for arm, draft in drafts.items()}


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_the_arms_stay_apart(qwen3_8b: Path, adapter_8b: Path, folder: DataFolder, quantization: str) -> None:
    import torch

    from medreason.engine.local import LocalEngine

    engine = LocalEngine(str(qwen3_8b), "", quantization, folder, adapter_8b)
    began = time.monotonic()
    engine.load()
    loaded_s = time.monotonic() - began
    assert engine.state.phase is Phase.READY and engine.state.arms == ARMS
    assert "bit for bit" in engine.provenance.self_test
    assert engine.provenance.precision == {"none": "bfloat16", "nf4": "nf4"}[quantization]
    asked(engine, 4)
    torch.cuda.reset_peak_memory_stats()
    began = time.monotonic()
    pair = asked(engine)
    pair_s = time.monotonic() - began
    peak = torch.cuda.max_memory_allocated() / 2**30
    assert pair[Arm.BASELINE].finish is Finish.LENGTH, pair[Arm.BASELINE].fault
    assert pair[Arm.BASELINE] != pair[Arm.FINETUNED]
    assert peak < WEIGHTS_GB[quantization]

    engine.switch_adapter(None)
    asked(engine, 4)
    began = time.monotonic()
    alone = asked(engine)[Arm.BASELINE]
    alone_s = time.monotonic() - began
    # Another batch size rounds differently, and random weights have no clear favourite: the first words agree.
    together = pair[Arm.BASELINE]
    assert (alone.thinking + alone.text)[:8] == (together.thinking + together.text)[:8]
    engine.unload()
    print(
        f"\n{quantization}: loaded in {loaded_s:.0f} s, peak {peak:.1f} GiB, pair {2 * TOKENS / pair_s:.1f} tok/s,"
        f" one row without adapter {TOKENS / alone_s:.1f} tok/s"
    )


@pytest.mark.parametrize("quantization,optimizer", [("nf4", "paged_adamw_8bit"), ("none", "adamw_torch_fused")])
def test_a_short_run_makes_an_adapter_that_can_be_compared(
    qwen3_8b: Path, folder: DataFolder, tmp_path: Path, quantization: str, optimizer: str
) -> None:
    from medreason.engine.local import LocalEngine

    settings = {
        "base_model": qwen3_8b,
        "quantization": quantization,
        "optimizer": optimizer,
        "max_steps": 6,
        "max_rows": 32,
        "eval_fraction": 0.1,
        "batch_size": 2,
        "accumulation": 2,
        "learning_rate": 2e-4,
        "gradient_checkpointing": "true",
    }
    command = [sys.executable, "training_scripts/train_qlora.py", "--output-dir", tmp_path / "run"]
    command += ["--config", "training_scripts/configs/demo_form.yaml", "--data-dir", folder.root, "--set"]
    ran = subprocess.run(
        [str(word) for word in [*command, *(f"{key}={value}" for key, value in settings.items())]],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    manifest = json.loads((tmp_path / "run" / "adapter" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["steps"] == 6
    print(f"\n{quantization}: {manifest['losses']} in {manifest['duration_s']:.0f} s")
    engine = LocalEngine(str(qwen3_8b), "", quantization, folder, tmp_path / "run" / "adapter")
    engine.load()
    assert engine.state.arms == ARMS, engine.state.message
    engine.unload()
