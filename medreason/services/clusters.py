"""The cluster that runs can be sent to, as it was filled in last. Of a token only its variable's name is kept."""

from dataclasses import asdict

from medreason.domain.cluster import RayCluster
from medreason.domain.user import Action, User
from medreason.errors import MedReasonError
from medreason.finetune.ray_jobs import RayJobs
from medreason.folder import DataFolder
from medreason.whole_file import read_json, write_json

CLUSTER_FILE = "cluster.json"


class Clusters:
    """One cluster for the whole app, below its data folder."""

    def __init__(self, folder: DataFolder):
        self._path = folder.root / CLUSTER_FILE

    def kept(self) -> RayCluster | None:
        """The cluster that was kept last, or None."""
        found = read_json(self._path)
        try:
            return RayCluster(**found) if found else None
        except (TypeError, MedReasonError):
            return None

    def keep(self, user: User, cluster: RayCluster) -> None:
        user.require(Action.TRAIN)
        try:
            write_json(self._path, asdict(cluster))
        except OSError as fault:
            raise MedReasonError(
                f"The cluster cannot be kept ({fault.strerror}). Make room, try again."
            ) from fault

    def check(self, user: User, cluster: RayCluster) -> str:
        """Whether the cluster answers, in one sentence; raises `MedReasonError` in one where it does not."""
        user.require(Action.TRAIN)
        RayJobs(cluster)
        return f"{cluster.words[0].upper()}{cluster.words[1:]} answers."
