"""Kills a training process in the midst of its saves, again and again, and lets it go on each time; told how
often: `tests/faults` does it a few times, `tests/drills` in full.

Run as a program it does the killing: each process that trains is forked from one that has the model software
loaded and has computed nothing yet, with one thread each, so that a start costs a second instead of ten.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from medreason.errors import MedReasonError
from medreason.finetune.checkpoints import newest_whole, read_checkpoints
from medreason.finetune.resume import choose

CHECKOUT = Path(__file__).resolve().parent.parent
SAVE_TAKES_S = 0.05
WITHIN_S = 120.0


def kill_in_saves(model: Path, folder: Path, count: int) -> dict[str, Any]:
    """What came of `count` kills: in how many the newest checkpoint that was whole before the kill, or a newer
    one, was taken (`kept`), how many saves were cut off before their end (`cut`), how many starts were not from
    the newest (`restarts`), and whether all is in the end as in a run that was never killed (`same`)."""
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.checkpoint_kills", str(model), str(folder), str(count)],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"},
    )
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-4000:]
    return json.loads(ran.stdout.strip().splitlines()[-1])


def forked(work: Any) -> int:
    """A child that does `work` and nothing else; its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def being_saved(run: Path) -> bool:
    try:
        return any(one.name.endswith(".building") for one in (run / "checkpoints").iterdir())
    except OSError:
        return False


def wait_for_save(run: Path, child: int, saved: Callable[[Path], object] = being_saved) -> bool:
    """Until a checkpoint is being built, or what `saved` says; False where the child ended before."""
    until = time.monotonic() + WITHIN_S
    while not saved(run):
        assert time.monotonic() < until, "no save within two minutes"
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.001)  # leaves the core to who saves
    return True


def main(model: Path, folder: Path, count: int) -> None:
    from tests.fitting import fitted, same, state_at

    generator = random.Random(11)
    settings = {"max_steps": 3 * count + 6, "epochs": 99.0, "save_every": 1, "keep_checkpoints": 3}
    # What prints to the log would be taken for the result.
    output, sys.stdout = sys.stdout, sys.stderr
    kept = cut = restarts = kills = 0
    run = folder / "killed"
    while kills < count:
        before = newest_whole(run)
        resumption = None
        if before is not None:
            resumption = choose(run)
            restarts += resumption.step < before.step
        child = forked(lambda start=resumption: fitted(model, run, start, **settings))
        if kills and before is None:  # the first save was met once; on a slow disk it would be for ever
            wait_for_save(run, child, newest_whole)
        # Later saves of the same start too, so that not only the first after a start is met.
        for _ in range(generator.choice((1, 1, 2))):
            running = wait_for_save(run, child)
            if not running:
                break
            time.sleep(generator.uniform(0.0, SAVE_TAKES_S))
        if not running:
            break
        was = newest_whole(run)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1
        cut += being_saved(run)
        try:
            kept += choose(run).step >= (was.step if was else 1)
        except MedReasonError:
            kept += was is None  # killed in its very first save: there is nothing to lose yet
        assert all(one.whole for one in read_checkpoints(run)), "half a checkpoint under its own name"
    end = settings["max_steps"]
    for place, start in ((run, choose(run)), (folder / "whole", None)):
        child = forked(lambda place=place, start=start: fitted(model, place, start, **settings))
        assert os.waitpid(child, 0)[1] == 0
    equal = same(state_at(run, end), state_at(folder / "whole", end))
    print(
        json.dumps({"kills": kills, "kept": kept, "cut": cut, "restarts": restarts, "same": equal}),
        file=output,
        flush=True,
    )


if __name__ == "__main__":
    import torch

    import medreason.finetune.fitting  # noqa: F401  (loaded before the first fork)

    torch.set_num_threads(1)
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
