"""Work beside the page: progress, result, faults; and drafts of settings, which survive the app."""

import threading
import time

import pytest

from medreason.domain.training import TrainingConfig
from medreason.domain.user import Role, User
from medreason.errors import Busy, MedReasonError
from medreason.folder import DataFolder
from medreason.services.background import Background, Report, Work
from medreason.services.drafts import Drafts


def ended(background: Background, owner: int = 1) -> Work:
    until = time.monotonic() + 5
    while (work := background.of(owner)) is None or not work.done:
        assert time.monotonic() < until
        time.sleep(0.001)
    return work


def test_work_tells_how_far_it_is_and_keeps_its_result() -> None:
    background, go_on = Background(), threading.Event()

    def count(report: Report) -> int:
        report(0.5, "Half of it is counted.")
        assert go_on.wait(5)
        return 7

    background.start(1, "count", count)
    until = time.monotonic() + 5
    while (work := background.of(1)) is None or work.share is None:
        assert time.monotonic() < until
    assert (work.share, work.words, work.done) == (0.5, "Half of it is counted.", False)
    with pytest.raises(Busy, match="Half of it is counted"):
        background.start(1, "again", count)
    go_on.set()
    assert ended(background).result == 7
    assert background.of(2) is None
    background.forget(1)
    assert background.of(1) is None


def test_a_fault_is_kept_as_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(report: Report) -> None:
        raise MedReasonError("The file is empty. Choose another.")

    def break_down(report: Report) -> None:
        raise RuntimeError("secret detail")

    background = Background()
    background.start(1, "read", refuse)
    assert ended(background).fault == "The file is empty. Choose another."
    background.start(2, "read", break_down)
    assert "secret" not in ended(background, 2).fault
    assert "secret detail" in caplog.text


def test_a_draft_survives_the_app_and_belongs_to_its_user(folder: DataFolder) -> None:
    one, other = User(1, "one", Role.ENGINEER), User(2, "other", Role.ENGINEER)
    Drafts(folder).keep(one, TrainingConfig(max_rows=8))
    assert Drafts(folder).kept(one) == TrainingConfig(max_rows=8)
    assert Drafts(folder).kept(other) is None


def test_a_damaged_draft_is_as_if_there_were_none(folder: DataFolder) -> None:
    user = User(1, "one", Role.ENGINEER)
    Drafts(folder).keep(user, TrainingConfig())
    (file,) = (folder.root / "drafts").iterdir()
    file.write_text("epochs: [", encoding="utf-8")
    assert Drafts(folder).kept(user) is None
