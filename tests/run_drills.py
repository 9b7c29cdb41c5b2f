"""Drills with training runs, told how often: `tests/faults` runs them a few times, `tests/drills` in full."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

from medreason.domain.run import RunState
from medreason.errors import NotFound
from medreason.finetune import process
from medreason.folder import DataFolder
from tests.runs import AT_WORK, CHECKOUT, ENGINEER, at_once, at_step_two, ended, let_go, service, waits, within

TOLD_WITHIN_S = 10.0
APP = """
import json, sys, time
from medreason.errors import MedReasonError
from medreason.folder import DataFolder
from pathlib import Path
from tests.runs import ENGINEER, config, service
training = service(DataFolder(Path(sys.argv[1])))
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    while time.monotonic() < order["at"]:
        pass
    try:
        print(json.dumps({"started": training.start(ENGINEER, config(order["name"])).name}), flush=True)
    except MedReasonError as fault:
        print(json.dumps({"refused": str(fault)}), flush=True)
"""


class App:
    """An app process that starts runs when told to, at a moment given by the clock that all processes share."""

    def __init__(self, folder: DataFolder):
        self.child = subprocess.Popen(
            [sys.executable, "-c", APP, str(folder.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline().strip()

    def order(self, name: str, at: float = 0.0) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(json.dumps({"name": name, "at": at}) + "\n")
        self.child.stdin.flush()

    def answer(self) -> dict[str, str]:
        return json.loads(self._line())

    def kill(self) -> None:
        self.child.kill()
        for pipe in (self.child.stdin, self.child.stdout):
            if pipe is not None:
                pipe.close()
        self.child.wait()


@dataclass
class Races:
    """What came of starting two runs in two apps at the same moment."""

    one_trained_first: int = 0
    then_the_other: int = 0
    name_given_once: int = 0
    same_name: int = 0


def races(folder: DataFolder, count: int) -> Races:
    """Every fifth race is about one name, which only one may get; in the others one run trains and the other has
    its turn after it."""
    training, found = service(folder), Races()
    apps = [App(folder), App(folder)]
    try:
        for number in range(count):
            same = number % 5 == 4
            names = [f"race-{number}"] * 2 if same else [f"race-{number}-a", f"race-{number}-b"]
            at = time.monotonic() + 0.05
            for app, name in zip(apps, names, strict=True):
                app.order(name, at)
            answers = [app.answer() for app in apps]
            if same:
                found.same_name += 1
                refused = [answer["refused"] for answer in answers if "refused" in answer]
                found.name_given_once += len(refused) == 1 and "already a run named" in refused[0]
                names = names[:1]
            within(15, lambda names=names: any(training.status(name).state in AT_WORK for name in names))
            current = training.current()
            assert current is not None
            others = [name for name in names if name != current.name]
            for name in others:
                waits(training, name, current.name)
            found.one_trained_first += sum(training.status(name).state in AT_WORK for name in names) == 1
            let_go(training, current.name)
            assert ended(training, current.name).state is RunState.COMPLETED
            for name in others:
                at_step_two(training, name)
                let_go(training, name)
                found.then_the_other += ended(training, name).state is RunState.COMPLETED
            assert at_once(training) == []
    finally:
        for app in apps:
            app.kill()
    return found


@dataclass
class Attached:
    """What a new app found after the one that had started a run was killed. Times are in seconds, from the kill to
    the moment the truth was told."""

    found: int = 0
    not_begun: int = 0
    found_after_s: list[float] = field(default_factory=list)
    death_told_after_s: list[float] = field(default_factory=list)


def attach(folder: DataFolder, count: int, seed: int = 0) -> Attached:
    """Kill the app at a random moment of a start or soon after, until `count` runs went on without it. Each is
    then let go to its end, stopped, or killed, in turn."""
    told, chance, number = Attached(), random.Random(seed), 0
    while told.found < count:
        name = f"run-{number}"
        number += 1
        app = App(folder)
        app.order(name)
        time.sleep(chance.uniform(0.0, 0.4))
        app.kill()
        killed_at = time.monotonic()
        training = service(folder)
        try:
            while (run := training.status(name)).state not in (*AT_WORK, RunState.LOST):
                assert time.monotonic() - killed_at < TOLD_WITHIN_S, run
                time.sleep(0.02)
        except NotFound:  # killed before there was a run
            told.not_begun += 1
            continue
        if run.state is RunState.LOST:  # killed before there was a process
            assert "never started" in run.message
            told.not_begun += 1
            continue
        told.found_after_s.append(time.monotonic() - killed_at)
        child = at_step_two(training, name)
        assert [one.name for one in training.runs() if not one.state.ended] == [name]
        if told.found % 3 == 0:
            let_go(training, name)
            run = ended(training, name)
            assert (run.state, len(run.losses)) == (RunState.COMPLETED, 5)
        elif told.found % 3 == 1:
            training.stop(ENGINEER, name)
            assert ended(training, name).state is RunState.STOPPED
        else:
            os.kill(child.pid, signal.SIGKILL)
            died_at = time.monotonic()
            run = ended(training, name, seconds=TOLD_WITHIN_S)
            assert run.state is RunState.LOST and "step 2 of 5" in run.message and "a log line" in run.log_tail
            told.death_told_after_s.append(time.monotonic() - died_at)
        within(5, lambda child=child: not process.alive(child))
        told.found += 1
    assert at_once(service(folder)) == []
    return told
