"""Where a run lives that is not on this computer: the cluster, its folder and job there, and what is known of it.

A file in the run's folder, so that the app finds the job again. Holds no token.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medreason.domain.cluster import RayCluster
from medreason.domain.run import Checkpoint
from medreason.errors import MedReasonError
from medreason.whole_file import read_json, write_json

PLACE_FILE = "elsewhere.json"


@dataclass(frozen=True)
class Place:
    """`folder` is the run's on the cluster, `job` its newest job, `node` the machine that this ran on, `log_bytes`
    how long the log was before it. `over` says that its end is known and nothing of it is still to be fetched."""

    cluster: RayCluster
    folder: str
    job: str = ""
    node: str = ""
    log_bytes: int = 0
    over: bool = False
    checkpoints: tuple[Checkpoint, ...] = ()

    @property
    def followable(self) -> bool:
        """Whether there may be more to hear of its job."""
        return bool(self.job) and not self.over


def write_place(run: Path, place: Place) -> None:
    write_json(run / PLACE_FILE, asdict(place))


def read_place(run: Path) -> Place | None:
    """Where a run lives, or None for one of this computer."""
    found = read_json(run / PLACE_FILE)
    if found is None:
        return None
    try:
        known = {**found, "cluster": RayCluster(**found["cluster"])}
        known["checkpoints"] = checkpoints_of(found["checkpoints"])
        return Place(**known)
    except (KeyError, TypeError, ValueError, MedReasonError):
        return None


def checkpoints_of(found: Any) -> tuple[Checkpoint, ...]:
    """Raises TypeError, KeyError or ValueError where `found` is no list of checkpoints."""
    return tuple(_checkpoint(one) for one in found)


def _checkpoint(one: Mapping[str, Any]) -> Checkpoint:
    loss = one.get("held_out_loss")
    return Checkpoint(
        int(one["step"]), bool(one["whole"]), None if loss is None else float(loss), str(one.get("fault", ""))
    )
