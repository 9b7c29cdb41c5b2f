"""Ray's client behind three plain faults: silent, unknown, refused; no token in any word, no wait without end."""

import sys
import time
import types
from types import SimpleNamespace

import pytest

from medreason.domain.cluster import RayCluster
from medreason.errors import Invalid, MedReasonError, NotReady
from medreason.finetune import ray_jobs
from medreason.finetune.ray_jobs import ClusterSilent, JobState, JobUnknown, RayJobs

TOKEN = "s3cret-t0ken"
HERE = RayCluster("http://10.0.0.5:8265", "/mnt/runs", gpus=1)


class Client:
    """Stands for `JobSubmissionClient`; `does` is what its next call does."""

    made: list[dict] = []
    does = staticmethod(lambda **given: None)

    def __init__(self, address, headers=None):
        Client.made.append({"address": address, "headers": headers})
        if address.endswith(":1"):
            raise ConnectionError(f"Failed to connect to Ray at address: {address}.")

    def submit_job(self, **given):
        return Client.does(**given)

    def get_job_info(self, job):
        return Client.does(job=job)

    get_job_logs = stop_job = delete_job = get_job_info


@pytest.fixture
def ray(monkeypatch):
    Client.made = []
    module = types.ModuleType("ray.job_submission")
    module.JobSubmissionClient = Client
    monkeypatch.setitem(sys.modules, "ray", types.ModuleType("ray"))
    monkeypatch.setitem(sys.modules, "ray.job_submission", module)
    return monkeypatch


def raises(fault):
    def do(**given):
        raise fault

    return staticmethod(do)


def test_without_ray_one_sentence_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.job_submission", None)
    with pytest.raises(NotReady, match="pip install -r requirements-ray.txt"):
        RayJobs(HERE)


def test_a_job_is_submitted_with_its_code_and_what_it_may_use(ray, tmp_path):
    asked = {}
    ray.setattr(Client, "does", staticmethod(lambda **given: asked.update(given) or "job-7"))
    RayJobs(HERE).submit("job-7", "python x.py", tmp_path, gpus=2, cpus=4, node="n1")
    assert asked["submission_id"] == "job-7"
    assert asked["entrypoint"] == "python x.py" and asked["runtime_env"]["working_dir"] == str(tmp_path)
    assert (asked["entrypoint_num_gpus"], asked["entrypoint_num_cpus"]) == (2, 4)
    assert asked["entrypoint_label_selector"] == {"ray.io/node-id": "n1"}
    assert Client.made == [{"address": "http://10.0.0.5:8265", "headers": None}]


@pytest.mark.parametrize(
    ("status", "state"),
    [("PENDING", JobState.WAITING), ("RUNNING", JobState.RUNNING), ("SUCCEEDED", JobState.SUCCEEDED),
     ("STOPPED", JobState.STOPPED), ("FAILED", JobState.FAILED), ("UNHEARD_OF", JobState.FAILED)],
)  # fmt: skip
def test_every_status_has_a_state(ray, status, state):
    found = SimpleNamespace(status=SimpleNamespace(value=status), message=None, driver_node_id=None)
    ray.setattr(Client, "does", staticmethod(lambda **given: found))
    assert RayJobs(HERE).look("j").state is state


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (RuntimeError("Request failed with status code 404: Job j does not exist."), JobUnknown, "no such job"),
        (RuntimeError("Request failed with status code 401: no."), MedReasonError, "refuses this app"),
        (RuntimeError("Request failed with status code 400: bad env"), MedReasonError, "refuses the job: Request"),
        (RuntimeError("Request failed with status code 502: proxy"), ClusterSilent, "does not answer"),
        (ConnectionError("no route to host"), ClusterSilent, "The Ray cluster at http://10.0.0.5:8265 does not"),
    ],
)
def test_a_fault_is_one_plain_sentence(ray, fault, kind, said):
    jobs = RayJobs(HERE)
    ray.setattr(Client, "does", raises(fault))
    with pytest.raises(kind, match=said) as told:
        jobs.look("j")
    assert "\n" not in str(told.value) and type(told.value) is kind


def test_a_cluster_that_never_answers_is_silent_in_time(ray):
    jobs = RayJobs(HERE)
    ray.setattr(ray_jobs, "ANSWERS_WITHIN_S", 0.2)
    ray.setattr(Client, "does", staticmethod(lambda **given: time.sleep(1)))
    began = time.monotonic()
    with pytest.raises(ClusterSilent):
        jobs.log("j")
    assert time.monotonic() - began < 2


def test_a_token_goes_into_a_header_and_into_no_word(ray):
    cluster = RayCluster("http://10.0.0.5:8265", "/mnt/runs", token_env="RAY_MY_TOKEN")
    with pytest.raises(MedReasonError, match="RAY_MY_TOKEN is not set"):
        RayJobs(cluster)
    ray.setenv("RAY_MY_TOKEN", TOKEN)
    jobs = RayJobs(cluster)
    assert Client.made[-1]["headers"] == {"Authorization": f"Bearer {TOKEN}"}
    ray.setattr(Client, "does", staticmethod(lambda **given: f"a line with {TOKEN} in it"))
    assert jobs.log("j") == "a line with [token] in it"
    ray.setattr(Client, "does", raises(ValueError(f"bad header {TOKEN}")))
    with pytest.raises(MedReasonError) as told:
        jobs.stop("j")
    assert TOKEN not in str(told.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"address": ""}, "Address of the cluster"),
        ({"address": "10.0.0.5:8265"}, "give an address such as"),
        ({"address": "http://me:s3cret-t0ken@host:8265"}, "a token belongs into an environment variable"),
        ({"address": "http://host:8265/?token=s3cret-t0ken"}, "give the address alone"),
        ({"address": "http://host:99999999"}, "give an address such as"),
        ({"working_dir": "work"}, "give a whole path"),
        ({"data_dir": "data"}, "give a whole path, or leave it empty"),
        ({"gpus": -1}, "GPUs is -1"),
        ({"gpus": 1.5}, "whole number"),
        ({"token_env": "s3cret-t0ken"}, "not the token"),
        ({"token_env": "PGPASSWORD"}, "begins with RAY_"),
        ({"python": ""}, "Python there"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused_in_words_and_shows_no_token(given, said):
    with pytest.raises(Invalid, match=said) as told:
        RayCluster(**{"address": "http://host:8265", "working_dir": "/w"} | given)
    assert TOKEN not in str(told.value)


def test_slashes_at_the_end_do_not_matter():
    cluster = RayCluster("https://host/ray/ ", "/mnt/runs/")
    assert (cluster.address, cluster.working_dir) == ("https://host/ray", "/mnt/runs")
    assert cluster.data_folder == "/mnt/runs/data"
