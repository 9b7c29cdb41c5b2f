"""What a request to stop does to the process that trains. The signal is handed over as the system would."""

import signal
from pathlib import Path

import pytest

from medreason.finetune.process import ask_to_stop
from medreason.finetune.stopping import Stopped, Stopping


def heard(stopping: Stopping) -> None:
    stopping._hear(signal.SIGTERM, None)


def test_without_word_of_saving_it_ends_at_once(tmp_path: Path) -> None:
    stopping = Stopping()
    stopping.folder, stopping.training = tmp_path, True
    with pytest.raises(Stopped):
        heard(stopping)
    assert stopping.at_once()


def test_asked_to_save_it_goes_on_to_the_end_of_the_batch(tmp_path: Path) -> None:
    stopping = Stopping()
    stopping.folder, stopping.training = tmp_path, True
    ask_to_stop(tmp_path, save=True)
    heard(stopping)
    assert stopping.asked and stopping.save and not stopping.at_once()


def test_asked_to_save_before_there_is_anything_it_ends_at_once(tmp_path: Path) -> None:
    stopping = Stopping()
    stopping.folder = tmp_path
    ask_to_stop(tmp_path, save=True)
    with pytest.raises(Stopped):
        heard(stopping)


def test_who_gives_up_saving_ends_it_at_once(tmp_path: Path) -> None:
    stopping = Stopping()
    stopping.folder, stopping.training = tmp_path, True
    ask_to_stop(tmp_path, save=True)
    heard(stopping)
    ask_to_stop(tmp_path, save=False)
    with pytest.raises(Stopped):
        heard(stopping)


def test_pressed_again_it_is_still_one_stop(tmp_path: Path) -> None:
    stopping = Stopping()
    stopping.folder = tmp_path
    with pytest.raises(Stopped):
        heard(stopping)
    heard(stopping)


def test_once_the_run_comes_to_its_own_end_it_is_not_broken_off(tmp_path: Path) -> None:
    stopping = Stopping()
    stopping.folder, stopping.training, stopping.finishing = tmp_path, True, True
    heard(stopping)
    assert stopping.asked
