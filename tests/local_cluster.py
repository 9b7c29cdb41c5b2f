"""A cluster made of folders and processes of this computer, in place of Ray: jobs outlive whoever submits them.

`silent` and `forgotten` are files that make it stop answering, or lose its jobs; `full` keeps new jobs
waiting, `busy` is how many it refuses before it takes one.
"""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from medreason.finetune.ray_jobs import ClusterSilent, Job, JobState, JobUnknown

NODE = "node-1"


class LocalCluster:
    """Implements `ray_jobs.Jobs` over one folder."""

    def __init__(self, root: Path):
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self._answer()

    def submit(self, name: str, command: str, code: Path, gpus: int = 0, cpus: int = 0, node: str = "") -> None:
        self._answer()
        if (busy := self.root / "busy").exists() and int(busy.read_text()) > 0:
            busy.write_text(str(int(busy.read_text()) - 1))
            raise ClusterSilent("No agent takes jobs yet.")
        job = self.root / f"job-{name}"
        shutil.copytree(code, job / "code")
        (job / "asked.json").write_text(
            json.dumps({"command": command, "gpus": gpus, "cpus": cpus, "node": node}), encoding="utf-8"
        )
        if (self.root / "full").exists():
            return
        shell = f"trap : TERM; {command} >> ../log 2>&1; echo $? > ../rc.new; mv ../rc.new ../rc"
        child = subprocess.Popen(["sh", "-c", shell], cwd=job / "code", start_new_session=True)
        (job / "pid").write_text(str(child.pid))

    def look(self, job: str) -> Job:
        place = self._place(job)
        if (place / "stopped").exists() and ((place / "rc").exists() or not (place / "pid").exists()):
            return Job(JobState.STOPPED, "stopped", NODE)
        if (place / "rc").exists():
            code = int((place / "rc").read_text())
            state = JobState.SUCCEEDED if code == 0 else JobState.FAILED
            return Job(state, f"Job entrypoint command exited with {code}", NODE)
        return Job(JobState.RUNNING, "", NODE) if (place / "pid").exists() else Job(JobState.WAITING)

    def log(self, job: str) -> str:
        try:
            return (self._place(job) / "log").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def stop(self, job: str) -> None:
        place = self._place(job)
        (place / "stopped").touch()
        if (place / "pid").exists():
            os.killpg(int((place / "pid").read_text()), signal.SIGTERM)

    def forget(self, job: str) -> None:
        (self._place(job) / "forgotten").touch()

    def jobs(self, what: str) -> list[Path]:
        """The folders of the jobs of one kind, in the order in which they came."""
        found = [(one.stat().st_ctime_ns, one) for one in self.root.glob("job-*")]
        return [one for _, one in sorted(found) if f"job_side.py {what} " in (one / "asked.json").read_text()]

    def kill_all(self) -> None:
        for pid in self.root.glob("job-*/pid"):
            try:
                os.killpg(int(pid.read_text()), signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass

    def _place(self, job: str) -> Path:
        self._answer()
        if (self.root / "forgotten").exists() or not (self.root / f"job-{job}").is_dir():
            raise JobUnknown("The cluster knows no such job.")
        return self.root / f"job-{job}"

    def _answer(self) -> None:
        if (self.root / "silent").exists():
            raise ClusterSilent("The cluster does not answer.")
