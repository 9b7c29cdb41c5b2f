"""Fine-tune a LoRA adapter on reasoning rows: one YAML file in, one adapter with its manifest out.

The app starts this same script from its form. Works without network where its inputs are local. Exit code 0: the
adapter is there; 1: the run failed; 2: bad input, nothing was changed; 143: stopped on request.
"""

import argparse
import ctypes
import errno
import os
import shutil
import signal
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medreason.arguments import Parser  # noqa: E402
from medreason.data.overlap import question_hash  # noqa: E402
from medreason.data.rows import Row, load_rows, sha256_of  # noqa: E402
from medreason.data.subset import Split, draw, split  # noqa: E402
from medreason.demo import CURRICULUM  # noqa: E402
from medreason.domain.training import RunState, TrainingConfig  # noqa: E402
from medreason.errors import MedReasonError  # noqa: E402
from medreason.finetune.config_file import read_config, write_config  # noqa: E402
from medreason.finetune.manifest import ADAPTER, model_card, versions, write_manifest  # noqa: E402
from medreason.finetune.progress import METRICS_FILE, STATE_FILE, Recorder  # noqa: E402
from medreason.folder import DataFolder  # noqa: E402
from medreason.models.base import BaseSource, LoadedBase, load_base, resolve_base  # noqa: E402
from medreason.settings import AppSettings  # noqa: E402

COMPLETED, FAILED, REFUSED, STOPPED = 0, 1, 2, 143
EMBEDDED_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
OF_THE_APP = {"config.yaml", "train.log", "process.json", "stop.json", "exit.json"}


class Stopped(BaseException):
    """Asked to stop while there is nothing yet that must be brought to an end in order."""


class StopRequest:
    """Remembers SIGTERM and Ctrl-C. Until the trainer looks at it itself, a request ends the run at once."""

    def __init__(self) -> None:
        self.asked = False
        self.at_once = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: object) -> None:
        self.asked = True
        if self.at_once:
            raise Stopped


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="train_qlora.py", description=__doc__)
    top.add_argument("--config", type=Path, required=True, metavar="FILE", help="YAML file of the settings")
    top.add_argument(
        "--set",
        action="extend",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="settings that replace those of the file",
    )
    top.add_argument(
        "--output-dir", type=Path, required=True, metavar="DIR", help="new folder for the run and its adapter"
    )
    top.add_argument(
        "--data-dir",
        type=Path,
        default=AppSettings().data_dir,
        metavar="DIR",
        help="data folder in which the embedded model is unpacked (default %(default)s)",
    )
    top.add_argument("--run-token", default="", help="given by the app, so that it knows its own process again")
    return top


def main(words: list[str]) -> int:
    options = parser().parse_args(words)
    stop = StopRequest()
    made: list[Path] = []
    recorder: Recorder | None = None
    refused = False
    try:
        config = read_config(options.config, options.overrides)
        output: Path = options.output_dir.expanduser().resolve()
        refuse_output(output)
        source = resolve_base(
            config.base_model, config.revision, DataFolder(options.data_dir.resolve()), config.quantization
        )
        path = CURRICULUM if config.data == "curriculum" else Path(config.data).expanduser()
        rows = load_rows(path)
        drawn = draw(rows, config.max_rows, config.seed)
        parts = split(drawn, config.eval_fraction, config.seed)
        made = make_folders(output)
        recorder = Recorder(output)
        recorder.state(RunState.LOADING, "Starting the training software.")
        use_cores()
        base = load_base(source, lambda share, message: recorder.state(RunState.LOADING, message))
        if not (output / "config.yaml").exists():
            write_config(config, output / "config.yaml")
        data = {
            "name": "curriculum" if config.data == "curriculum" else path.name,
            "sha256": sha256_of(path),
            "rows_in_file": len(rows),
            "rows": len(drawn),
            "train_rows": len(parts.train),
            "held_out_rows": len(parts.held_out),
        }
        return run(config, source, base, parts, data, output, recorder, stop)
    except Stopped:
        return ended(recorder, RunState.STOPPED, "Stopped before the first step. No adapter was kept.", STOPPED)
    except MedReasonError as fault:
        refused = recorder is None or (bool(made) and recorder.step == 0)
        return ended(recorder, RunState.FAILED, str(fault), REFUSED if refused else FAILED)
    except Exception as fault:
        traceback.print_exc()
        return ended(recorder, RunState.FAILED, in_words(fault), FAILED)
    finally:
        for folder in made if refused else ():  # what was made for a run that was refused goes again
            shutil.rmtree(folder, ignore_errors=True)


def run(
    config: TrainingConfig,
    source: BaseSource,
    base: LoadedBase,
    parts: Split,
    data: dict[str, Any],
    output: Path,
    recorder: Recorder,
    stop: StopRequest,
) -> int:
    """Train, then write the adapter whole or not at all."""
    from medreason.finetune.examples import tokenize
    from medreason.finetune.fitting import fit, save_adapter
    from medreason.models.hashes import file_sha256
    from medreason.text.template import template_sha256, training_example

    def pairs(rows: tuple[Row, ...]) -> list[tuple[str, str]]:
        shown = [training_example(base.tokenizer, row.question, row.thinking, row.response) for row in rows]
        return [(one.prompt, one.completion) for one in shown]

    train = tokenize(base.tokenizer, pairs(parts.train), config.max_length)
    held_out = tokenize(base.tokenizer, pairs(parts.held_out), config.max_length)
    if not train.rows:
        raise MedReasonError(
            f"No row has anything to learn within {config.max_length} tokens. Raise “Longest row in tokens”."
        )
    print(
        f"{len(train.rows)} rows to learn from ({train.tokens:,} tokens a pass), {len(held_out.rows)} held out; "
        f"{train.cut} rows are longer than {config.max_length} tokens and lose their end, "
        f"{train.dropped} have nothing left to learn and are left out.",
        flush=True,
    )
    stop.at_once = False
    scratch = output / ".scratch"
    try:
        fitted = fit(base.model, base.tokenizer, train, held_out, config, recorder, scratch, lambda: stop.asked)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if fitted.stopped:
        sentence = f"Stopped at step {fitted.steps} of {recorder.total_steps}. No adapter was kept."
        return ended(recorder, RunState.STOPPED, sentence, STOPPED)
    recorder.state(RunState.SAVING, "Saving the adapter.")
    building = output / ".adapter.building"
    building.mkdir()
    name = base_name(source)
    save_adapter(fitted.model, building, name)
    shown_config = {key: value for key, value in vars(config).items()}
    # Files of this machine are named, never where they lie.
    shown_config["base_model"] = config.base_model if source.embedded else name
    shown_config["data"] = data["name"]
    manifest = {
        "run_name": config.run_name,
        "base_model": name,
        "base_revision": base.revision,
        "base_sha256": base.sha256,
        "precision": "float32" if source.quantization != "nf4" and not on_gpu() else base.precision,
        "template_sha256": template_sha256(base.tokenizer),
        "adapter_sha256": file_sha256(building / "adapter_model.safetensors"),
        "config": shown_config,
        "data": {**data, "cut_rows": train.cut, "left_out_rows": train.dropped},
        "losses": {
            "first": fitted.first_loss,
            "last": fitted.last_loss,
            "held_out_before": fitted.held_out_before,
            "held_out_after": fitted.held_out_after,
        },
        "steps": fitted.steps,
        "duration_s": round(recorder.elapsed_s, 1),
        "training_s": round(fitted.training_s, 1),
        "tokens_seen": fitted.tokens_seen,
        "taught_tokens_a_pass": train.taught_tokens,
        "versions": versions(),
        "question_sha256": [question_hash(row.question) for row in parts.train],
    }
    (building / "README.md").write_text(model_card(manifest), encoding="utf-8")
    write_manifest(building, manifest)
    sync(building)
    os.replace(building, output / ADAPTER)
    return ended(recorder, RunState.COMPLETED, "The adapter is ready.", COMPLETED)


def ended(recorder: Recorder | None, state: RunState, sentence: str, code: int) -> int:
    """The run's last word, on disk where there is a folder, and for whoever reads the log or the terminal."""
    if recorder is not None:
        try:
            recorder.state(state, sentence)
        except OSError as fault:
            print(f"The run's state could not be written ({fault.strerror}).", file=sys.stderr)
    print(sentence, file=sys.stdout if code == COMPLETED else sys.stderr, flush=True)
    return code


def in_words(fault: Exception) -> str:
    """A plain sentence for what a library or the system threw."""
    text = str(fault)
    if "out of memory" in text.lower() and "cuda" in (text + type(fault).__name__).lower():
        return (
            "The GPU ran out of memory. End what else uses it, or use fewer rows at once, shorter rows, gradient "
            "checkpointing or nf4, then start again."
        )
    if isinstance(fault, MemoryError) or "can't allocate memory" in text or "not enough memory" in text:
        return "The computer ran out of memory. Use fewer rows at once or shorter rows, then start again."
    if isinstance(fault, OSError) and fault.errno == errno.ENOSPC:
        return "The disk is full, so the run could not be written. Make room, then start again."
    if isinstance(fault, OSError) and fault.filename:
        return f"{fault.filename} cannot be used ({fault.strerror}). Check it, then start again."
    return f"The run ended with an unexpected fault ({type(fault).__name__}). Its log tells more."


def refuse_output(output: Path) -> None:
    """Refuse a folder that holds a run or anything else, or that cannot be made."""
    if output.is_dir():
        inside = {one.name for one in output.iterdir()}
        if inside & {STATE_FILE, METRICS_FILE, ADAPTER}:
            raise MedReasonError(f"{output} already holds a run. Give another --output-dir.")
        if inside - OF_THE_APP:
            raise MedReasonError(f"{output} is not empty. Give a new folder as --output-dir.")
    elif os.path.lexists(output):
        raise MedReasonError(f"{output} is not a folder. Give another --output-dir.")
    nearest = next(one for one in (output, *output.parents) if one.is_dir())
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise MedReasonError(f"{output} cannot be written. Give another --output-dir, or change permissions.")


def make_folders(output: Path) -> list[Path]:
    """Make `output`; returns the topmost folder that was made for it, if any."""
    missing = [one for one in (output, *output.parents) if not one.exists()]
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise MedReasonError(f"{output} cannot be made ({fault.strerror}).") from fault
    return missing[-1:]


def use_cores() -> None:
    """All cores this process may run on, unless OMP_NUM_THREADS says otherwise; no telemetry. Before torch."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Threads that wait do not spin: the app that started this run answers questions on the same cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # What the libraries say to each other of their next versions would bury the run's own log.
    warnings.simplefilter("ignore", FutureWarning)
    keep_memory()
    if "OMP_NUM_THREADS" not in os.environ:
        import torch

        affinity = getattr(os, "sched_getaffinity", None)
        torch.set_num_threads(len(affinity(0)) if affinity else os.cpu_count() or 1)


def keep_memory() -> None:
    """Let glibc keep what is freed for the next step. By default it gives large blocks back to the system and
    fetches them anew each step, which cost up to a third of the time of a step on a CPU."""
    trim_threshold, top_pad, mmap_max = -1, -2, -4
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, -1)
        mallopt(top_pad, 64 * 1024**2)
    except (OSError, AttributeError):
        pass  # another C library: slower, and no less right


def on_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def base_name(source: BaseSource) -> str:
    """The base as others know it: a hub id, or the name of its folder; never a path of this machine."""
    if source.embedded:
        return EMBEDDED_ID
    place = Path(source.place).expanduser()
    return place.resolve().name if place.is_dir() else source.name


def sync(folder: Path) -> None:
    for file in folder.iterdir():
        with open(file, "rb") as opened:
            os.fsync(opened.fileno())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
