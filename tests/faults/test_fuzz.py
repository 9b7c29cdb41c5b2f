"""Nonsense at every door and event: never a 500, a traceback or a path, and the app lives on. `make drill` sends
2,200 cases."""

from pathlib import Path

import pytest

from tests.fuzzing import Fuzz, refuses_to_start
from tests.shell import shell


def test_nonsense_is_refused_in_plain_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_CanaryCanaryCanaryCanary")  # what the hub is given, nobody is shown
    with shell(tmp_path) as site:
        refuses_to_start(site.services, tmp_path)
        fuzz = Fuzz(site, seed=1)
        fuzz.run(220)
    assert fuzz.cases >= 220 and fuzz.bad == []
