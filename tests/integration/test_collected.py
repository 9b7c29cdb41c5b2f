"""A study's records, from the store to the numbers, the pack and the table of the pack's own files."""

import csv
import io
import json
import shutil
import zipfile
from dataclasses import replace

import pytest

from medreason.domain.arms import SIDES
from medreason.domain.case import Case, CaseKind
from medreason.domain.items import Instrument
from medreason.domain.planted import Planted, WrongWords
from medreason.domain.span import Span, SpanType, Target, text_sha256
from medreason.domain.user import Role
from medreason.errors import NotAllowed, NotFound
from medreason.services.assessing import assess
from medreason.services.collected import pack_of
from medreason.services.collections import Collections
from medreason.services.evaluating import evaluated
from medreason.services.pack.writing import pack_files
from medreason.services.planning import Planning
from medreason.services.results import EVERYTHING, Results
from medreason.services.sessions import RatingSessions
from medreason.services.tabulating import tabulate
from medreason.stats.bootstrap import Resampling
from tests.integration.stored.test_collections import path as path
from tests.integration.stored.test_collections import rated
from tests.store import MODEL
from tests.studies import NAME, PRACTICE, StudyDesk, accept, plan, rate, text_of, with_study

QUICK = Resampling(n_boot=99)
KIND = SpanType.FABRICATED_FACT


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """The store of a study that two people have rated, made once; each test has a copy of its own."""
    place = tmp_path_factory.mktemp("rated") / "medreason.db"
    rated(place, count=6, instrument=Instrument.FULL).close()
    return place


@pytest.fixture
def desk(kept, path):
    shutil.copy(kept, path)
    made = StudyDesk(path)
    yield made
    made.close()


def test_a_study_is_blind_until_it_is_closed(desk, tmp_path):
    results = Results(desk.collections, tmp_path / "models", QUICK)
    data = results.data(desk.local, NAME)
    assert not data.study.unblinded and {row.arm for row in data.ratings} == {"X", "Y"}
    assert data.study.seed is None and not any(row.base_model for row in data.generations)
    with pytest.raises(NotAllowed, match="not unblinded"):
        results.case(desk.local, NAME, EVERYTHING, "c1")
    pack = zipfile.ZipFile(io.BytesIO(results.pack(desk.local, NAME, wait_s=60) or b""))
    for name in pack.namelist():
        said = pack.read(name)
        for word in (MODEL.base_model, "canary-adapter", desk.store.studies.get(NAME).secret):
            assert word.encode() not in said, (name, word)


def test_a_closed_study_gives_its_numbers_to_the_page_and_to_the_files(desk, tmp_path):
    desk.studies.close(desk.local, NAME, "all rated")
    results = Results(desk.collections, tmp_path / "models", QUICK)
    data = results.data(desk.local, NAME)
    assert data.study.unblinded and data.study.closed_at and data.study.state == "closed"
    assert data.study.primary == "D" and len(data.study.plan_sha256) == 64
    made = evaluated(data, QUICK)
    depth, preferred = made.row("D"), made.row("preference")
    assert (depth.n_cases, depth.n_raters, depth.difference.value) == (6, 2, 2.0)
    assert (preferred.wins, preferred.losses) == (6, 0)
    assert made.row("major_hallucination").baseline.mean.value == 1.0
    assert len(results.case(desk.local, NAME, EVERYTHING, "c1").pairs) == 1
    with zipfile.ZipFile(io.BytesIO(results.pack(desk.local, NAME, wait_s=60) or b"")) as pack:
        pack.extractall(tmp_path)
    found = {one.name: one for one in tmp_path.rglob("*") if one.is_file()}
    table = json.loads(found["evaluation_table.json"].read_text())
    again = json.loads(
        tabulate(
            found["ratings_long.csv"], found["pairs.csv"], found["spans.csv"], found["generations.jsonl"]
        ).as_json()
    )
    values = {row["outcome"]: row["diff_mean"] for row in table["rows"]}
    assert values["D"] == 2.0
    assert {row["outcome"]: row["diff_mean"] for row in again["rows"]} == values


def test_a_look_before_closing_is_counted_and_said(desk):
    desk.studies.unblind(desk.local, NAME, "a safety question")
    data = pack_of(desk.collections.records(desk.local, NAME))
    assert data.study.unblinded and data.study.interim_looks == 1 and data.study.state == "open"
    assert data.study.unblinded_at and not data.study.closed_at


def test_an_engineer_sees_a_study_only_after_it_is_closed(desk, tmp_path):
    results = Results(desk.collections, tmp_path / "models", QUICK)
    engineer = desk.people.add("Ed", Role.ENGINEER)
    with pytest.raises(NotAllowed):
        results.data(engineer, NAME)
    desk.studies.close(desk.local, NAME, "all rated")
    assert results.data(engineer, NAME).study.unblinded


def test_each_planted_error_of_a_text_is_counted_by_itself_in_the_files(path):
    desk = StudyDesk(path)
    control = Case("pl", "Planted?", kind=CaseKind.PLANTED_ERROR)
    planted = Planted("pl", "Give 500 mg for 9 years.", "500 mg", more=(WrongWords("9 years", severity=4),))
    wanted = plan(count=1, raters=("Anna", "Ben"))
    desk.open_study(replace(wanted, cases=(*wanted.cases, control), planted=(planted,)))
    for name in wanted.raters:
        accept(desk, name)
        while view := desk.sessions.next(desk.local, name, NAME):
            sides = [side for side in SIDES if planted.answer == text_of(view, side)]
            marks = tuple(
                Span(side, Target.ANSWER, 6, 9, planted.answer[6:9], text_sha256(planted.answer), KIND, 3)
                for side in sides
                if name == "Anna"
            )
            rate(desk, view, name, spans=marks)
    assert not pack_of(desk.collections.records(desk.local, NAME)).planted  # still blind
    desk.studies.close(desk.local, NAME, "done")
    made = assess(pack_of(desk.collections.records(desk.local, NAME)), QUICK)
    rows = list(csv.DictReader(io.StringIO(pack_files(made)["planted.csv"].decode())))
    anna, ben = (seat.pseudonym for seat in desk.store.studies.seats(desk.store.studies.get(NAME).id))
    assert [(row["quote"], row["severity"], row["found_by"], row["missed_by"]) for row in rows] == [
        ("500 mg", "3", anna, ben), ("9 years", "4", "", f"{anna};{ben}"),
    ]  # fmt: skip
    found = {row.rater: (row.planted_found.value, row.n_planted) for row in made.evaluation.quality.raters}
    assert found == {anna: (0.5, 2), ben: (0.0, 2)}
    assert b"500 mg" not in pack_files(made, texts=False)["planted.csv"]
    desk.close()


RENAMED = tuple(replace(one, case=replace(one.case, case_id=f"{one.case.case_id}-renamed")) for one in PRACTICE)


def test_practice_cases_that_a_later_version_renamed_leave_the_results_of_older_studies(desk):
    desk.studies.close(desk.local, NAME, "all rated")
    planning = Planning(lambda key: None)
    later = Collections(desk.store, desk.pairs, desk.ratings, desk.people, RENAMED, planning)
    before, after = (one.records(desk.local, NAME) for one in (desk.collections, later))
    assert after.ratings == before.ratings and pack_of(after).ratings
    assert {row["case_id"] for row in after.training} == {one.case.case_id for one in PRACTICE}
    assert {row["case_version"] for row in after.training} == {""}


def test_practice_cases_that_a_later_version_renamed_hold_up_no_rater(path):
    desk = with_study(path, count=2)
    first = desk.sessions.next(desk.local, "Anna", NAME)
    later = RatingSessions(desk.store, desk.seats, RENAMED)
    view = later.next(desk.local, "Anna", NAME)
    assert first.practice and not view.practice and view.case_text.startswith("Case ")
    with pytest.raises(NotFound, match="came with an earlier version"):
        later.open(desk.local, "Anna", first.showing_id)
    desk.close()


def test_time_that_was_not_measured_is_not_nought(path):
    desk = with_study(path, count=1, raters=("Anna",))
    while view := desk.sessions.next(desk.local, "Anna", NAME):
        rate(desk, view, "Anna", active_ms=0)
    desk.studies.close(desk.local, NAME, "done")
    data = pack_of(desk.collections.records(desk.local, NAME))
    assert {row.active_ms for row in (*data.ratings, *data.pairs)} == {None}
    assert evaluated(data, QUICK).row("time").n_paired == 0
    desk.close()
