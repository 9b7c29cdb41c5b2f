"""Nonsense at every door and event: never a 500, a traceback or a path, on the page or in the log, and the app
lives on. `make drill` sends 2,200 cases, and leaves every field of every event empty once."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.fuzzing import Fuzz, refuses_to_start
from tests.shell import Shell, call, config_of, event, outcome, shell


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch, shell(folder) as made:
        patch.setenv("HF_TOKEN", "hf_CanaryCanaryCanaryCanary")  # what the hub is given, nobody is shown
        refuses_to_start(made.services, folder)
        yield made


def test_nonsense_is_refused_in_plain_words(site: Shell) -> None:
    fuzz = Fuzz(site, seed=1)
    fuzz.run(220)
    fuzz.gaps(share=0.1)
    assert fuzz.cases >= 220 and fuzz.bad == []


def test_a_defect_in_a_callback_is_found(site: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is told of it in words, as of a refusal, so the fuzz looks into the log too."""
    monkeypatch.setattr("medreason.ui.page.who_line", lambda user: 1 // 0)
    fuzz = Fuzz(site, seed=1)
    fuzz.only("tell_who")
    fuzz.run(12)
    assert fuzz.bad and all(where == "log" and "ZeroDivisionError" in said for where, _, said in fuzz.bad)


def said(site: Shell, name: str, data: list[Any]) -> str:
    """What the page shows when this is sent for the event."""
    ann = site.logged_in("ann")
    session = f"said{name}"
    assert call(ann, session, event(config_of(ann), name)["id"], data).status_code == 200
    return str(outcome(ann, session))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("take", [None]),
        ("take_1", [None]),
        ("add_rater", [None, None]),
        ("confirmed", ["open ", None, None]),
        ("change_draft", [None]),
        ("look_on", [None]),
        ("choose_text", [None, None]),
    ],
)
def test_where_no_study_is_chosen_the_page_says_to_choose_one(site: Shell, name: str, data: list[Any]) -> None:
    assert "Choose a study first." in said(site, name, data)


def test_a_list_where_one_choice_is_meant_is_refused_in_words(site: Shell) -> None:
    for odd in ([], {}, [["x"]]):
        assert "something that this field cannot hold" in said(site, "change_draft", [odd])


def test_text_that_is_none_is_refused_in_words_and_no_text_is_an_empty_one(site: Shell) -> None:
    for odd in ("a\x00b", "a\ud800b", 7, ["x"]):
        assert "something that this field cannot hold" in said(site, "begin", [odd, ""])
    assert "was not found" in said(site, "begin", [None, None])
