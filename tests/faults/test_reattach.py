"""An app that is killed while a run is live: the next one finds the run again."""

from medreason.folder import DataFolder
from tests.run_drills import TOLD_WITHIN_S, attach


def test_a_run_is_found_again_after_its_app_was_killed(folder: DataFolder) -> None:
    told = attach(folder, count=5)
    assert told.found == 5
    assert max(told.found_after_s + told.death_told_after_s) < TOLD_WITHIN_S
