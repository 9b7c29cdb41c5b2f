"""Jobs on a Ray cluster through Ray's own client: submit, look, read the log, stop. The only file that knows Ray.

Every fault becomes one of three: the cluster does not answer, it does not know the job, or it refuses. A token is
read from the environment when it is used, and taken out of whatever is said.
"""

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

from medreason.domain.cluster import RayCluster
from medreason.errors import MedReasonError, NotReady

log = logging.getLogger(__name__)

ANSWERS_WITHIN_S = 30.0
TAKES_CODE_WITHIN_S = 600.0
INSTALL = "Ray is not installed here. Install it with: pip install -r requirements-ray.txt"
# How long Ray waits between asking a job to end and ending it by force; the training has to end its step.
STOP_WAIT_S = "50"

T = TypeVar("T")


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def ended(self) -> bool:
        return self not in (JobState.WAITING, JobState.RUNNING)


@dataclass(frozen=True)
class Job:
    """`message` is the cluster's own word; `node` the machine that it runs on, empty while it waits."""

    state: JobState
    message: str = ""
    node: str = ""


class ClusterSilent(MedReasonError):
    """The cluster cannot be reached, or does not answer in time."""


class JobUnknown(MedReasonError):
    """The cluster answers and knows no such job."""


class Jobs(Protocol):
    """A cluster that takes jobs. All raise `ClusterSilent`; those that name a job raise `JobUnknown`; a refusal is
    another `MedReasonError`."""

    def submit(self, job: str, command: str, code: Path, gpus: int = 0, cpus: int = 0, node: str = "") -> None:
        """Have `command` run as `job`, a new name, in a copy of the folder `code`, on that machine where one is
        named."""
        ...

    def look(self, job: str) -> Job: ...

    def log(self, job: str) -> str:
        """All it has written so far."""
        ...

    def stop(self, job: str) -> None: ...

    def forget(self, job: str) -> None:
        """Have the cluster drop an ended job and its log."""
        ...


class RayJobs:
    """Implements `Jobs`. Making it asks the cluster for its version; raises `NotReady` where Ray is missing here,
    `MedReasonError` where the token's variable is not set."""

    def __init__(self, cluster: RayCluster):
        self._cluster = cluster
        self._token = _token(cluster)
        self._logged = ""
        try:
            from ray.job_submission import JobSubmissionClient
        except ImportError as fault:
            raise NotReady(INSTALL) from fault
        logging.getLogger("ray").setLevel(logging.WARNING)
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else None
        self._client: Any = self._call(lambda: JobSubmissionClient(cluster.address, headers=headers))

    def submit(self, job: str, command: str, code: Path, gpus: int = 0, cpus: int = 0, node: str = "") -> None:
        variables = {"PYTHONUNBUFFERED": "1", "RAY_JOB_STOP_WAIT_TIME_S": STOP_WAIT_S}
        given: dict[str, Any] = {
            "submission_id": job,
            "entrypoint": command,
            "runtime_env": {"working_dir": str(code), "env_vars": variables},
            "entrypoint_num_gpus": gpus,
            "entrypoint_num_cpus": cpus,
        }
        if node:
            given["entrypoint_label_selector"] = {"ray.io/node-id": node}
        self._call(lambda: self._client.submit_job(**given), TAKES_CODE_WITHIN_S)

    def look(self, job: str) -> Job:
        found = self._call(lambda: self._client.get_job_info(job))
        states = {"PENDING": JobState.WAITING, "RUNNING": JobState.RUNNING, "SUCCEEDED": JobState.SUCCEEDED}
        states |= {"STOPPED": JobState.STOPPED}
        state = states.get(found.status.value, JobState.FAILED)
        return Job(state, self._clean(found.message or ""), found.driver_node_id or "")

    def log(self, job: str) -> str:
        return self._clean(str(self._call(lambda: self._client.get_job_logs(job))))

    def stop(self, job: str) -> None:
        self._call(lambda: self._client.stop_job(job))

    def forget(self, job: str) -> None:
        self._call(lambda: self._client.delete_job(job))

    def _call(self, work: Callable[[], T], within_s: float = 0.0) -> T:
        """Ray's client waits for an answer without end; this does not."""
        within_s = within_s or ANSWERS_WITHIN_S
        found: list[T] = []
        faults: list[BaseException] = []

        def run() -> None:
            try:
                found.append(work())
            except BaseException as fault:
                faults.append(fault)

        thread = threading.Thread(target=run, name="ask-ray", daemon=True)
        thread.start()
        thread.join(within_s)
        if found:
            return found[0]
        raise self._in_words(faults[0] if faults else TimeoutError(f"no answer within {within_s:.0f} s"))

    def _in_words(self, fault: BaseException) -> MedReasonError:
        said, where = self._clean(str(fault)).strip(), self._cluster.words
        if "status code 404" in said and "job" in said.lower():
            return JobUnknown(f"{where[0].upper()}{where[1:]} knows no such job.")
        if "status code 401" in said or "status code 403" in said:
            return MedReasonError(
                f"{where[0].upper()}{where[1:]} refuses this app. Name the variable that holds its token."
            )
        reached = "status code 4" in said or isinstance(fault, (ValueError, TypeError))
        if reached:
            return MedReasonError(f"{where[0].upper()}{where[1:]} refuses the job: {said.splitlines()[0][:300]}")
        if said != self._logged:
            self._logged = said
            log.warning("Ray says: %s", said[:1000])
        return ClusterSilent(f"{where[0].upper()}{where[1:]} does not answer.")

    def _clean(self, text: str) -> str:
        return text.replace(self._token, "[token]") if self._token else text


def _token(cluster: RayCluster) -> str:
    if not cluster.token_env:
        return ""
    token = os.environ.get(cluster.token_env, "").strip()
    if not token:
        raise MedReasonError(
            f"The environment variable {cluster.token_env} is not set where the app runs. Set it to the cluster's "
            "token, or leave the field empty."
        )
    return token
