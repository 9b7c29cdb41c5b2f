"""Two apps that start runs at the same moment: one run trains, the other waits for it."""

from medreason.folder import DataFolder
from tests.run_drills import races


def test_of_two_runs_started_at_once_one_trains_and_the_other_waits(folder: DataFolder) -> None:
    found = races(folder, count=10)
    assert found.one_trained_first == 10
    assert found.then_the_other == 10 - found.same_name
    assert found.name_given_once == found.same_name == 2
