"""A value of a callback that is a path of the server is refused before any component takes it for a file of its
own (fault 10)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from medreason.errors import MedReasonError
from tests.fuzzing import Fuzz, refuses_to_start
from tests.runs import config
from tests.shell import Shell, config_of, shell

PATHS = ("/etc/passwd", "../../../../etc/passwd", "file:///etc/passwd")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("paths")
    with shell(folder) as made:
        refuses_to_start(made.services, folder)
        yield made


def hands_out_nothing(fuzz: Fuzz, share: float) -> None:
    told: list[str] = []
    fuzz.hears = told.append
    fuzz.gaps(odd=PATHS[:1], share=share)
    assert fuzz.bad == [] and len(told) > 50
    signs = ("root:x:", '"path": "/etc', "file=/etc")
    assert [said for said in told if any(sign in said for sign in signs)] == []


def test_no_event_hands_out_a_file_that_a_value_names(site: Shell) -> None:
    """A fifth of all fields of all events, with a path in each; `make drill` takes them all."""
    hands_out_nothing(Fuzz(site, seed=3), 0.2)
    ann = site.logged_in("ann")
    for path in PATHS:
        assert ann.get(f"/gradio_api/file={path}").status_code in (403, 404)
    assert config_of(ann)["components"]


DEEDS: dict[str, Callable[[Any, Any, str], Any]] = {
    "adapter": lambda services, ann, path: services.serving.switch(ann, path),
    "adapter of a run": lambda services, ann, path: services.serving.switch(ann, f"run:{path}"),
    "name of a new run": lambda services, ann, path: services.training.start(ann, config(path)),
    "run to go on with": lambda services, ann, path: services.training.resume(ann, path),
    "run to delete": lambda services, ann, path: services.training.delete(ann, path),
    "run to rename": lambda services, ann, path: services.training.rename(ann, path, "x"),
    "collection to hand out": lambda services, ann, path: services.results.pack(ann, path),
    "study": lambda services, ann, path: services.studies.get(ann, path),
}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("path", PATHS)
def test_a_name_that_is_a_path_is_refused_by_the_service(site: Shell, deed: str, path: str) -> None:
    before = sorted(site.services.training.folder.root.rglob("*"))
    with pytest.raises(MedReasonError) as refused:
        DEEDS[deed](site.services, site.user("ann"), path)
    assert str(site.services.training.folder.root) not in str(refused.value)
    assert sorted(site.services.training.folder.root.rglob("*")) == before
