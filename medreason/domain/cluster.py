"""A Ray cluster that runs can be sent to: where it is and what a run may use there. Asks nothing of it.

A token is never a value here, only the name of the environment variable that holds it.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from medreason.domain.setting import check_settings, setting

# Others hold what is none of a cluster's business, such as the password of a database.
VARIABLE = re.compile(r"RAY_[A-Za-z0-9_]+")
PLACE = re.compile(r"/[^\x00-\x1f]*")


@dataclass(frozen=True)
class RayCluster:
    """Folders are those of the cluster's machines, without a slash at their end."""

    address: str = setting(
        "",
        "Address of the cluster",
        "Where its dashboard answers, such as http://10.0.0.5:8265.",
    )
    working_dir: str = setting(
        "",
        "Working folder there",
        "A folder of the cluster in which runs and checkpoints are written; with several machines, a shared disk.",
    )
    data_dir: str = setting(
        "",
        "Data folder there",
        "Where base models and prepared data lie on the cluster. Empty: “data” inside the working folder. Data of "
        "this computer are sent along, up to 90 MB.",
    )
    gpus: int = setting(
        1,
        "GPUs",
        "How many the run waits for, gets and uses, all of one machine; 0 trains on cores.",
        minimum=0,
        maximum=64,
    )
    cpus: int = setting(1, "Processor cores", "How many the run waits for and gets.", minimum=0, maximum=1024)
    python: str = setting(
        "python", "Python there", "A Python of the cluster in which requirements.txt is installed.", advanced=True
    )
    token_env: str = setting(
        "",
        "Variable with the token",
        "Name of an environment variable of this app that holds the cluster's token, such as RAY_AUTH_TOKEN. "
        "Empty: no token.",
        advanced=True,
    )

    def __post_init__(self) -> None:
        for name in ("address", "working_dir", "data_dir"):
            if isinstance(value := getattr(self, name), str):
                object.__setattr__(self, name, value.strip().rstrip("/"))
        checks = check_settings(self)
        shown, remedy = _address_fault(self.address)
        checks.require(not remedy, "Address of the cluster", shown, remedy)
        checks.require(
            PLACE.fullmatch(str(self.working_dir)) is not None,
            "Working folder there",
            self.working_dir,
            "give a whole path such as /mnt/medreason",
        )
        checks.require(
            not self.data_dir or PLACE.fullmatch(str(self.data_dir)) is not None,
            "Data folder there",
            self.data_dir,
            "give a whole path, or leave it empty",
        )
        # Whoever gives the token itself here must not find it again in a log: the value is not shown.
        checks.require(
            not self.token_env or VARIABLE.fullmatch(str(self.token_env)) is not None,
            "Variable with the token",
            None,
            "give the name of an environment variable that begins with RAY_ and holds the token, not the token",
        )
        checks.done()

    @property
    def words(self) -> str:
        """What it is called in sentences."""
        return f"the Ray cluster at {self.address}"

    @property
    def data_folder(self) -> str:
        return self.data_dir or f"{self.working_dir}/data"


def _address_fault(address: object) -> tuple[object, str]:
    """What is shown of a wrong address, and the remedy; an empty remedy where it is right."""
    try:
        parts = urlsplit(str(address))
        whole = parts.scheme in ("http", "https") and bool(parts.hostname)
        whole = whole and (parts.port is None or parts.port > 0) and not re.search(r"\s", str(address))
    except ValueError:
        return address, "give an address such as http://10.0.0.5:8265"
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        return None, "give the address alone; a token belongs into an environment variable"
    return address, "" if whole else "give an address such as http://10.0.0.5:8265"
