"""The whole count of nonsense; see tests/faults/test_fuzz.py."""

from pathlib import Path

import pytest

from tests.faults.test_paths_as_values import hands_out_nothing
from tests.fuzzing import Fuzz, refuses_to_start
from tests.shell import shell


@pytest.mark.drill
def test_more_than_two_thousand_pieces_of_nonsense(tmp_path: Path) -> None:
    with shell(tmp_path) as site:
        refuses_to_start(site.services, tmp_path)
        fuzz = Fuzz(site, seed=7)
        fuzz.run(2_200)
        fuzz.gaps()
    print(f"{fuzz.cases:,} cases, {len(fuzz.bad)} bad")
    assert fuzz.bad == []


@pytest.mark.drill
def test_no_field_of_any_event_takes_a_path_for_a_file(tmp_path: Path) -> None:
    with shell(tmp_path) as site:
        refuses_to_start(site.services, tmp_path)
        fuzz = Fuzz(site, seed=5)
        hands_out_nothing(fuzz, 1)
    print(f"{fuzz.cases:,} fields given a path, no file handed out")
