"""The data folder: where everything that outlives the process lives, and nothing else."""

import os
from dataclasses import dataclass
from pathlib import Path

from medreason.errors import MedReasonError


@dataclass(frozen=True)
class DataFolder:
    """Paths below one folder. Creating the value touches nothing; `prepare()` makes the folder."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "medreason.db"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def embedded_model(self) -> Path:
        return self.models / "smollm2-135m-instruct"

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def exports(self) -> Path:
        return self.root / "exports"

    def prepare(self) -> None:
        """Make the folders; raises `MedReasonError` where they cannot be made or written."""
        try:
            # Ratings and questions are nobody else's on this computer.
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.models, self.runs, self.datasets, self.exports):
                folder.mkdir(exist_ok=True)
            writable = os.access(self.root, os.W_OK | os.X_OK)
        except OSError as fault:
            raise MedReasonError(
                f"The data folder {self.root} cannot be made ({fault.strerror}). Choose another with --data-dir."
            ) from fault
        if not writable:
            raise MedReasonError(
                f"The data folder {self.root} cannot be written. Choose another with --data-dir, "
                "or change its permissions."
            )
