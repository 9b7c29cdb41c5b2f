"""`app.py export`: the whole pack or nothing, and one sentence where there is none to write."""

import json
import stat
import zipfile

import pytest

from medreason.cli import main
from medreason.folder import DataFolder
from medreason.services.scheduling import letters
from tests.integration.stored.test_collections import rated
from tests.results_page import rate_cases
from tests.store import Store
from tests.studies import NAME


@pytest.fixture
def data(tmp_path):
    folder = DataFolder(tmp_path / "data")
    folder.prepare()
    return folder


def test_the_pack_of_the_live_pairs_is_written_whole(data, tmp_path, capsys):
    store = Store(data.database)
    rate_cases(store, 3, ("Ann", "Ben"))
    store.close()
    out = tmp_path / "pack.zip"
    asked = ["export", "live", "--out", str(out), "--data-dir", str(data.root)]
    assert main([*asked, "--without-texts"]) == 0
    assert "3 cases, 2 raters" in capsys.readouterr().out
    with zipfile.ZipFile(out) as packed:
        assert packed.testzip() is None and b"swollen" not in packed.read("cases.csv")
        assert b'"texts": false' in packed.read("study.json")
        (tmp_path / "r.csv").write_bytes(packed.read("ratings_long.csv"))
    assert main(["table", str(tmp_path / "r.csv")]) == 0
    assert "Exploratory" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "pack.zip", "r.csv"]


@pytest.mark.parametrize(
    ("collection", "place", "told"),
    [
        ("live", "p.zip", "Nothing is rated in “live” yet"),
        ("pilot", "p.zip", "There is no study named pilot"),
    ],
)
def test_what_cannot_be_exported_is_told(data, tmp_path, capsys, collection, place, told):
    Store(data.database).close()
    assert main(["export", collection, "--out", str(tmp_path / place), "--data-dir", str(data.root)]) == 2
    assert told in capsys.readouterr().err and not (tmp_path / place).exists()


def test_a_folder_without_ratings_and_a_place_that_cannot_be_written_are_told(data, tmp_path, capsys):
    assert main(["export", "live", "--out", str(tmp_path / "p.zip"), "--data-dir", str(tmp_path / "none")]) == 2
    assert "There are no ratings in" in capsys.readouterr().err
    store = Store(data.database)
    rate_cases(store, 1, ("Ann",))
    store.close()
    assert main(["export", "live", "--out", str(tmp_path / "no" / "p.zip"), "--data-dir", str(data.root)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_the_key_is_a_file_of_its_own_written_once_the_study_is_unblinded_and_recorded(data, tmp_path, capsys):
    desk = rated(data.database)
    pack, key = tmp_path / "pack.zip", tmp_path / "key.json"
    asked = ["export", NAME, "--out", str(pack), "--key", str(key), "--data-dir", str(data.root)]
    assert main(asked) == 2
    assert "still blinded" in capsys.readouterr().err and not pack.exists() and not key.exists()
    assert main([*asked[:4], "--key", str(tmp_path / "x" / ".." / "pack.zip"), *asked[-2:]]) == 2
    assert "cannot both be" in capsys.readouterr().err and not pack.exists()

    desk.studies.close(desk.local, NAME, "done")
    letters_of = {name: str(arm) for arm, name in letters(desk.store.studies.get(NAME)).items()}
    assert main(asked) == 0
    assert f"X is {letters_of['X']}, Y is {letters_of['Y']}" in capsys.readouterr().out
    assert json.loads(key.read_text()) == {"study_id": NAME, **letters_of}
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert [one.action for one in desk.store.audit.entries()][-1] == "key written"
    desk.close()
    with zipfile.ZipFile(pack) as packed:
        assert not [name for name in packed.namelist() if "key" in name]
        assert not [name for name in packed.namelist() if b'"X": "' in packed.read(name)]
    assert main(["export", "live", *asked[2:]]) == 2
    assert "never called X and Y" in capsys.readouterr().err
