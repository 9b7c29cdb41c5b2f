"""The process on this computer that stands for a run on a cluster: sends the job, follows it, stops it, fetches
its adapter. To everybody else here it looks like a process that trains: it writes the same files, hears the same
requests, and outlives the app. Where it ends before the job does, another one finds the job again.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from medreason.domain.run import RunState
from medreason.errors import MedReasonError
from medreason.finetune import process, progress
from medreason.finetune.job_words import JobWords, cut_log, waiting
from medreason.finetune.parcel import beside, command, fetch, new_job, pack_code, parts
from medreason.finetune.place import Place, read_place, write_place
from medreason.finetune.ray_jobs import ClusterSilent, Job, Jobs, JobState, JobUnknown, RayJobs
from medreason.whole_file import read_json, write_json

SILENT_WORDS_S = 20.0
SILENT_FOR_S = 6 * 3600.0
STOPPING_FOR_S = 30.0
STARTING_FOR_S = 90.0
UNKNOWN_TIMES = 3
CHARACTERS_A_SECOND = 400_000
SLOWEST_S = 20.0


class Attendant:
    """`asked` gives the request to stop, or None. `pause` waits so many seconds; `clock` tells them."""

    def __init__(
        self,
        run: Path,
        jobs: Callable[[], Jobs],
        mark: str,
        asked: Callable[[], process.StopRequest | None],
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        look_every_s: float = 2.0,
    ):
        place = read_place(run)
        if place is None:
            raise MedReasonError(f"The run {run.name} does not say where it lives. Start it again.")
        self._run, self._place, self._make_jobs, self._mark = run, place, jobs, mark
        self._asked, self._pause, self._clock, self._look_every_s = asked, pause, clock, look_every_s
        self._state = progress.read_state(run) or progress.State(RunState.QUEUED)
        self._words = JobWords(run, mark, lambda line: print(line, flush=True))
        self._told = ""

    def attend(self) -> int:
        """From sending or finding the job to the run's end; gives the exit code."""
        try:
            self._say(RunState.QUEUED, f"Reaching {self._place.cluster.words}.")
            jobs = self._make_jobs()
            if not self._place.followable or not self._found_again(jobs):
                if self._place.job and not self._resumable:
                    return self._unknown()
                self._send(jobs)
            return self._follow(jobs)
        except ClusterSilent as fault:
            if self._place.followable:
                return self._end(RunState.LOST, f"{fault} {self._may_go_on()}")
            return self._end(
                RunState.FAILED,
                f"{fault} Nothing was started. Mend it, then start the run again under another name.",
            )
        except MedReasonError as fault:
            more = f" {self._may_go_on()}" if self._place.followable else ""
            return self._end(RunState.FAILED, f"{fault}{more}")

    @property
    def _resumable(self) -> bool:
        return any(one.whole for one in self._place.checkpoints)

    def _found_again(self, jobs: Jobs) -> bool:
        try:
            jobs.look(self._place.job)
        except JobUnknown:
            return False
        return True

    def _send(self, jobs: Jobs) -> None:
        place = self._place
        self._say(RunState.QUEUED, f"Sending the run to {place.cluster.words}.")
        more = ["--data", place.cluster.data_folder, *(["--resume"] if self._resumable else [])]
        with tempfile.TemporaryDirectory(prefix="medreason-job-") as scratch:
            code = pack_code(self._run, Path(scratch) / "job")
            log = self._run / progress.LOG_FILE
            size = log.stat().st_size if log.exists() else 0
            # On record first: whatever ends this in between, the job is found again.
            self._keep(replace(place, job=new_job(self._run.name), node="", over=False, log_bytes=size))
            try:
                self._submit(jobs, command(place, "train", self._mark, *more), code)
            except MedReasonError:
                self._keep(place)
                raise

    def _submit(self, jobs: Jobs, line: str, code: Path) -> None:
        """Send the job, once; a cluster that has just been started may take a while to take one."""
        job, cluster, began = self._place.job, self._place.cluster, self._clock()
        while True:
            try:
                jobs.submit(job, line, code, cluster.gpus, cluster.cpus)
                return
            except ClusterSilent:
                if self._clock() - began > STARTING_FOR_S or self._asked() is not None:
                    raise
                self._pause(self._look_every_s)
                with suppress(ClusterSilent):
                    if self._found_again(jobs):
                        return

    def _follow(self, jobs: Jobs) -> int:
        cut_log(self._run / progress.LOG_FILE, self._place.log_bytes)
        heard_at, unknown, length = self._clock(), 0, 0
        told: process.StopRequest | None = None
        while True:
            try:
                found = jobs.look(self._place.job)
                log = jobs.log(self._place.job)
                heard_at, unknown, length = self._clock(), 0, len(log)
                self._hear(found, log)
                if found.state.ended:
                    return self._over(jobs, found)
                told = self._tell_to_stop(jobs, told)
            except JobUnknown:
                unknown += 1
                if unknown >= UNKNOWN_TIMES:
                    return self._unknown()
            except ClusterSilent as fault:
                silent_s = self._clock() - heard_at
                if self._asked() is not None and silent_s > STOPPING_FOR_S:
                    words = f"{fault} It was not told to stop. {self._may_go_on()}"
                    return self._end(RunState.LOST, words)
                if silent_s > SILENT_FOR_S:
                    return self._end(RunState.LOST, f"{fault} {self._may_go_on()}")
                if silent_s > SILENT_WORDS_S:
                    self._say(self._state.state, f"{fault} Trying on; what was heard so far is kept.")
            self._pause(min(SLOWEST_S, max(self._look_every_s, length / CHARACTERS_A_SECOND)))

    def _hear(self, found: Job, log: str) -> None:
        self._words.take(log)
        if found.node != self._place.node or self._words.checkpoints != self._place.checkpoints:
            known = self._words.checkpoints or self._place.checkpoints
            if (found.node, known) != (self._place.node, self._place.checkpoints):
                self._keep(replace(self._place, node=found.node, checkpoints=known))
        state = self._words.state
        if found.state is JobState.WAITING:
            self._say(RunState.QUEUED, "Waiting: the cluster has no room for it yet, or prepares its machine.")
        elif state is None:
            self._say(RunState.LOADING, "Starting on the cluster.")
        elif not state.state.ended and state != self._state:
            self._write(state)

    def _tell_to_stop(self, jobs: Jobs, told: process.StopRequest | None) -> process.StopRequest | None:
        """Pass a request to stop on once, and once more where it gives up what was to be saved; gives what has
        been passed on."""
        request = self._asked()
        if request is None or (told is not None and (request.save or not told.save)):
            return told
        if request.save and self._words.state is not None:
            try:
                self._beside(jobs, "stop")
                return request
            except ClusterSilent:
                raise
            except MedReasonError as fault:
                print(f"{fault} It is stopped without saving.", file=sys.stderr, flush=True)
        jobs.stop(self._place.job)
        return request

    def _over(self, jobs: Jobs, found: Job) -> int:
        """The job has ended: what it says of itself counts, else what the cluster says of it."""
        last, files = self._words.state, self._words.files
        if last is not None and last.state.ended:
            if files and last.state in (RunState.COMPLETED, RunState.STOPPED):
                try:
                    self._fetch(jobs)
                except MedReasonError as fault:
                    self._write(replace(last, state=RunState.FAILED, message=self._not_fetched(fault)))
                    return 1
            self._keep(replace(self._place, over=True))
            self._write(last)
            return {RunState.COMPLETED: 0, RunState.STOPPED: 143}.get(last.state, 1)
        self._keep(replace(self._place, over=True))
        again = self._again()
        if self._words.refused:
            return self._end(RunState.FAILED, self._words.refused)
        if found.state is JobState.STOPPED:
            who = "" if self._asked() is not None else " by somebody else"
            return self._end(RunState.STOPPED, f"Stopped on the cluster{who}. No adapter was kept.{again}")
        said = " ".join(found.message.split())[:300]
        why = f" The cluster says: {said}" if said else ""
        return self._end(RunState.FAILED, f"The job failed on the cluster; its log tells more.{again}{why}")

    def _fetch(self, jobs: Jobs) -> None:
        def part(skip: int, most: int) -> bytes:
            return parts(self._beside(jobs, "send", "--skip", str(skip), "--most", str(most)), self._mark)

        def told(share: float) -> None:
            self._say(RunState.SAVING, f"Fetching the adapter from the cluster: {share:.0%}.")

        told(0.0)
        fetch(self._words.files or (), part, self._run, told)

    def _beside(self, jobs: Jobs, what: str, *more: str) -> str:
        with tempfile.TemporaryDirectory(prefix="medreason-job-") as scratch:
            return beside(jobs, self._place, what, self._mark, Path(scratch), *more)

    def _unknown(self) -> int:
        self._keep(replace(self._place, over=True))
        where = self._place.cluster.words
        return self._end(
            RunState.LOST,
            f"{where[0].upper()}{where[1:]} no longer knows the job; it was probably started anew. What was heard "
            f"of it is kept here, and its checkpoints lie in {self._place.folder} there.{self._again()}",
        )

    def _not_fetched(self, fault: MedReasonError) -> str:
        return (
            f"The run has ended, and its adapter could not be fetched. {fault} It lies in {self._place.folder} on "
            "the cluster; Resume fetches it."
        )

    def _may_go_on(self) -> str:
        return "The job may go on there; what was heard of it is kept, and Resume finds it again."

    def _again(self) -> str:
        whole = [one.step for one in self._place.checkpoints if one.whole]
        return f" Resume goes on from step {max(whole)}." if whole else " Start it again."

    def _say(self, state: RunState, words: str) -> None:
        if words != self._told or state is not self._state.state:
            self._write(waiting(replace(self._state, state=state, message=words)))
            self._told = words

    def _write(self, state: progress.State) -> None:
        self._state, self._told = state, ""
        progress.write_state(self._run, replace(state, written_at=time.time()))

    def _end(self, state: RunState, words: str) -> int:
        print(words, file=sys.stderr, flush=True)
        self._write(waiting(replace(self._words.state or self._state, state=state, message=words)))
        return 143 if state is RunState.STOPPED else 1

    def _keep(self, place: Place) -> None:
        self._place = place
        write_place(self._run, place)


MARK_FILE = "mark.json"


def mark_of(run: Path, token: str) -> str:
    """What marks the lines of the run's jobs: the token of its first process, so that a later one reads them."""
    known = (read_json(run / MARK_FILE) or {}).get("mark")
    if isinstance(known, str) and known:
        return known
    write_json(run / MARK_FILE, {"mark": f"::{token}::"})
    return f"::{token}::"


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="attendant", description=__doc__)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--run-token", required=True)
    given = parser.parse_args(words)
    run: Path = given.output_dir
    heard: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def asked() -> process.StopRequest | None:
        return process.read_stop(run) or (process.StopRequest() if heard else None)

    def jobs() -> Jobs:
        place = read_place(run)
        assert place is not None
        return RayJobs(place.cluster)

    try:
        return Attendant(run, jobs, mark_of(run, given.run_token), asked).attend()
    except MedReasonError as fault:
        print(fault, file=sys.stderr, flush=True)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
