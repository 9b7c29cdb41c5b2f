"""The whole count of nonsense; see tests/faults/test_fuzz.py."""

from pathlib import Path

import pytest

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
