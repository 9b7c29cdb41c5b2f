"""Stands in for train_qlora.py in tests of runs: same command line and same files, no model.

What it does is told by the configuration's `revision`, the one setting with no meaning for the embedded base.
"""

import argparse
import json
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medreason.domain.training import RunState  # noqa: E402
from medreason.finetune.config_file import read_config  # noqa: E402
from medreason.finetune.progress import Recorder  # noqa: E402

options = argparse.ArgumentParser()
for name in ("--config", "--output-dir", "--data-dir", "--run-token"):
    options.add_argument(name, type=Path)
asked = options.parse_args()
(asked.output_dir / "argv.json").write_text(json.dumps(sys.argv[1:]), encoding="utf-8")
behaviour = read_config(asked.config).revision
recorder = Recorder(asked.output_dir)
recorder.total_steps = 5


def stop(number: int, frame: object) -> None:
    with open(asked.output_dir / "signals.txt", "a", encoding="utf-8") as file:
        file.write(f"{number}\n")
    if behaviour != "stubborn":
        recorder.state(RunState.STOPPED, f"Stopped at step {recorder.step} of 5. No adapter was kept.")
        sys.exit(143)


signal.signal(signal.SIGTERM, stop)
recorder.state(RunState.LOADING, "Loading.")
print("a log line <b>&</b>", flush=True)
if behaviour == "error":
    sys.exit(3)
if behaviour == "silent":
    sys.exit(0)
for step in range(1, 6):
    recorder.step, recorder.seconds_left = step, float(5 - step)
    recorder.loss(step, 3.0 / step)
    recorder.state(RunState.TRAINING, "Training.")
    while behaviour != "quick" and step == 2:
        time.sleep(0.05)
adapter = asked.output_dir / "adapter"
adapter.mkdir()
(adapter / "adapter_model.safetensors").write_bytes(b"weights")
(adapter / "manifest.json").write_text(json.dumps({"steps": 5}), encoding="utf-8")
recorder.state(RunState.COMPLETED, "The adapter is ready.")
