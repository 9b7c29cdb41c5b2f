"""Stands for train_qlora.py on a cluster: three steps, a checkpoint, an adapter with right hashes; no model.

`revision` of its settings says what it does otherwise. At its second step it stays until the file `go` is in its
folder, unless it is quick.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medreason.domain.run import RunState
from medreason.finetune import checkpoints, process
from medreason.finetune.config_file import read_config
from medreason.finetune.progress import Recorder, cut_after
from medreason.models.hashes import file_sha256

STEPS = 3
options = argparse.ArgumentParser()
for name in ("--config", "--output-dir", "--data-dir"):
    options.add_argument(name, type=Path)
options.add_argument("--resume", action="store_true")
asked = options.parse_args()
out: Path = asked.output_dir
if asked.config:
    (out / "config.yaml").write_text(asked.config.read_text())
config = read_config(out / "config.yaml")
recorder = Recorder(out)
recorder.total_steps = STEPS


def adapter() -> None:
    folder = out / "adapter"
    folder.mkdir(exist_ok=True)
    (folder / "adapter_model.safetensors").write_bytes(os.urandom(200_000))
    (folder / "README.md").write_text("A card.\n")
    manifest = {"steps": recorder.step, "adapter_sha256": file_sha256(folder / "adapter_model.safetensors")}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def checkpoint() -> None:
    building = checkpoints.begin(out, recorder.step)
    for name in checkpoints.FILES:
        (building / name).write_text(f"{name} at {recorder.step}")
    checkpoints.keep(out, building, checkpoints.Marker(recorder.step, 3.0, recorder.elapsed_s, 1.0, {}))


def stop(number: int, frame: object) -> None:
    request = process.read_stop(out)
    if request is not None and request.save:
        checkpoint()
        adapter()
        recorder.state(RunState.STOPPED, f"Stopped at step {recorder.step} of {STEPS}. The adapter is kept.")
    else:
        recorder.state(RunState.STOPPED, f"Stopped at step {recorder.step} of {STEPS}. No adapter was kept.")
    sys.exit(143)


signal.signal(signal.SIGTERM, stop)
if config.revision == "error":
    raise RuntimeError("broken before the first word")
begins = 1
if asked.resume:
    found = checkpoints.newest_whole(out)
    assert found is not None
    cut_after(out, found.step)
    begins, recorder.resumed_from = found.step + 1, found.step
print("rows from", config.data, Path(config.data).exists(), flush=True)
for step in range(begins, STEPS + 1):
    recorder.step = step
    recorder.loss(step, 3.0 / step)
    if step == 1:
        checkpoint()
    recorder.state(RunState.TRAINING, "Training.")
    while config.revision != "quick" and step == 2 and not (out / "go").exists():
        time.sleep(0.02)
        if (out / "die").exists():
            os.kill(os.getpid(), signal.SIGKILL)
adapter()
recorder.state(RunState.COMPLETED, "The adapter is ready.")
