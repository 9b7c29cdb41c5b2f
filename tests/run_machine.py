"""Training runs under any order of starting, stopping, killing, restarting, resuming and deleting.

Real processes of `fake_trainer.py`; the model knows only what was done to each run. What a rule finds depends on
how quick those processes are, so no rule has a precondition: hypothesis would see its own choices differ.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from medreason.domain.run import RunState, RunStatus
from medreason.errors import Busy, MedReasonError
from medreason.finetune import process
from medreason.folder import DataFolder
from tests.runs import AT_WORK, ENGINEER, at_once, config, ended, kill_all, let_go, service, within

COMPLETED, STOPPED, FAILED = RunState.COMPLETED, RunState.STOPPED, RunState.FAILED
# How a run may end, by what was done to it since it was started last.
ENDS = {"let go": {COMPLETED}, "stopped": {STOPPED}, "killed": {FAILED}}
MOST_RUNS = 6
NUMBERS = st.integers(0, 4 * MOST_RUNS - 1)


def is_live(run: RunStatus) -> bool:
    return not run.state.ended


def machine_settings(examples: int, steps: int, **more: object) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        **more,  # type: ignore[arg-type]
    )


class RunMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = DataFolder(Path(tempfile.mkdtemp(prefix="runs-")))
        self.folder.prepare()
        self.training = service(self.folder)
        self.done: dict[str, set[str]] = {}
        self.made = 0

    def teardown(self) -> None:
        kill_all(self.folder)
        shutil.rmtree(self.folder.root, ignore_errors=True)

    def live(self, name: str) -> bool:
        return not self.training.status(name).state.ended

    def pick(self, choose: int, best: Callable[[RunStatus], bool] = lambda run: True) -> str:
        """One of the runs that are `best` for what is to be done; any, where there are none, and now and then."""
        found = [run.name for run in self.training.runs() if best(run)] if choose % 4 else []
        names = sorted(found or self.done)
        return names[choose // 4 % len(names)]

    @rule(behaviour=st.sampled_from(["", "", "quick"]))
    def start(self, behaviour: str) -> None:
        if len(self.done) >= MOST_RUNS:
            return
        name = f"run-{self.made}"
        self.made += 1
        run = self.training.start(ENGINEER, config(name, behaviour))
        self.done[name] = {"let go"} if behaviour == "quick" else set()
        assert behaviour == "quick" or run.state is RunState.QUEUED or run.state in AT_WORK

    @rule(choose=NUMBERS)
    def start_again_under_the_same_name(self, choose: int) -> None:
        if not self.done:
            return
        name = self.pick(choose)
        before = self.training.config(name)
        try:
            self.training.start(ENGINEER, config(name, "error"))
        except MedReasonError:
            assert self.training.config(name) == before
        else:
            raise AssertionError("a run was started over another one")

    @rule(choose=NUMBERS, late=st.booleans(), save=st.booleans(), times=st.integers(1, 3))
    def stop(self, choose: int, late: bool, save: bool, times: int) -> None:
        if not self.done:
            return
        name = self.pick(choose, is_live)
        if late:
            self.wait_for_the_next_turn()
        for _ in range(times):
            self.stop_run(name, save)

    def stop_run(self, name: str, save: bool) -> None:
        if self.live(name):
            self.done[name].add("stopped")
        self.training.stop(ENGINEER, name, save)
        ended(self.training, name)

    @rule(choose=NUMBERS, late=st.booleans())
    def kill(self, choose: int, late: bool) -> None:
        if not self.done:
            return
        name = self.pick(choose, is_live)
        if late:
            self.wait_for_the_next_turn()
        child = process.read_process(self.folder.runs / name)
        if child is not None and process.alive(child):
            self.done[name].add("killed")
            os.kill(child.pid, signal.SIGKILL)
            ended(self.training, name, seconds=10)

    @rule(choose=NUMBERS)
    def let_go(self, choose: int) -> None:
        if not self.done:
            return
        name = self.pick(choose, is_live)
        self.done[name].add("let go")
        let_go(self.training, name)

    @rule()
    def restart(self) -> None:
        self.training = service(self.folder)

    @rule(choose=NUMBERS, late=st.booleans())
    def resume(self, choose: int, late: bool) -> None:
        if not self.done:
            return
        current = self.training.current()
        if late and current is not None:
            self.wait_for_the_next_turn()
            self.stop_run(current.name, save=True)
        name = self.pick(choose, lambda run: run.can_resume)
        run = self.training.status(name)
        path = self.folder.runs / name
        if run.can_resume:
            (path / "go").unlink(missing_ok=True)
        saved = any(one.whole and one.step >= 2 for one in run.checkpoints)  # it stays at its second step only
        quick = saved or self.training.config(name).revision == "quick"
        try:
            self.training.resume(ENGINEER, name)
        except MedReasonError as fault:
            assert not run.can_resume, fault
        else:
            assert run.can_resume or not run.state.ended
            self.done[name] = {"let go"} if quick else set()

    @rule(choose=NUMBERS)
    def delete(self, choose: int) -> None:
        if not self.done:
            return
        name = self.pick(choose)
        was_live = self.live(name)
        try:
            self.training.delete(ENGINEER, name)
        except Busy as fault:
            assert was_live, fault
        else:
            assert not (self.folder.runs / name).exists()
            del self.done[name]

    @rule()
    def wait_for_the_next_turn(self) -> None:
        """Whoever is first in the line comes to its second step, or ends."""
        if not self.done:
            return
        current = self.training.current()
        if current is not None:
            within(15, lambda: self._second_step_or_end(current.name))

    def _second_step_or_end(self, name: str) -> bool:
        run = self.training.status(name)
        return run.state.ended or (run.state in AT_WORK and run.step >= 2)

    @invariant()
    def at_most_one_is_at_work(self) -> None:
        assert at_once(self.training) == []
        found = self.training.runs()
        assert {run.name for run in found} == set(self.done)
        assert sum(run.state in AT_WORK for run in found) <= 1

    @invariant()
    def the_true_end_is_told(self) -> None:
        for run in self.training.runs():
            allowed = set().union(*(ENDS[done] for done in self.done[run.name]))
            assert not run.state.ended or run.state in allowed, (run, self.done[run.name])
            assert bool(run.adapter) <= (run.state in (COMPLETED, STOPPED))
