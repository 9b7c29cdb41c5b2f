"""The settings that somebody has filled in but not started yet, so that a reload shows them again.

A convenience: a draft that cannot be read or written is as if there were none.
"""

import logging
import os
from pathlib import Path

from medreason.domain.training import TrainingConfig
from medreason.domain.user import User
from medreason.errors import MedReasonError
from medreason.finetune.config_file import read_config, write_config
from medreason.folder import DataFolder

log = logging.getLogger(__name__)


class Drafts:
    """One draft of training settings for each user, below the data folder."""

    def __init__(self, folder: DataFolder):
        self._folder = folder.root / "drafts"

    def keep(self, user: User, config: TrainingConfig) -> None:
        """Remember `config` in place of what was kept before."""
        path = self._path(user)
        building = path.with_suffix(".new")
        try:
            self._folder.mkdir(exist_ok=True)
            write_config(config, building)
            os.replace(building, path)
        except OSError as fault:
            log.warning("The draft was not kept: %s", fault)

    def kept(self, user: User) -> TrainingConfig | None:
        """What was kept last, or None."""
        path = self._path(user)
        try:
            return read_config(path) if path.is_file() else None
        except MedReasonError as fault:
            log.warning("The draft was not read: %s", fault)
            return None

    def _path(self, user: User) -> Path:
        return self._folder / f"training-{user.id}.yaml"
