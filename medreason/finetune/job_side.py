"""The part of a run that runs on the cluster: trains there, and says how it goes in marked lines of the job's log.

A job's log is all that comes back from a cluster, so state, measured points, checkpoints and at last the adapter
itself are lines in it. `send` and `stop` are jobs of a moment beside it, for which this file is sent alone: it
needs nothing but Python.
"""

import argparse
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

LOOK_EVERY_S = 1.0
PIECE_BYTES = 48 * 1024


class Speaker:
    """Writes whole lines, so that those of the training and the marked ones do not mix."""

    def __init__(self, mark: str):
        self._mark = mark
        self._lock = threading.Lock()

    def line(self, text: str) -> None:
        with self._lock:
            print(text, flush=True)

    def say(self, kind: str, **content: Any) -> None:
        self.line(f"{self._mark} {json.dumps({'kind': kind, **content})}")


class Watch:
    """Says what has changed in the run's files since it looked last."""

    def __init__(self, folder: Path, speaker: Speaker):
        self._folder, self._speaker = folder, speaker
        self._state = self._checkpoints = ""
        self._points = 0

    def look(self) -> None:
        points = self._read("metrics.jsonl").split("\n")[:-1]
        if len(points) < self._points:
            self._points = 0
        if not self._points and points:
            self._speaker.say("no points")
        for point in points[self._points :]:
            self._speaker.say("point", line=point)
        self._points = len(points)
        checkpoints = self._read_checkpoints()
        if checkpoints != self._checkpoints:
            self._checkpoints = checkpoints
            self._speaker.say("checkpoints", list=json.loads(checkpoints))
        state = self._read("state.json")
        if state and state != self._state:
            self._state = state
            self._speaker.say("state", state=json.loads(state))

    def _read(self, name: str) -> str:
        try:
            return (self._folder / name).read_text(encoding="utf-8")
        except OSError:
            return ""

    def _read_checkpoints(self) -> str:
        from dataclasses import asdict

        from medreason.finetune.checkpoints import read_checkpoints

        return json.dumps([asdict(one) for one in read_checkpoints(self._folder)])


def train(folder: Path, data: Path, resume: bool, speaker: Speaker) -> int:
    """Run the training script, and say how it goes until it has ended."""
    sys.path.insert(0, os.getcwd())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        put_data(data)
    except OSError as fault:
        speaker.say("refused", words=f"{fault.filename} cannot be written on the cluster ({fault.strerror}).")
        return 2
    argv = [
        sys.executable,
        "training_scripts/train_qlora.py",
        "--output-dir",
        str(folder),
        "--data-dir",
        str(data),
    ]
    argv += ["--resume"] if resume else ["--config", "config.yaml"]
    (folder / "stop.json").unlink(missing_ok=True)
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: child.send_signal(signal.SIGTERM))
    reader = threading.Thread(target=pass_on, args=(child, speaker), daemon=True)
    reader.start()
    watch, told = Watch(folder, speaker), False
    while child.poll() is None:
        watch.look()
        if not told and (folder / "stop.json").exists():
            told = True
            child.send_signal(signal.SIGTERM)
        time.sleep(LOOK_EVERY_S)
    reader.join(5)
    watch.look()
    speaker.say("result", files=[described(one) for one in adapter_files(folder)], code=child.returncode)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def pass_on(child: "subprocess.Popen[bytes]", speaker: Speaker) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        speaker.line(line.decode("utf-8", errors="replace").rstrip("\n").rsplit("\r", 1)[-1])


def put_data(data: Path) -> None:
    """Prepared data that were sent along take their place in the data folder, where they are not there yet."""
    for name in ("models", "datasets"):
        (data / name).mkdir(parents=True, exist_ok=True)
    for one in Path("sent/datasets").glob("*"):
        if not (data / "datasets" / one.name).exists():
            building = data / "datasets" / f".{one.name}-{os.getpid()}"
            shutil.copytree(one, building)
            os.replace(building, data / "datasets" / one.name)


def adapter_files(folder: Path) -> list[Path]:
    """The files of the adapter in the order in which they are sent; none where there is no whole adapter."""
    adapter = folder / "adapter"
    whole = (adapter / "manifest.json").is_file()
    return sorted(one for one in adapter.iterdir() if one.is_file()) if whole else []


def described(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}


def send(folder: Path, skip: int, most: int, speaker: Speaker) -> int:
    """Write `most` bytes of the adapter's files, one after the other, from `skip` on, into the log."""
    place = 0
    for path in adapter_files(folder):
        size = path.stat().st_size
        first, last = max(0, skip - place), min(size, skip + most - place)
        with open(path, "rb") as file:
            file.seek(min(first, size))
            while first < last:
                piece = file.read(min(PIECE_BYTES, last - first))
                if not piece:
                    return 3
                speaker.say("part", data=base64.b64encode(piece).decode())
                first += len(piece)
        place += size
    return 0


def stop(folder: Path) -> int:
    """Ask the run to end after its step and to keep its adapter."""
    asked = {"asked_at": time.time(), "save": True, "since_boot_s": time.monotonic()}
    building = folder / f".stop-{os.getpid()}"
    building.write_text(json.dumps(asked), encoding="utf-8")
    os.replace(building, folder / "stop.json")
    return 0


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="job_side.py", description=__doc__)
    parser.add_argument("what", choices=("train", "send", "stop"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--mark", required=True)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--most", type=int, default=0)
    given = parser.parse_args(words)
    speaker = Speaker(given.mark)
    if given.what == "stop":
        return stop(given.folder)
    if given.what == "send":
        return send(given.folder, given.skip, given.most, speaker)
    return train(given.folder, given.data, given.resume, speaker)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
