"""Fine-tune a LoRA adapter on reasoning rows: one YAML file in, one adapter with its manifest out.

The app starts this same script from its form. Works without network where its inputs are local. A run that ended
before its last step goes on with --resume in the same folder, from its newest whole checkpoint. With the setting
gpus it starts one process for each GPU of this machine by itself; accelerate launch may start them as well. Exit
code 0: the adapter is there; 1: the run failed; 2: bad input, nothing was changed; 143: stopped on request.
"""

import argparse
import shutil
import sys
import traceback
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medreason.arguments import Parser, data_folder  # noqa: E402
from medreason.data.sketch import question_record  # noqa: E402
from medreason.data.training_rows import TrainingRows, rows_for  # noqa: E402
from medreason.domain.run import RunState  # noqa: E402
from medreason.domain.training import TrainingConfig  # noqa: E402
from medreason.errors import MedReasonError  # noqa: E402
from medreason.finetune import process  # noqa: E402
from medreason.finetune.checkpoints import newest_whole  # noqa: E402
from medreason.finetune.config_file import read_config, write_config  # noqa: E402
from medreason.finetune.cores import settle  # noqa: E402
from medreason.finetune.faults import in_words  # noqa: E402
from medreason.finetune.progress import Recorder, Unwritten, read_state  # noqa: E402
from medreason.finetune.ranks import Ranks, leave  # noqa: E402
from medreason.finetune.recipe import shared_words  # noqa: E402
from medreason.finetune.resume import Resumption, choose  # noqa: E402
from medreason.finetune.run_folder import (  # noqa: E402
    CONFIG_FILE,
    hold,
    make_folders,
    refuse_output,
    refuse_resume,
)
from medreason.finetune.stopping import Stopped, Stopping  # noqa: E402
from medreason.finetune.task import Task, task_of  # noqa: E402
from medreason.finetune.turn import wait_for_turn  # noqa: E402
from medreason.models.base import BaseSource, LoadedBase, fetch, load_base, resolve_base  # noqa: E402
from medreason.models.gpu_lock import gpu_count, has_gpu  # noqa: E402

if TYPE_CHECKING:
    from medreason.finetune.fitting import Fitted

COMPLETED, FAILED, REFUSED, STOPPED = 0, 1, 2, 143
EMBEDDED_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"


@dataclass(frozen=True)
class Job:
    """What every process of a run has read before it trains."""

    config: TrainingConfig
    source: BaseSource
    base: LoadedBase
    rows: TrainingRows
    output: Path
    resumption: Resumption | None
    ranks: Ranks


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="train_qlora.py", description=__doc__)
    top.add_argument(
        "--config", type=Path, metavar="FILE", help="YAML file of the settings; with --resume that of the run"
    )
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
        "--resume", action="store_true", help="let the run in --output-dir go on from its newest whole checkpoint"
    )
    top.add_data_dir("data folder with the embedded model and prepared data")
    top.add_argument(
        "--queue", action="store_true", help="wait until no other run of the data folder trains or holds the GPU"
    )
    top.add_argument("--run-token", default="", help="given by the app, so that it knows its own process again")
    return top


def main(words: list[str]) -> int:
    options = parser().parse_args(words)
    if options.config is None and not options.resume:
        parser().error("give the settings with --config FILE")
    stopping = Stopping()
    output: Path = options.output_dir.expanduser().resolve()
    made: list[Path] = []
    recorder: Recorder | None = None
    refused = False
    ranks = Ranks()
    try:
        ranks = Ranks.of_environment()
        if not ranks.first:
            return assist(options, output, ranks)
        stopping.listen()
        refuse_resume(output) if options.resume else refuse_output(output)
        config = settings(options, output, ranks)
        folder = data_folder(options)
        source = resolve_base(config.base_model, config.revision, folder, config.quantization)
        resumption = choose(output) if options.resume else None
        rows: TrainingRows | None = None
        if not options.resume:
            if not options.run_token:
                rows = rows_for(config, folder)  # refused before anything is on disk
            made = make_folders(output)
        held = hold(output)  # noqa: F841  (held to the end of this process)
        stopping.folder = output
        if options.resume and not options.run_token:
            process.forget(output)
        recorder = begin(output, resumption)
        loading = partial(recorder.state, RunState.LOADING)
        if rows is None:
            loading("Reading the rows.")
            rows = rows_for(config, folder, lambda share, words: loading(words))
        if options.queue:
            turn = wait_for_turn(output, folder, has_gpu(), recorder, lambda: stopping.asked)
            if not turn.reached:
                raise Stopped
        loading("Starting the training software.")
        settle(config.gpus)
        gather(ranks, config, source, recorder)
        base = load_base(source, lambda share, words: loading(words), gpu=None if config.split_base else 0)
        job = Job(config, source, base, rows, output, resumption, ranks)
        return run(job, recorder, stopping)
    except Stopped:
        return ended(recorder, RunState.STOPPED, stopped_words(recorder, output), STOPPED)
    except MedReasonError as fault:
        refused = not stopping.training
        sentence = str(fault) if refused else f"{fault}{can_go_on(output)}"
        return ended(recorder, RunState.FAILED, sentence, REFUSED if refused else FAILED)
    except Exception as fault:
        if stopping.at_once():  # what broke did so because it was asked to end, such as a loader process
            return ended(recorder, RunState.STOPPED, stopped_words(recorder, output), STOPPED)
        traceback.print_exc()
        return ended(recorder, RunState.FAILED, (ranks.why(fault) or in_words(fault)) + can_go_on(output), FAILED)
    finally:
        ranks.end()
        for folder_made in made if refused else ():  # what was made for a run that was refused goes again
            shutil.rmtree(folder_made, ignore_errors=True)


def settings(options: argparse.Namespace, output: Path, ranks: Ranks) -> TrainingConfig:
    """What the run does, with as many GPUs as there are processes for."""
    config = read_config(options.config or output / CONFIG_FILE, options.overrides)
    return ranks.settled(config, gpu_count())


def gather(ranks: Ranks, config: TrainingConfig, source: BaseSource, recorder: Recorder) -> None:
    """Bring the processes of a run on several GPUs together. The base is on this disk before the others look."""
    if config.gpus == 1:
        return
    fetch(source, lambda share, words: recorder.state(RunState.LOADING, words))
    recorder.state(RunState.LOADING, f"Starting {config.gpus} processes, one for each GPU.")
    if ranks.count == 1:
        ranks.start_others(config.gpus)
    ranks.look_after(lambda words: recorder.state(RunState.FAILED, words + can_go_on(recorder.folder)))
    ranks.meet()
    print(shared_words(config), flush=True)


def assist(options: argparse.Namespace, output: Path, ranks: Ranks) -> int:
    """In a process that is not the run's first: read, load and compute the same, and keep silent. Of a fault it
    tells the first."""
    tell = ranks.fall_silent()
    try:
        config = settings(options, output, ranks)
        folder = data_folder(options)
        source = resolve_base(config.base_model, config.revision, folder, config.quantization)
        resumption = choose(output) if options.resume else None
        rows = rows_for(config, folder)
        settle(config.gpus)
        ranks.meet()
        base = load_base(source, gpu=None if config.split_base else ranks.rank)
        job = Job(config, source, base, rows, output, resumption, ranks)
        train(job, Unwritten(output), Stopping())
        return COMPLETED
    except MedReasonError as fault:
        tell(str(fault))
    except Exception as fault:
        traceback.print_exc()
        tell(in_words(fault))
    return FAILED


def begin(output: Path, resumption: Resumption | None) -> Recorder:
    """The recorder of a new run, or of one that goes on where it was."""
    if resumption is None:
        return Recorder(output)
    before = read_state(output)
    recorder = Recorder(output, before.elapsed_s if before else resumption.marker.elapsed_s)
    recorder.step = recorder.resumed_from = resumption.step
    recorder.total_steps = int(resumption.marker.made.get("steps", 0))
    print(resumption.words(), flush=True)
    return recorder


def run(job: Job, recorder: Recorder, stopping: Stopping) -> int:
    """Train, then write the adapter whole or not at all."""
    from medreason.finetune.result import clear_unfinished_adapter, write_adapter

    clear_unfinished_adapter(job.output)
    task, fitted = train(job, recorder, stopping)
    job.ranks.over()
    if fitted.stopped and not fitted.steps:
        return ended(recorder, RunState.STOPPED, stopped_words(recorder, job.output), STOPPED)
    recorder.state(RunState.SAVING, "Saving the adapter.")
    write_adapter(job.base, task, fitted, data_of(job.rows), recorder.elapsed_s)
    if fitted.stopped:
        at = f"Stopped at step {fitted.steps} of {fitted.total_steps}."
        kept = "The adapter as it stood then is kept, and the run can go on from there."
        return ended(recorder, RunState.STOPPED, f"{at} {kept}", STOPPED)
    best = f" It is that of step {fitted.adapter_step}, where the held-out loss was lowest."
    sentence = "The adapter is ready." + (best if fitted.adapter_step != fitted.steps else "")
    return ended(recorder, RunState.COMPLETED, sentence, COMPLETED)


def train(job: Job, recorder: Recorder, stopping: Stopping) -> "tuple[Task, Fitted]":
    """What every process of a run does."""
    from medreason.finetune.fitting import fit

    base, rows, ranks = job.base, job.rows, job.ranks
    task = task_of(
        job.config,
        base,
        base_name(job.source),
        (row.texts for row in rows.train),
        (row.texts for row in rows.held_out),
        rows.name,
        job.output,
        job.resumption,
    )
    if ranks.first:
        write_config(job.config, job.output / CONFIG_FILE)
    ranks.require_same(base.sha256, task.made.rows_sha256)
    return task, fit(base.model, base.tokenizer, task, recorder, stopping, ranks)


def data_of(rows: TrainingRows) -> dict[str, Any]:
    """What the manifest says of the rows: whence, how many, and the record of their questions."""
    return {
        "name": rows.name,
        "sha256": rows.sha256,
        "revision": rows.revision,
        "rows_in_file": rows.rows_read,
        "rows": len(rows.train) + len(rows.held_out),
        "train_rows": len(rows.train),
        "held_out_rows": len(rows.held_out),
        "counts": asdict(rows.counts),
        "questions": question_record(rows.train),
    }


def ended(recorder: Recorder | None, state: RunState, sentence: str, code: int) -> int:
    """The run's last word, on disk where there is a folder, and for whoever reads the log or the terminal."""
    if recorder is not None:
        try:
            recorder.state(state, sentence)
        except OSError as fault:
            print(f"The run's state could not be written ({fault.strerror}).", file=sys.stderr)
    print(sentence, file=sys.stdout if code == COMPLETED else sys.stderr, flush=True)
    return code


def stopped_words(recorder: Recorder | None, output: Path) -> str:
    if recorder is None or not recorder.step:
        return "Stopped before the first step. No adapter was kept."
    return f"Stopped at step {recorder.step} of {recorder.total_steps}. No adapter was kept.{can_go_on(output)}"


def can_go_on(output: Path) -> str:
    """A sentence on the checkpoint that the run can be resumed from; empty where there is none."""
    newest = newest_whole(output)
    return f" The run can go on from step {newest.step}." if newest else ""


def base_name(source: BaseSource) -> str:
    """The base as others know it: a hub id, or the name of its folder; never a path of this machine."""
    if source.embedded:
        return EMBEDDED_ID
    place = Path(source.place).expanduser()
    return place.resolve().name if place.is_dir() else source.name


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
