"""Stands in for train_qlora.py in tests of runs: same command line, same files, same locks, no model.

What it does is told by the configuration's `revision`, the one setting with no meaning for the embedded base.
Beside the run's own files it leaves `argv.json`, and `.inside` in the folder of runs while its turn lasts: whoever
finds that of a living process there when its own turn comes leaves `violation-<run>`.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psutil  # noqa: E402

from medreason.domain.run import RunState  # noqa: E402
from medreason.finetune import checkpoints, process  # noqa: E402
from medreason.finetune.config_file import read_config  # noqa: E402
from medreason.finetune.progress import Recorder, cut_after, read_state  # noqa: E402
from medreason.finetune.turn import wait_for_turn  # noqa: E402
from medreason.folder import DataFolder  # noqa: E402

STEPS = 5
WORKER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


def main() -> None:
    if behaviour == "early error":
        raise RuntimeError("before the first word")
    if behaviour == "refused":
        print("The hub knows no data set nobody/nothing.", file=sys.stderr)
        sys.exit(2)
    signal.signal(signal.SIGTERM, stop)
    turn = wait_for_turn(out, DataFolder(asked.data_dir), behaviour == "gpu", recorder, lambda: False)
    if not turn.reached:
        end(RunState.STOPPED, "Stopped before the first step. No adapter was kept.", 143)
    enter()
    recorder.total_steps = STEPS
    recorder.state(RunState.LOADING, "Loading.")
    print("a log line <b>&</b>", flush=True)
    if behaviour == "error":
        sys.exit(3)
    if behaviour == "silent":
        sys.exit(0)
    if behaviour == "cuda":
        raise MemoryError("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.")
    if behaviour == "workers":
        worker = subprocess.Popen([sys.executable, "-S", "-c", WORKER])
        (out / "worker.txt").write_text(str(worker.pid), encoding="utf-8")
    for step in range(begin(), STEPS + 1):
        recorder.step, recorder.seconds_left = step, float(STEPS - step)
        recorder.loss(step, 3.0 / step, epoch=step / STEPS)
        if step == 1 and behaviour != "no checkpoint":
            checkpoint()
        recorder.state(RunState.TRAINING, "Training.")
        while behaviour not in ("quick", "lingers") and step == 2 and not (out / "go").exists():
            time.sleep(0.02)
    adapter()
    end(RunState.COMPLETED, "The adapter is ready.", 0)


def begin() -> int:
    """The step to begin with: the one after the newest checkpoint, where the run goes on."""
    if not asked.resume:
        return 1
    found = checkpoints.newest_whole(out)
    assert found is not None
    cut_after(out, found.step)
    recorder.resumed_from = found.step
    return found.step + 1


def enter() -> None:
    inside = asked.data_dir / "runs" / ".inside"
    try:
        other = int(inside.read_text(encoding="utf-8"))
        if psutil.Process(other).status() != psutil.STATUS_ZOMBIE:
            (inside.parent / f"violation-{out.name}").write_text(str(other), encoding="utf-8")
    except (OSError, ValueError, psutil.Error):
        pass
    inside.write_text(str(os.getpid()), encoding="utf-8")


def stop(number: int, frame: object) -> None:
    with open(out / "signals.txt", "a", encoding="utf-8") as file:
        file.write(f"{number}\n")
    said = read_state(out)
    if behaviour in ("stubborn", "workers", "lingers") or (said is not None and said.state.ended):
        return
    request = process.read_stop(out)
    at = f"Stopped at step {recorder.step} of {STEPS}."
    if request is not None and request.save and recorder.step:
        checkpoint()
        adapter()
        end(RunState.STOPPED, f"{at} The adapter is kept as it stood.", 143)
    end(RunState.STOPPED, f"{at} No adapter was kept.", 143)


def checkpoint() -> None:
    building = checkpoints.begin(out, recorder.step)
    for name in checkpoints.FILES:
        (building / name).write_text(f"{name} at {recorder.step}", encoding="utf-8")
    checkpoints.keep(out, building, checkpoints.Marker(recorder.step, 3.0, recorder.elapsed_s, 1.0, {}))


def adapter() -> None:
    folder = out / "adapter"
    folder.mkdir(exist_ok=True)
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "manifest.json").write_text(json.dumps({"steps": recorder.step}), encoding="utf-8")


def end(state: RunState, message: str, code: int) -> None:
    recorder.state(state, message)
    inside = asked.data_dir / "runs" / ".inside"
    if inside.exists() and inside.read_text(encoding="utf-8") == str(os.getpid()):
        inside.unlink()
    if behaviour == "lingers":
        time.sleep(600)
    sys.exit(code)


options = argparse.ArgumentParser()
for name in ("--config", "--output-dir", "--data-dir", "--run-token"):
    options.add_argument(name, type=Path)
for name in ("--queue", "--resume"):
    options.add_argument(name, action="store_true")
asked = options.parse_args()
out: Path = asked.output_dir
(out / "argv.json").write_text(json.dumps(sys.argv[1:]), encoding="utf-8")
behaviour = read_config(asked.config).revision
before = read_state(out) if asked.resume else None
recorder = Recorder(out, before.elapsed_s if before else 0.0)
main()
